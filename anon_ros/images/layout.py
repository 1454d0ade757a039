"""Types that raw and compressed images share."""

from array import array
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.images.bit_depth import ToneRule

ByteData: TypeAlias = "bytes | bytearray | memoryview | array[int] | npt.NDArray[np.uint8]"
"""The ``data`` of a message as rclpy (array), rosbags (ndarray) or a file (bytes) give it."""


@dataclass(frozen=True)
class RowBuffer:
    """The bytes of a raw image, row by row.

    Attributes:
        data: (R, step) uint8, padding included; a view of the message's bytes or of their copy.
        height_px: of the image. R is larger where chroma planes follow the luma plane.
        width_px: of the image.
        is_bigendian: byte order of 16-bit samples.
        tone_rule: choice of the mapping of 16-bit samples to 8 bits.
    """

    data: npt.NDArray[np.uint8]
    height_px: int
    width_px: int
    is_bigendian: bool
    tone_rule: ToneRule


class PixelLayout(Protocol):
    """The layout of the pixels of an encoding in its rows."""

    @property
    def size_multiple_hw(self) -> tuple[int, int]:
        """Height and width of the image must be multiples of these."""
        ...

    @property
    def min_px(self) -> int:
        """Smallest height and width that can be decoded."""
        ...

    def row_bytes(self, width_px: int) -> int:
        """Return the bytes of a row without its padding."""
        ...

    def row_count(self, height_px: int) -> int:
        """Return the number of rows of ``step`` bytes, those of chroma planes included."""
        ...

    def decode(self, rows: RowBuffer) -> RgbImage:
        """Return the image, in memory of its own."""
        ...

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        """Overwrite the samples of the pixels in ``mask``, all of which lie in ``roi``.

        The written bytes depend on no pixel of ``image`` outside ``mask``.
        """
        ...


def validate_result(image: RgbImage, mask: Mask, height_px: int, width_px: int) -> None:
    """Reject an anonymized image that does not belong to its original.

    Raises:
        ValueError: if ``image`` is not (height_px, width_px, 3) uint8 or ``mask`` not
            (height_px, width_px) bool.
    """
    if image.shape != (height_px, width_px, 3) or image.dtype != np.uint8:
        message = f"image is {image.dtype} {image.shape}, not uint8 {(height_px, width_px, 3)}"
        raise ValueError(message)
    if mask.shape != (height_px, width_px) or mask.dtype != np.bool_:
        message = f"mask is {mask.dtype} {mask.shape}, not bool {(height_px, width_px)}"
        raise ValueError(message)
