"""Crops with context around a person."""

import math

import cv2
import numpy as np

from anon_ros.core.masks import PersonRegion
from anon_ros.core.roi import Roi
from anon_ros.core.types import Crop, Mask, RgbImage

# Width : height of an inpainter's crops.
_SHAPES = ((1, 1), (1, 2), (2, 1))


def plan_crop(  # noqa: PLR0913 - an image's size, and how a crop lies in it
    region: PersonRegion,
    width_px: int,
    height_px: int,
    context_ratio: float,
    *,
    square: bool,
    crop_window: Roi | None = None,
) -> Roi:
    """Plan a window around a person, moved into the image as far as it fits before it reaches out.

    Args:
        region: the person; the window always contains all replaced pixels.
        width_px: of the image.
        height_px: of the image.
        context_ratio: width and height of the window in those of the person's bounds.
        square: or else twice as high as wide, twice as wide as high, or square: the smallest.
        crop_window: taken for the person's bounds, if the result still contains the person.
    """
    if crop_window is not None:
        stable = PersonRegion(crop_window, crop_window, region.mask, region.feather_alpha)
        roi = plan_crop(stable, width_px, height_px, context_ratio, square=square)
        if roi.contains(region.window):
            return roi
    person, window = region.bounds, region.window
    min_width = max(math.ceil(context_ratio * person.width_px), window.width_px)
    min_height = max(math.ceil(context_ratio * person.height_px), window.height_px)
    width, height = min(
        (_choose_wh(min_width, min_height, *shape) for shape in _SHAPES[: 1 if square else 3]),
        key=math.prod,
    )
    x0 = _place_side(window.x0, window.x1, width, width_px)
    y0 = _place_side(window.y0, window.y1, height, height_px)
    return Roi(x0, y0, x0 + width, y0 + height)


def crop_image(image: RgbImage, roi: Roi) -> RgbImage:
    """Return (h, w, 3) uint8: ``roi`` of the image; beyond the border edge pixels are repeated."""
    inside = roi.clip(image.shape[1], image.shape[0])
    border = (inside.y0 - roi.y0, roi.y1 - inside.y1, inside.x0 - roi.x0, roi.x1 - inside.x1)
    padded = cv2.copyMakeBorder(image[inside.slices], *border, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def extract_crop(
    image: RgbImage, persons_mask: Mask, region: PersonRegion, roi: Roi, seed: int
) -> Crop:
    """Cut ``roi`` out of the image; beyond the border edge pixels are repeated, masks are False."""
    inside = roi.clip(image.shape[1], image.shape[0])
    mask = make_crop_mask(region, roi)
    persons = np.zeros_like(mask)
    persons[inside.relative_to(roi).slices] = persons_mask[inside.slices]
    return Crop(crop_image(image, roi), mask, persons, roi, seed)


def make_crop_mask(region: PersonRegion, roi: Roi) -> Mask:
    """Return (h, w) bool: the person's replaced pixels in ``roi``, which contains the region."""
    mask = np.zeros((roi.height_px, roi.width_px), np.bool_)
    mask[region.window.relative_to(roi).slices] = region.mask
    return mask


def _choose_wh(min_width: int, min_height: int, across: int, down: int) -> tuple[int, int]:
    """Return width and height of the smallest window of across : down."""
    unit_px = max(math.ceil(min_width / across), math.ceil(min_height / down))
    return unit_px * across, unit_px * down


def _place_side(start: int, stop: int, side_px: int, image_px: int) -> int:
    """Center side_px on [start, stop), move it into the image and return its start."""
    low, high = sorted((0, image_px - side_px))
    return min(max((start + stop - side_px) // 2, low), high)
