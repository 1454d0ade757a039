"""Inpainters without a model: fill, telea, blur, pixelate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from anon_ros.config import InpaintConfig, Style
from anon_ros.core import Crop, RgbImage, fill_from_surroundings

_TELEA_PX = 256
_TELEA_RADIUS_PX = 3
# Colors that are left along a person's longer side. A head is about an eighth of a standing
# person; where only a face is visible, 8 x 8 colors do not identify it.
_COLORS_PER_PERSON = 8


@dataclass(frozen=True)
class ClassicalInpainter:
    """An Inpainter made of a pure function of one crop."""

    function: Callable[[Crop], RgbImage]

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call."""
        return 1

    @property
    def draws_persons(self) -> bool:
        """False: the results show no synthetic person."""
        return False

    @property
    def keeps_grid(self) -> bool:
        """False: the results do not depend on a grid that a stable crop window would preserve."""
        return False

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """The number of times that memory did not suffice, by reason: none."""
        return {}

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
        """Return one image per crop, of its shape."""
        return [self.function(crop) for crop in crops]

    def reconfigure(
        self, _before: InpaintConfig, _after: InpaintConfig, _styles: Sequence[Style] = ()
    ) -> bool:
        """Return True: nothing of it depends on the configuration."""
        return True

    def run_idle_work(self) -> None:
        """Do nothing: there is no work but the crops."""

    def release(self) -> None:
        """Do nothing: there is nothing to free."""


def fill_smoothly(crop: Crop) -> RgbImage:
    """Fill in the colors around all persons, spread smoothly."""
    return fill_from_surroundings(crop.image, crop.persons_mask)


def fill_telea(crop: Crop) -> RgbImage:
    """Fill in with Telea's inpainting from the pixels around all persons.

    It runs on at most 256 px a side, because its time grows with the area and its smooth result
    needs no more. Pixels that touch a person are left out.
    """
    small_wh = _shrink_wh(crop, _TELEA_PX)
    persons_mask = _resize(crop.persons_mask.astype(np.float32), small_wh, cv2.INTER_AREA) > 0
    if persons_mask.all():
        return fill_smoothly(crop)
    small = _resize(crop.image, small_wh, cv2.INTER_AREA)
    filled = cv2.inpaint(small, persons_mask.astype(np.uint8), _TELEA_RADIUS_PX, cv2.INPAINT_TELEA)
    return _resize(filled, _get_size_wh(crop), cv2.INTER_LINEAR)


def blur(crop: Crop) -> RgbImage:
    """Blend a few colors of the person. Weak: clothing and posture stay visible."""
    return _resize(_reduce_colors(crop), _get_size_wh(crop), cv2.INTER_CUBIC)


def pixelate(crop: Crop) -> RgbImage:
    """Show a few colors of the person as squares. Weak: clothing and posture stay visible."""
    return _resize(_reduce_colors(crop), _get_size_wh(crop), cv2.INTER_NEAREST)


def _reduce_colors(crop: Crop) -> RgbImage:
    rows, columns = np.nonzero(crop.mask)
    person_px = max(np.ptp(rows), np.ptp(columns)) + 1
    num_colors = int(max(crop.mask.shape) * _COLORS_PER_PERSON / person_px)
    return _resize(crop.image, _shrink_wh(crop, num_colors), cv2.INTER_AREA)


def _get_size_wh(crop: Crop) -> tuple[int, int]:
    height_px, width_px = crop.mask.shape
    return width_px, height_px


def _shrink_wh(crop: Crop, longer_px: int) -> tuple[int, int]:
    """Return width and height of the crop with its longer side at most ``longer_px``."""
    gain = min(1, longer_px / max(crop.mask.shape))
    width_px, height_px = _get_size_wh(crop)
    return max(1, round(width_px * gain)), max(1, round(height_px * gain))


def _resize(image: np.ndarray, size_wh: tuple[int, int], interpolation: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, size_wh, interpolation=interpolation))


CLASSICAL: Mapping[str, ClassicalInpainter] = {
    "fill": ClassicalInpainter(fill_smoothly),
    "telea": ClassicalInpainter(fill_telea),
    "blur": ClassicalInpainter(blur),
    "pixelate": ClassicalInpainter(pixelate),
}
"""The classical inpainters by the value of ``inpaint.method``."""
