"""Inpainters without a model: fill, telea, blur, pixelate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from anon_ros.core import Crop, Inpainter, RgbImage, fill_from_surroundings

_TELEA_PX = 256
_TELEA_RADIUS_PX = 3
# Colours that are left along a person's longer side. A head is about an eighth of a standing
# person; where only a face is seen, 8 x 8 colours do not tell whose it is.
_COLOURS_PER_PERSON = 8


@dataclass(frozen=True)
class ClassicalInpainter:
    """An Inpainter made of a pure function of one crop."""

    draw: Callable[[Crop], RgbImage]

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
        """One image per crop, of its shape."""
        return [self.draw(crop) for crop in crops]


def smooth_fill(crop: Crop) -> RgbImage:
    """The colours around all persons, spread smoothly."""
    return fill_from_surroundings(crop.image, crop.persons_mask)


def telea_fill(crop: Crop) -> RgbImage:
    """Telea's inpainting from the pixels around all persons.

    It runs on at most 256 px a side, with every pixel that touches a person left out: its time
    grows with the area, and it draws only smears that need no more.
    """
    small_wh = _shrunk(crop, _TELEA_PX)
    people = _resize(crop.persons_mask.astype(np.float32), small_wh, cv2.INTER_AREA) > 0
    if people.all():
        return smooth_fill(crop)
    small = _resize(crop.image, small_wh, cv2.INTER_AREA)
    drawn = cv2.inpaint(small, people.astype(np.uint8), _TELEA_RADIUS_PX, cv2.INPAINT_TELEA)
    return _resize(drawn, _wh(crop), cv2.INTER_LINEAR)


def blur(crop: Crop) -> RgbImage:
    """A few colours of the person, blended. Weak: it tells clothing and posture."""
    return _resize(_few_colours(crop), _wh(crop), cv2.INTER_CUBIC)


def pixelate(crop: Crop) -> RgbImage:
    """A few colours of the person, as squares. Weak: it tells clothing and posture."""
    return _resize(_few_colours(crop), _wh(crop), cv2.INTER_NEAREST)


def _few_colours(crop: Crop) -> RgbImage:
    rows, columns = np.nonzero(crop.mask)
    person_px = max(np.ptp(rows), np.ptp(columns)) + 1
    colours = int(max(crop.mask.shape) * _COLOURS_PER_PERSON / person_px)
    return _resize(crop.image, _shrunk(crop, colours), cv2.INTER_AREA)


def _wh(crop: Crop) -> tuple[int, int]:
    height_px, width_px = crop.mask.shape
    return width_px, height_px


def _shrunk(crop: Crop, longer_px: int) -> tuple[int, int]:
    """Width and height of the crop when its longer side has at most longer_px."""
    gain = min(1, longer_px / max(crop.mask.shape))
    width_px, height_px = _wh(crop)
    return max(1, round(width_px * gain)), max(1, round(height_px * gain))


def _resize(image: np.ndarray, wh: tuple[int, int], interpolation: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, wh, interpolation=interpolation))


CLASSICAL: Mapping[str, Inpainter] = {
    "fill": ClassicalInpainter(smooth_fill),
    "telea": ClassicalInpainter(telea_fill),
    "blur": ClassicalInpainter(blur),
    "pixelate": ClassicalInpainter(pixelate),
}
"""The classical inpainters by the value of ``inpaint.method``."""
