"""Regions: the replaced pixels of a person, from their instance mask."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import MaskConfig
from anon_ros.core.parallel import map_persons
from anon_ros.core.roi import Roi
from anon_ros.core.types import Detections, Mask

_MIN_DILATION_PX = 2
_MIN_FILL_RATIO = 0.1


@dataclass(frozen=True)
class PersonRegion:
    """The replaced pixels of one person, as a window of the image.

    Attributes:
        bounds: tight bounds of the instance mask in the image, never empty.
        window: bounds of ``mask`` and ``feather_alpha`` in the image.
        mask: (h, w) bool, the dilated person: replaced without exception.
        feather_alpha: (h, w) float32, 1 in the mask, falling to 0 across the feather outside it.
    """

    bounds: Roi
    window: Roi
    mask: Mask
    feather_alpha: npt.NDArray[np.float32]


def make_region(
    instance_mask: Mask, box_xyxy: npt.NDArray[np.float32], config: MaskConfig
) -> PersonRegion:
    """Grow one person's mask in proportion to the person, with a feather outside it.

    Holes in the mask are filled: a segmenter leaves them in large persons. A mask that fills less
    than a tenth of its box has missed the person; then the whole box counts too.

    Args:
        instance_mask: (H, W) bool.
        box_xyxy: (4,) pixels.
        config: dilation and feather.

    Raises:
        ValueError: if neither mask nor box has a pixel of the image.
    """
    height_px, width_px = instance_mask.shape
    instance_mask = complete_mask(instance_mask, box_xyxy)
    bounds = Roi.from_mask(instance_mask)
    if bounds.is_empty:
        message = f"the box {box_xyxy.tolist()} has no mask and no pixel in the image"
        raise ValueError(message)
    scale_px = math.sqrt(bounds.width_px * bounds.height_px)
    dilation_px = max(_MIN_DILATION_PX, config.dilate_ratio * scale_px)
    feather_px = config.feather_ratio * scale_px
    window = bounds.expand(math.ceil(dilation_px + feather_px)).clip(width_px, height_px)
    solid = np.zeros((window.height_px, window.width_px), np.uint8)
    solid[bounds.relative_to(window).slices] = fill_holes(instance_mask[bounds.slices])
    distance_px = cv2.distanceTransform(1 - solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    mask = distance_px <= dilation_px
    ramp = 1 - (distance_px - dilation_px) / max(feather_px, 1e-6)
    alpha = np.where(mask, 1, np.clip(ramp, 0, 1)).astype(np.float32)
    return PersonRegion(bounds, window, mask, alpha)


def make_regions(
    detections: Detections,
    config: MaskConfig,
    dilate_ratios: Mapping[int, float] = MappingProxyType({}),
) -> list[PersonRegion]:
    """Return the regions of all persons and targets, in their order.

    Args:
        detections: of a frame.
        config: dilation and feather.
        dilate_ratios: other dilations than that, by index.

    Raises:
        ValueError: as ``make_region``.
    """
    changed = {i: replace(config, dilate_ratio=ratio) for i, ratio in dilate_ratios.items()}
    configs = [changed.get(i, config) for i in range(len(detections))]
    return map_persons(make_region, detections.masks, detections.boxes_xyxy, configs)


def union_mask(regions: Sequence[PersonRegion], height_px: int, width_px: int) -> Mask:
    """Return (H, W) bool: every person's replaced pixels."""
    if not regions:
        return np.broadcast_to(np.False_, (height_px, width_px))  # costs nothing
    persons_mask = np.zeros((height_px, width_px), np.bool_)
    for region in regions:
        persons_mask[region.window.slices] |= region.mask
    return persons_mask


def complete_mask(instance_mask: Mask, box_xyxy: npt.NDArray[np.floating[Any]]) -> Mask:
    """Return the mask (H, W); with the whole box if it fills less than a tenth of it."""
    box = Roi.from_box_xyxy(box_xyxy).clip(instance_mask.shape[1], instance_mask.shape[0])
    if np.count_nonzero(instance_mask) < _MIN_FILL_RATIO * box.width_px * box.height_px:
        instance_mask = instance_mask.copy()
        instance_mask[box.slices] = True
    return instance_mask


def erode(mask: Mask, side_px: int) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8: 1 at the anchors of the squares that lie wholly in the mask."""
    square = np.ones((side_px, side_px), np.uint8)
    pixels = np.ascontiguousarray(mask).view(np.uint8)
    eroded = cv2.erode(pixels, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(eroded, np.uint8)


def fill_holes(mask: Mask) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8: 1 in the mask and in all that it surrounds."""
    pixels = mask.astype(np.uint8)
    outlines, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(pixels, outlines, -1, 1, cv2.FILLED), np.uint8)
