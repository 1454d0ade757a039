"""Encodings with all channels of a pixel side by side: rgb8, bgra16, mono8 and their like."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.images.bit_depth import from_8bit, to_8bit, white_level
from anon_ros.images.layout import RowBuffer, Samples

_CHANNELS = {"mono": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_TO_RGB = {
    "bgr": cv2.COLOR_BGR2RGB,
    "rgba": cv2.COLOR_RGBA2RGB,
    "bgra": cv2.COLOR_BGRA2RGB,
}


@dataclass(frozen=True)
class PackedLayout:
    """A layout of one sample per channel and pixel.

    Attributes:
        order: "mono", "rgb", "bgr", "rgba" or "bgra".
        sample_bytes: 1 or 2.
    """

    order: str
    sample_bytes: int
    size_multiple_hw: tuple[int, int] = (1, 1)
    min_px: int = 1

    def row_bytes(self, width_px: int) -> int:
        return width_px * _CHANNELS[self.order] * self.sample_bytes

    def row_count(self, height_px: int) -> int:
        return height_px

    def decode(self, rows: RowBuffer) -> RgbImage:
        return to_rgb(to_native_order(self._view_samples(rows)), self.order)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        write_masked(self._view_samples(rows), self.order, image, mask, roi)

    def _view_samples(self, rows: RowBuffer) -> Samples:
        return sample_view(rows, _CHANNELS[self.order], self.sample_bytes)


def sample_view(rows: RowBuffer, channels: int, sample_bytes: int) -> Samples:
    """Return (H, W, C), or (H, W) if C=1: the rows without padding, in their own byte order."""
    samples: Samples = np.ndarray(
        (rows.height_px, rows.width_px, channels),
        dtype=f"{'>' if rows.is_bigendian else '<'}u{sample_bytes}",
        buffer=rows.data,
        strides=(rows.data.strides[0], channels * sample_bytes, sample_bytes),
    )
    return samples[..., 0] if channels == 1 else samples


def to_native_order(samples: Samples) -> Samples:
    """Return ``samples`` as OpenCV can read them: this machine's byte order, and no odd step."""
    return np.require(samples, samples.dtype.newbyteorder("="), ["ALIGNED"])


def to_rgb(samples: Samples, order: str) -> RgbImage:
    """Return a copy of ``samples`` as 8-bit RGB; alpha is left out."""
    values = to_8bit(_drop_alpha(samples, order))
    if order == "mono":
        return np.asarray(cv2.cvtColor(values, cv2.COLOR_GRAY2RGB), np.uint8)
    if order == "rgb":
        return np.array(values, np.uint8, order="C")
    return values


def write_masked(samples: Samples, order: str, image: RgbImage, mask: Mask, roi: Roi) -> None:
    """Overwrite the pixels of ``mask`` in ``samples``, in any byte order; alpha stays."""
    is_8bit = samples.dtype == np.uint8
    white = white_level(samples if is_8bit else _drop_alpha(to_native_order(samples), order))
    inside = mask[roi.slices]
    values = from_8bit(_reorder(image[roi.slices], order), white)
    target = samples[roi.slices]
    if order == "mono":
        np.copyto(target, values, where=inside)
    else:
        for channel in range(3):  # one by one: numpy is ten times slower on a broadcast mask
            np.copyto(target[..., channel], values[..., channel], where=inside)


def _drop_alpha(samples: Samples, order: str) -> Samples:
    """Return RGB where ``samples`` have color: new memory, but for "mono" and "rgb"."""
    code = _TO_RGB.get(order)
    if code is None:
        return samples
    return np.asarray(cv2.cvtColor(samples, code), samples.dtype)


def _reorder(image: RgbImage, order: str) -> npt.NDArray[np.uint8]:
    if order == "mono":
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return image if order.startswith("rgb") else image[..., ::-1]
