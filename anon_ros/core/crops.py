"""Square windows with context around a person."""

import math

import cv2
import numpy as np

from anon_ros.core.masks import Region
from anon_ros.core.types import Crop, Mask, RgbImage, Roi


def plan_crop(region: Region, width_px: int, height_px: int, context_ratio: float) -> Roi:
    """The square around a person, moved into the image as far as it fits before it reaches out.

    Args:
        region: the person; the square always holds its whole window.
        width_px: of the image.
        height_px: of the image.
        context_ratio: side of the square in longer sides of the person's bounds.
    """
    person, window = region.person, region.window
    side_px = max(
        math.ceil(context_ratio * max(person.width_px, person.height_px)),
        window.width_px,
        window.height_px,
    )
    x0 = _place(window.x0, window.x1, side_px, width_px)
    y0 = _place(window.y0, window.y1, side_px, height_px)
    return Roi(x0, y0, x0 + side_px, y0 + side_px)


def cut_crop(image: RgbImage, people: Mask, region: Region, roi: Roi, seed: int) -> Crop:
    """Cut ``roi`` out of the image; beyond the border edge pixels are repeated, masks are False."""
    height_px, width_px = people.shape
    inside = roi.clip(width_px, height_px)
    border = (inside.y0 - roi.y0, roi.y1 - inside.y1, inside.x0 - roi.x0, roi.x1 - inside.x1)
    padded = cv2.copyMakeBorder(image[inside.slices], *border, cv2.BORDER_REPLICATE)
    mask = np.zeros(padded.shape[:2], np.bool_)
    mask[region.window.relative_to(roi).slices] = region.mask
    everyone = np.zeros_like(mask)
    everyone[inside.relative_to(roi).slices] = people[inside.slices]
    return Crop(np.asarray(padded, np.uint8), mask, everyone, roi, seed)


def _place(start: int, stop: int, side_px: int, image_px: int) -> int:
    """Start of a stretch of side_px, centred on [start, stop) and then moved into the image."""
    low, high = sorted((0, image_px - side_px))
    return min(max((start + stop - side_px) // 2, low), high)
