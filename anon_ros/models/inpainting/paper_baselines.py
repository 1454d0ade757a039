"""Baselines of the paper, as its published code has them; for evaluation alone.

They hide a person only in part: never publish their results.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from anon_ros.core import Crop, Inpainter, RgbImage
from anon_ros.models.inpainting.classical import ClassicalInpainter

_BLUR_SHRINK = 8
_BLUR_BOX_PX = 7
_PIXEL_PX = 32
_GRAY = 120


def blur_as_paper(crop: Crop) -> RgbImage:
    """Shrink to an eighth, blur with a box filter of 7 x 7 px, and enlarge again."""
    small = cv2.resize(crop.image, _shrink_wh(crop, _BLUR_SHRINK), interpolation=cv2.INTER_LINEAR)
    blurred = cv2.blur(small, (_BLUR_BOX_PX, _BLUR_BOX_PX))
    return np.asarray(cv2.resize(blurred, _shrink_wh(crop, 1), interpolation=cv2.INTER_LINEAR))


def pixelate_as_paper(crop: Crop) -> RgbImage:
    """Show squares of 32 px."""
    small = cv2.resize(crop.image, _shrink_wh(crop, _PIXEL_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(small, _shrink_wh(crop, 1), interpolation=cv2.INTER_NEAREST))


def gray_out(crop: Crop) -> RgbImage:
    """Replace the crop by one gray."""
    return np.full_like(crop.image, _GRAY)


def _shrink_wh(crop: Crop, factor: int) -> tuple[int, int]:
    height_px, width_px = crop.mask.shape
    return max(1, width_px // factor), max(1, height_px // factor)


BASELINES: Mapping[str, Inpainter] = {
    "paper-blur": ClassicalInpainter(blur_as_paper),
    "paper-pixelate": ClassicalInpainter(pixelate_as_paper),
    "mask-out": ClassicalInpainter(gray_out),
}
"""The baselines by their names on the command line."""
