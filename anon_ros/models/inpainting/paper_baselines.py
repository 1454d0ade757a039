"""What the paper compares itself with, as its published code does it; for evaluation alone.

Each makes a person unlike the original only in part: never choose them to publish.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from anon_ros.core import Crop, Inpainter, RgbImage
from anon_ros.models.inpainting.classical import ClassicalInpainter

_BLUR_SHRINK = 8
_BLUR_BOX_PX = 7
_PIXEL_PX = 32
_GREY = 120


def paper_blur(crop: Crop) -> RgbImage:
    """An eighth of the size, a box filter of 7 x 7 px there, and back."""
    small = cv2.resize(crop.image, _shrunk(crop, _BLUR_SHRINK), interpolation=cv2.INTER_LINEAR)
    blurred = cv2.blur(small, (_BLUR_BOX_PX, _BLUR_BOX_PX))
    return np.asarray(cv2.resize(blurred, _shrunk(crop, 1), interpolation=cv2.INTER_LINEAR))


def paper_pixelate(crop: Crop) -> RgbImage:
    """Squares of 32 px."""
    small = cv2.resize(crop.image, _shrunk(crop, _PIXEL_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(small, _shrunk(crop, 1), interpolation=cv2.INTER_NEAREST))


def gray_out(crop: Crop) -> RgbImage:
    """One grey."""
    return np.full_like(crop.image, _GREY)


def _shrunk(crop: Crop, factor: int) -> tuple[int, int]:
    height_px, width_px = crop.mask.shape
    return max(1, width_px // factor), max(1, height_px // factor)


BASELINES: Mapping[str, Inpainter] = {
    "paper-blur": ClassicalInpainter(paper_blur),
    "paper-pixelate": ClassicalInpainter(paper_pixelate),
    "mask-out": ClassicalInpainter(gray_out),
}
"""The baselines by their names on the command line."""
