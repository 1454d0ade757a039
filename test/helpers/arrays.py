"""Persons made by hand, for properties that need exact masks."""

from collections.abc import Sequence

import numpy as np

from anon_ros.config import MaskConfig
from anon_ros.core import (
    Crop,
    Detections,
    Mask,
    PersonRegion,
    RgbImage,
    make_region,
)


def make_detections(masks: Sequence[Mask]) -> Detections:
    """Detections with the masks' own bounds as boxes (an empty mask gets the whole image)."""
    height_px, width_px = masks[0].shape
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask if mask.any() else ~mask)
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return Detections(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.ones(len(masks), np.float32),
        class_ids=np.zeros(len(masks), np.int64),
        masks=np.array(masks, np.bool_).reshape(-1, height_px, width_px),
    )


def make_rectangle(height_px: int, width_px: int, rows: slice, columns: slice) -> Mask:
    mask = np.zeros((height_px, width_px), np.bool_)
    mask[rows, columns] = True
    return mask


def inpaint_noise(crop: Crop) -> RgbImage:
    """Outside the mask the original, as a diffusion model's answer nearly is; noise inside."""
    drawn = np.random.default_rng(crop.seed).integers(1, 256, crop.image.shape, np.uint8)
    return np.where(crop.mask[..., None], drawn, crop.image)


BOX = np.zeros(4, np.float32)


def make_region_of(mask: Mask, *, dilate: float = 0.05, feather: float = 0.015) -> PersonRegion:
    return make_region(mask, BOX, MaskConfig(dilate_ratio=dilate, feather_ratio=feather))
