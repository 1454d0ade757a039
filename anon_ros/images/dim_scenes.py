"""8-bit pictures whose scene fills few gray levels, or mostly dark ones.

A detector has seen few of those, and misses persons whom a viewer finds with one click on "auto
contrast". So they are searched stretched, too, as 16-bit images are.
"""

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.images.bit_depth import (
    SceneRange,
    equalize_tone,
    measure_scene,
    stretch_scene,
)

# Twice the contrast at which the first persons are missed; bench/bit_depth.py measures it.
_MIN_SPAN, _MIN_MEDIAN = 48, 16
_NUM_LEVELS = 256
_MEASURED_PX = 256  # of the shorter side; colors lie side by side, so a stride meets all of them


def stretch_dim(image: RgbImage) -> list[RgbImage]:
    """Return a dim scene in two ways with all gray levels filled; nothing for any other picture.

    Each of them shows persons whom the other hides: with few levels, every one counts.
    """
    scene = _find_dim(image)
    return [] if scene is None else [_apply(image, stretch_scene(scene).levels), _brighten(image)]


def equalize_dim(image: RgbImage) -> RgbImage:
    """Return a dim scene in another mapping, for a second look; else ``image`` itself."""
    return image if _find_dim(image) is None else _equalize(image)


def _find_dim(image: RgbImage) -> SceneRange | None:
    """Return the range of a scene that is narrow or dark; None for any other."""
    step = max(1, min(image.shape[:2]) // _MEASURED_PX)
    scene = measure_scene(image[::step, ::step])
    is_dim = scene.high - scene.low < _MIN_SPAN or scene.median < _MIN_MEDIAN
    return scene if is_dim and not scene.is_constant else None


def _brighten(image: RgbImage) -> RgbImage:
    """Return the square root of all levels in use, the smallest and the largest included."""
    low, high = int(image.min()), int(image.max())
    light = ((np.arange(_NUM_LEVELS) - low) / (high - low)).clip(0, 1)
    return _apply(image, np.rint(np.sqrt(light) * (_NUM_LEVELS - 1)).astype(np.uint8))


def _equalize(image: RgbImage) -> RgbImage:
    return _apply(image, equalize_tone(image.astype(np.uint16)).levels)


def _apply(image: RgbImage, levels: npt.NDArray[np.uint8]) -> RgbImage:
    return np.asarray(cv2.LUT(image, levels[:_NUM_LEVELS]), np.uint8)
