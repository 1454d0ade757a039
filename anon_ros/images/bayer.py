"""Encodings with one color per pixel in a 2x2 mosaic: bayer_rggb8 and its like."""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.images.layout import RowBuffer
from anon_ros.images.packed import sample_view, to_native_order

# ROS names the mosaic from the first pixel of the first row, OpenCV from the second of the second:
# the same table as in cv_bridge.cpp (vision_opencv) and rosbags-image.
_TO_RGB = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}


@dataclass(frozen=True)
class BayerLayout:
    """A layout of one sample per pixel.

    A sample belongs to one pixel alone, so exactly the samples under the mask are rewritten.
    Growing the mask to whole mosaic cells would change nothing for privacy: it would write the
    neighbors' own values back, rounded to 8 bits.

    Attributes:
        pattern: colors of the cell's first and second row, for example "rggb".
        sample_bytes: 1 or 2.
    """

    pattern: str
    sample_bytes: int
    size_multiple_hw: tuple[int, int] = (1, 1)
    min_px: int = 3  # OpenCV's demosaicing makes anything smaller black

    def row_bytes(self, width_px: int) -> int:
        return width_px * self.sample_bytes

    def row_count(self, height_px: int) -> int:
        return height_px

    def decode(self, rows: RowBuffer) -> RgbImage:
        samples = to_native_order(sample_view(rows, 1, self.sample_bytes))
        mosaic = rows.tone_rule(samples).to_8bit(samples)
        return np.asarray(cv2.cvtColor(mosaic, _TO_RGB[self.pattern]), np.uint8)

    def write(self, rows: RowBuffer, image: RgbImage, mask: Mask, roi: Roi) -> None:
        samples = sample_view(rows, 1, self.sample_bytes)
        tone = rows.tone_rule(to_native_order(samples))
        values = tone.from_8bit(image[roi.slices])
        target, inside = samples[roi.slices], mask[roi.slices]
        for color, (row, column) in zip(self.pattern, product((0, 1), (0, 1)), strict=True):
            phase = (slice(row, None, 2), slice(column, None, 2))
            np.copyto(target[phase], values[phase][..., "rgb".index(color)], where=inside[phase])
