"""Encodings with all channels of a pixel side by side: rgb8, bgra16, mono8 and their like."""

from dataclasses import dataclass

import cv2
import numpy as np

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.errors import ImageFormatError
from anon_ros.images.bit_depth import Samples, ToneRule
from anon_ros.images.layout import RowBuffer

_CHANNELS = {"mono": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_WITH_ALPHA = ("rgba", "bgra")
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
        return to_rgb(to_native_order(self._view_samples(rows)), self.order, rows.tone_rule)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        write_masked(self._view_samples(rows), self.order, image, mask, roi, rows.tone_rule)

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


def to_rgb(samples: Samples, order: str, tone_rule: ToneRule) -> RgbImage:
    """Return a copy of ``samples`` as 8-bit RGB; alpha is left out.

    Raises:
        ImageFormatError: if the fourth channel may show persons, or the tone rule refuses.
    """
    color = _drop_alpha(samples, order)
    values = tone_rule(color).to_8bit(color)
    if order == "mono":
        return np.asarray(cv2.cvtColor(values, cv2.COLOR_GRAY2RGB), np.uint8)
    if order == "rgb":
        return np.array(values, np.uint8, order="C")
    return values


def write_masked(  # noqa: PLR0913, PLR0917 - the arguments of a layout, and two more
    samples: Samples, order: str, image: RgbImage, mask: Mask, roi: Roi, tone_rule: ToneRule
) -> None:
    """Overwrite the pixels of ``mask`` in ``samples``, in any byte order; constant alpha stays.

    Raises:
        ImageFormatError: as ``to_rgb``.
    """
    inside = mask[roi.slices]
    tone = tone_rule(_drop_alpha(to_native_order(samples), order))
    values = _reorder(image[roi.slices], order)
    if samples.dtype != np.uint8:
        values = tone.from_8bit(values)
    target = samples[roi.slices]
    if order == "mono":
        np.copyto(target, values, where=inside)
    else:
        for channel in range(3):  # one by one: numpy is ten times slower on a broadcast mask
            np.copyto(target[..., channel], values[..., channel], where=inside)


def _drop_alpha(samples: Samples, order: str) -> Samples:
    """Return RGB where ``samples`` have color: new memory, but for "mono" and "rgb".

    Raises:
        ImageFormatError: if the fourth channel is no constant: it may be another picture, such as
            near infrared, and nobody searches it.
    """
    if order in _WITH_ALPHA and np.ptp(samples[..., 3]):
        message = (
            f"the fourth channel of a {order} image is not constant: it may show persons, as alpha "
            "or as near infrared, and is not searched; publish three channels"
        )
        raise ImageFormatError(message)
    code = _TO_RGB.get(order)
    if code is None:
        return samples
    return np.asarray(cv2.cvtColor(samples, code), samples.dtype)


def _reorder(image: RgbImage, order: str) -> Samples:
    if order == "mono":
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return image if order.startswith("rgb") else image[..., ::-1]
