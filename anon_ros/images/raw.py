"""The pixels of sensor_msgs/Image."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.errors import ImageFormatError
from anon_ros.images.encodings import get_layout
from anon_ros.images.layout import ByteData, PixelLayout, RowBuffer, validate_result

# Alignment of rows, and padding at the end.
_PADDING_BYTES = 64


@dataclass(frozen=True)
class RawImage:
    """The fields of sensor_msgs/Image that describe its pixels.

    Attributes:
        height: px.
        width: px.
        encoding: a name of sensor_msgs/image_encodings.hpp.
        is_bigendian: byte order of 16-bit samples; without meaning for 8 bits.
        step: bytes from one row to the next, padding included.
        data: at least ``step`` bytes for each row; it is only read.
    """

    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: ByteData


def decode_raw(raw: RawImage) -> RgbImage:
    """Return the image as 8-bit RGB, in memory of its own.

    16-bit samples are scaled by the smallest 2**n - 1, n >= 8, that holds the largest of them, so
    that a 12-bit camera's image is not black.

    Raises:
        ImageFormatError: if the encoding is not supported, or sizes and data do not fit together.
    """
    layout = get_layout(raw.encoding)
    _check(raw, layout)
    return layout.decode(_view_rows(raw, layout, np.frombuffer(raw.data, np.uint8)))


def encode_raw(raw: RawImage, image: RgbImage, mask: Mask) -> bytes:
    """Return the data of ``raw`` with the pixels under ``mask`` taken from ``image``.

    All other bytes are those of ``raw``: pixels, alpha, padding and whatever follows the last row.
    But more than 64 bytes of either are blanked: they may be a part of a larger picture, and nobody
    has looked for persons there.
    Chroma that several pixels share is replaced where ``mask`` touches one of them. 16-bit samples
    keep their range: white is what it was in ``raw``.

    Args:
        raw: the original.
        image: (H, W, 3) uint8 RGB; no pixel outside ``mask`` has any influence.
        mask: (H, W) bool.

    Raises:
        ImageFormatError: as ``decode_raw``.
        ValueError: if image or mask do not have the size of ``raw``.
    """
    layout = get_layout(raw.encoding)
    _check(raw, layout)
    validate_result(image, mask, raw.height, raw.width)
    data = np.frombuffer(raw.data, np.uint8).copy()
    rows = _view_rows(raw, layout, data)
    used_bytes = layout.row_bytes(raw.width)
    if raw.step - used_bytes > _PADDING_BYTES and raw.encoding != "nv24":  # its rows are not so
        rows.data[:, used_bytes:] = 0
    if len(data) - rows.data.size > _PADDING_BYTES:
        data[rows.data.size :] = 0
    if mask.any():
        layout.write(rows, image, mask, Roi.from_mask(mask, align_px=2))
    return data.tobytes()


def _view_rows(raw: RawImage, layout: PixelLayout, data: npt.NDArray[np.uint8]) -> RowBuffer:
    count = layout.row_count(raw.height)
    rows = data[: count * raw.step].reshape(count, raw.step)
    return RowBuffer(rows, raw.height, raw.width, raw.is_bigendian)


def _check(raw: RawImage, layout: PixelLayout) -> None:
    what = f"{raw.encoding} image of {raw.width} x {raw.height} px"
    if min(raw.width, raw.height) < layout.min_px:
        message = f"{what}: width and height must be at least {layout.min_px}"
        raise ImageFormatError(message)
    height_multiple, width_multiple = layout.size_multiple_hw
    if raw.height % height_multiple or raw.width % width_multiple:
        message = (
            f"{what}: width must be a multiple of {width_multiple} and height of {height_multiple}"
        )
        raise ImageFormatError(message)
    if raw.step < layout.row_bytes(raw.width):
        message = f"{what}: step is {raw.step}, a row needs {layout.row_bytes(raw.width)} bytes"
        raise ImageFormatError(message)
    size, needed = len(raw.data), layout.row_count(raw.height) * raw.step
    if size < needed:
        message = f"{what}: data holds {size} bytes, step {raw.step} needs {needed}"
        raise ImageFormatError(message)
