"""Comparison of a drawn person with the original.

Detail identifies, not level: a black coat may stay black, but a face may not come back brighter,
with less contrast or slightly blurred. Detail is what a band-pass leaves; it is compared by local
correlation, which no change of level or contrast touches.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core.masks import erode
from anon_ros.core.types import Mask, RgbImage, all_channels_below

Gray = npt.NDArray[np.float32]

_MAX_UNCHANGED_RATIO = 0.5
_SAME_LEVELS = 3
# Lengths as ratios of the square root of the person's area; a head is larger than a patch.
_PATCH_RATIO = 0.1
_WINDOW_RATIO = 0.15
_BAND_RATIO = 0.03
_MIN_PATCH_PX = 3
_MIN_WINDOW_PX = 7
# Of the drawings of a first generator at beta_d = 0.6 two in a hundred reach it in a patch; copies
# of all kinds do (ADR 4).
_MIN_CORRELATION = 0.95
# Standard deviations, in levels: below, a band holds nothing but rounding; and two patches that are
# nowhere further apart than _SAME_LEVELS need not be alike.
_MIN_BAND_LEVELS = 0.7
_MIN_DRAWN_BAND_LEVELS = 0.3
_MIN_TEXTURE_LEVELS = 3.0
_MIN_WINDOW_FILL = 0.6
# Larger persons are also compared at this size, where noise no longer hides a likeness.
_COARSE_PX = 64
_MIN_SHRINK = 1.5
_LEVELS_AWAY = 2 * _SAME_LEVELS + 1
_MID_LEVEL = 128
_MAX_LEVEL = 255


def is_same(drawing: RgbImage, original: RgbImage, mask: Mask) -> Mask:
    """Return (H, W) bool: the masked pixels that are as before but for a few gray levels."""
    return all_channels_below(cv2.absdiff(drawing, original), _SAME_LEVELS) & mask


def is_unchanged(same: Mask, mask: Mask) -> bool:
    """Return True if half of the person, or any patch, is the same."""
    is_half = np.count_nonzero(same) >= _MAX_UNCHANGED_RATIO * np.count_nonzero(mask)
    return bool(is_half or erode(same, _patch_px(mask)).any())


def is_recognizable(drawing: RgbImage, original: RgbImage, mask: Mask) -> bool:
    """Return True if a patch of the drawing has the detail of the original.

    Args:
        drawing: (H, W, 3) uint8 RGB.
        original: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, the person, not empty; pixels around it have no influence.
    """
    window = _find_bounds(mask)
    mask = mask[window]
    same = is_same(drawing[window], original[window], mask)
    drawn, real = _to_gray(drawing[window]), _to_gray(original[window])
    if _is_same_texture(same, real, mask) or _has_same_detail(drawn, real, mask):
        return True
    shrink = _COARSE_PX / math.sqrt(np.count_nonzero(mask))
    if shrink * _MIN_SHRINK > 1:
        return False
    coarse_mask = _shrink(mask.astype(np.float32), shrink) > 0.99  # noqa: PLR2004 - whole pixels
    return _has_same_detail(_shrink(drawn, shrink), _shrink(real, shrink), coarse_mask)


def move_away(drawing: RgbImage, original: RgbImage, mask: Mask) -> RgbImage:
    """Return a drawing that is nowhere ``is_unchanged``; the same one if it was not before.

    Flat clothing that kept its level gets another one.
    """
    same = is_same(drawing, original, mask)
    if not is_unchanged(same, mask):
        return drawing
    if np.count_nonzero(same) < _MAX_UNCHANGED_RATIO * np.count_nonzero(mask):
        patch = np.ones((_patch_px(mask),) * 2, np.uint8)
        same = cv2.dilate(erode(same, len(patch)), patch, anchor=_mirrored_anchor(patch)) > 0
    is_dark = original[same].mean(axis=1, keepdims=True) < _MID_LEVEL
    step = np.where(is_dark, _LEVELS_AWAY, -_LEVELS_AWAY)
    moved = drawing.copy()
    moved[same] = np.clip(drawing[same] + step, 0, _MAX_LEVEL)
    return moved


def _is_same_texture(same: Mask, original: Gray, mask: Mask) -> bool:
    """Return True if pixels are the same where the original varies by more than their tolerance."""
    if not is_unchanged(same, mask):
        return False
    side_px = _patch_px(mask)
    means, squares = (
        cv2.blur(values, (side_px, side_px), borderType=cv2.BORDER_REPLICATE)
        for values in (original, original**2)
    )
    return is_unchanged(same & (squares - means**2 >= _MIN_TEXTURE_LEVELS**2), mask)


def _has_same_detail(drawing: Gray, original: Gray, mask: Mask) -> bool:
    """Return True if the windows around all pixels of a patch correlate."""
    root_px = math.sqrt(np.count_nonzero(mask))
    side_px = max(_MIN_WINDOW_PX, round(_WINDOW_RATIO * root_px)) | 1
    weight = mask.astype(np.float32)
    drawn, real = _filter_bands([drawing, original], weight, root_px)

    def sum_windows(values: Gray) -> Gray:
        summed = cv2.boxFilter(
            values, -1, (side_px, side_px), normalize=False, borderType=cv2.BORDER_CONSTANT
        )
        return np.asarray(summed, np.float32)

    count = sum_windows(weight)
    size = np.maximum(count, 1)
    drawn_mean, real_mean = sum_windows(drawn) / size, sum_windows(real) / size
    drawn_variance = sum_windows(drawn**2) / size - drawn_mean**2
    real_variance = sum_windows(real**2) / size - real_mean**2
    covariance = sum_windows(drawn * real) / size - drawn_mean * real_mean
    is_alike = covariance**2 > _MIN_CORRELATION**2 * drawn_variance * real_variance
    has_detail = real_variance > _MIN_BAND_LEVELS**2
    has_detail &= drawn_variance > _MIN_DRAWN_BAND_LEVELS**2
    is_filled = (count >= _MIN_WINDOW_FILL * side_px**2) & mask
    return bool(erode(is_alike & has_detail & is_filled, _patch_px(mask)).any())


def _filter_bands(grays: Sequence[Gray], weight: Gray, root_px: float) -> list[Gray]:
    """Return the detail of the masked pixels of images, 0 elsewhere."""
    sigma_px = max(1.0, _BAND_RATIO * root_px)
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma_px), 1e-6)
    smooth = (cv2.GaussianBlur(gray * weight, (0, 0), sigma_px) / total for gray in grays)
    pairs = zip(grays, smooth, strict=True)
    return [np.asarray((gray - low) * weight, np.float32) for gray, low in pairs]


def _patch_px(mask: Mask) -> int:
    return max(_MIN_PATCH_PX, round(_PATCH_RATIO * math.sqrt(np.count_nonzero(mask))))


def _mirrored_anchor(patch: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return the anchor with which a dilation undoes an erosion by a patch of even sides."""
    side_px = len(patch)
    return (side_px - 1 - side_px // 2,) * 2


def _find_bounds(mask: Mask) -> tuple[slice, slice]:
    x, y, width_px, height_px = cv2.boundingRect(mask.view(np.uint8))
    return slice(y, y + height_px), slice(x, x + width_px)


def _shrink(gray: Gray, factor: float) -> Gray:
    height_px, width_px = gray.shape
    size_wh = max(1, round(width_px * factor)), max(1, round(height_px * factor))
    return np.asarray(cv2.resize(gray, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def _to_gray(image: RgbImage) -> Gray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
