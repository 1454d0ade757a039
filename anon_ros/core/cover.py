"""The cheap replacement that every person gets first, so that no later failure can show one."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core.masks import PersonRegion
from anon_ros.core.parallel import map_persons
from anon_ros.core.types import Mask, RgbImage, copy_masked

_COARSE_PX = 64
_GRAY = 128
_WHITE = 255
# Below it, rounding to 8 bits would color a coarse pixel by more than 5 levels.
_MIN_WEIGHT = 0.1


def cover_regions(image: RgbImage, regions: Sequence[PersonRegion], persons_mask: Mask) -> RgbImage:
    """Return a copy of ``image`` with every region filled from the surroundings of the persons.

    Args:
        image: (H, W, 3) uint8 RGB.
        regions: what to cover.
        persons_mask: (H, W) bool, pixels whose colors must not be used.
    """
    canvas = image.copy()
    fills = map_persons(partial(_fill_window, image, persons_mask), regions)
    for region, filled in zip(regions, fills, strict=True):
        copy_masked(filled, region.mask, canvas[region.window.slices])
    return canvas


def _fill_window(image: RgbImage, persons_mask: Mask, region: PersonRegion) -> RgbImage:
    """Return the fill of a region's window."""
    height_px, width_px = persons_mask.shape
    margin_px = max(region.window.width_px, region.window.height_px) // 4
    context = region.window.expand(margin_px).clip(width_px, height_px)
    inner = region.window.relative_to(context).slices
    return fill_from_surroundings(image[context.slices], persons_mask[context.slices])[inner]


def fill_from_surroundings(image: RgbImage, persons_mask: Mask) -> RgbImage:
    """Spread the colors of ``image`` outside ``persons_mask`` smoothly over the (H, W, 3) image.

    No pixel under ``persons_mask`` has any influence. Without a pixel outside, everything is mid
    gray.
    """
    height_px, width_px = persons_mask.shape
    shrink = min(1.0, _COARSE_PX / max(height_px, width_px))
    coarse_wh = max(1, round(width_px * shrink)), max(1, round(height_px * shrink))
    valid = np.where(persons_mask, np.uint8(0), np.uint8(_WHITE))
    color = _resize(cv2.bitwise_and(image, image, mask=valid), coarse_wh)
    weight = _resize(valid, coarse_wh) / np.float32(_WHITE)
    unknown = weight < _MIN_WEIGHT
    weight[unknown], color[unknown] = 0, 0
    spread = np.clip(np.rint(_push_pull(color, weight)), 0, _WHITE).astype(np.uint8)
    return np.asarray(_enlarge(spread, (width_px, height_px)), np.uint8)


def _push_pull(
    color: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Fill where ``weight`` is 0 from ever coarser levels; ``color`` is premultiplied by it."""
    height, width = weight.shape
    valid = weight[..., None] > 0
    own = np.divide(color, weight[..., None], out=np.full_like(color, _GRAY), where=valid)
    if valid.all() or height == width == 1:
        return own
    half_wh = (width + 1) // 2, (height + 1) // 2
    coarse = _push_pull(_resize(color, half_wh), _resize(weight, half_wh))
    return np.where(valid, own, _enlarge(coarse, (width, height)))


def _resize(array: npt.NDArray[Any], wh: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(array, wh, interpolation=cv2.INTER_AREA), np.float32)


def _enlarge(array: npt.NDArray[Any], wh: tuple[int, int]) -> npt.NDArray[Any]:
    if array.shape[:2] == (1, 1):  # refused by OpenCV before 4.6, which comes with Humble
        return np.full((wh[1], wh[0], array.shape[2]), array, array.dtype)
    return cv2.resize(array, wh, interpolation=cv2.INTER_LINEAR)
