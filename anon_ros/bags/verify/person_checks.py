"""Whether somebody still looks as in the input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi, fill_from_surroundings

_CLOSE_LEVELS = 3
_FAR_LEVELS = 32
_ERRORS = 2
_MOSTLY, _NEARLY_ALL = 0.5, 0.8


@dataclass(frozen=True)
class PersonComparison:
    """Looks at the replaced pixels of one person after the other.

    A person looks as before if more than half of the replaced pixels do: three levels, or in a
    JPEG twice the error that encoding makes around them. That is no defect where the surroundings
    look the same, too (night), and whoever is drawn as dark as the original was may come near it.
    So it breaks the output from 0.8 on: outlines and gaps, where surroundings were drawn, differ
    otherwise. Where a format loses nothing, more than half of *equal* pixels do, wherever: no
    pixel that was replaced is (core.composite).

    Attributes:
        input_image: (H, W, 3) uint8 RGB, of the input.
        output_image: (H, W, 3) uint8 RGB, of the output.
        mask: (H, W) bool, what was replaced.
        is_exact: no pixel that was replaced equals the input's.
        measure_codec_error: measures what encoding alone changes, (H, W) levels; None for a format
            without loss.
    """

    input_image: RgbImage
    output_image: RgbImage
    mask: Mask
    is_exact: bool
    measure_codec_error: Callable[[], npt.NDArray[np.float32]] | None

    def check_person(self, box_xyxy: Sequence[float]) -> tuple[str, str]:
        """The problem and the doubt, each empty for none."""
        height_px, width_px = self.mask.shape
        roi = Roi.from_box_xyxy(box_xyxy).clip(width_px, height_px)
        name = f"the person at {roi.x0},{roi.y0} to {roi.x1},{roi.y1} px"
        inside = self.mask[roi.slices]
        if not inside.any():
            return f"{name} has no pixel in the mask", ""
        levels = self._difference[roi.slices][inside]
        if self.is_exact and np.mean(levels == 0) > _MOSTLY:
            return f"{name} is that of the input", ""
        if np.median(levels) > _FAR_LEVELS:
            return "", ""
        share = float(np.mean(levels <= self._close_levels[roi.slices][inside]))
        if share <= _MOSTLY or self._looks_like_surroundings(roi, inside):
            return "", ""
        told = f"{name} looks as in the input ({share:.0%} of the replaced pixels)"
        return (told, "") if share > _NEARLY_ALL else ("", told)

    @cached_property
    def _difference(self) -> npt.NDArray[np.uint8]:
        return np.asarray(cv2.absdiff(self.input_image, self.output_image).max(axis=2), np.uint8)

    @cached_property
    def _close_levels(self) -> npt.NDArray[np.float32]:
        """(H, W) float32: differences up to which a pixel looks as before."""
        if self.measure_codec_error is None:
            return np.full(self.mask.shape, _CLOSE_LEVELS, np.float32)
        return np.maximum(_ERRORS * self.measure_codec_error(), np.float32(_CLOSE_LEVELS))

    def _looks_like_surroundings(self, roi: Roi, inside: Mask) -> bool:
        """Whether the colours around a person would fill the mask with much the same pixels."""
        height_px, width_px = self.mask.shape
        margin_px = max(roi.width_px, roi.height_px) // 2
        around = roi.expand(margin_px).clip(width_px, height_px)
        inner = roi.relative_to(around).slices
        filled = fill_from_surroundings(self.input_image[around.slices], self.mask[around.slices])[
            inner
        ]
        levels = cv2.absdiff(self.input_image[roi.slices], filled).max(axis=2)[inside]
        return bool(np.mean(levels <= self._close_levels[roi.slices][inside]) > _MOSTLY)
