"""Windows with context around a person."""

import math

import cv2
import numpy as np

from anon_ros.core.masks import PersonRegion
from anon_ros.core.roi import Roi
from anon_ros.core.types import Crop, Mask, RgbImage

# Width : height of the windows that an inpainter is given.
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
    """The window around a person, moved into the image as far as it fits before it reaches out.

    Args:
        region: the person; the window always holds all that is replaced.
        width_px: of the image.
        height_px: of the image.
        context_ratio: width and height of the window in those of the person's bounds.
        square: or else twice as high as wide, twice as wide as high, or square: the smallest.
        crop_window: take these for the person's bounds, if the window still holds the person.
    """
    if crop_window is not None:
        steady = PersonRegion(crop_window, crop_window, region.mask, region.feather_alpha)
        roi = plan_crop(steady, width_px, height_px, context_ratio, square=square)
        if roi.contains(region.window):
            return roi
    person, window = region.bounds, region.window
    least_width = max(math.ceil(context_ratio * person.width_px), window.width_px)
    least_height = max(math.ceil(context_ratio * person.height_px), window.height_px)
    width, height = min(
        (_window_wh(least_width, least_height, *shape) for shape in _SHAPES[: 1 if square else 3]),
        key=math.prod,
    )
    x0 = _place(window.x0, window.x1, width, width_px)
    y0 = _place(window.y0, window.y1, height, height_px)
    return Roi(x0, y0, x0 + width, y0 + height)


def crop_image(image: RgbImage, roi: Roi) -> RgbImage:
    """(h, w, 3) uint8: ``roi`` of the image; beyond the border edge pixels are repeated."""
    inside = roi.clip(image.shape[1], image.shape[0])
    border = (inside.y0 - roi.y0, roi.y1 - inside.y1, inside.x0 - roi.x0, roi.x1 - inside.x1)
    padded = cv2.copyMakeBorder(image[inside.slices], *border, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def extract_crop(
    image: RgbImage, persons_mask: Mask, region: PersonRegion, roi: Roi, seed: int
) -> Crop:
    """Cut ``roi`` out of the image; beyond the border edge pixels are repeated, masks are False."""
    inside = roi.clip(image.shape[1], image.shape[0])
    mask = np.zeros((roi.height_px, roi.width_px), np.bool_)
    mask[region.window.relative_to(roi).slices] = region.mask
    everyone = np.zeros_like(mask)
    everyone[inside.relative_to(roi).slices] = persons_mask[inside.slices]
    return Crop(crop_image(image, roi), mask, everyone, roi, seed)


def _window_wh(least_width: int, least_height: int, across: int, down: int) -> tuple[int, int]:
    """The smallest window of across : down that holds what it must."""
    unit_px = max(math.ceil(least_width / across), math.ceil(least_height / down))
    return unit_px * across, unit_px * down


def _place(start: int, stop: int, side_px: int, image_px: int) -> int:
    """Start of a stretch of side_px, centred on [start, stop) and then moved into the image."""
    low, high = sorted((0, image_px - side_px))
    return min(max((start + stop - side_px) // 2, low), high)
