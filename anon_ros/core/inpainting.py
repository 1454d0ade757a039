"""Calls of an inpainter, whose results are validated."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from anon_ros.core.protocols import Inpainter
from anon_ros.core.types import CoverReason, Crop, InpaintFailure, RgbImage, all_channels_below
from anon_ros.errors import ModelError, format_error

_MAX_UNCHANGED_RATIO = 0.5
_SAME_LEVELS = 3
# Of the square root of the person's area; a head is larger.
_PATCH_RATIO = 0.1
_MIN_PATCH_PX = 3


def inpaint_crops(inpainter: Inpainter, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
    """Inpaint crops: one result each. A batch that fails is tried once more, crop by crop."""
    if not crops:
        return []
    try:
        results = inpainter.inpaint(crops)
        if len(results) != len(crops):
            message = f"the inpainter returned {len(results)} images for {len(crops)} crops"
            raise ModelError(message)
    except Exception as error:  # noqa: BLE001 - whatever it was, the persons stay covered
        if len(crops) == 1:
            is_memory = isinstance(error, MemoryError)
            cover_reason = CoverReason.OUT_OF_MEMORY if is_memory else CoverReason.INPAINT_ERROR
            return [InpaintFailure(format_error(error), cover_reason)]
        return [result for crop in crops for result in inpaint_crops(inpainter, [crop])]
    return [_validate(result, crop) for result, crop in zip(results, crops, strict=True)]


def _validate(result: RgbImage | InpaintFailure, crop: Crop) -> RgbImage | InpaintFailure:
    if isinstance(result, InpaintFailure):
        return result
    problem = _find_problem(result, crop)
    if not problem:
        return result
    return InpaintFailure(f"the inpainter returned {problem}", CoverReason.INVALID_RESULT)


def _find_problem(result: object, crop: Crop) -> str:
    if not isinstance(result, np.ndarray):
        return f"{type(result).__name__}, expected an array"
    if result.shape != crop.image.shape:
        return f"shape {result.shape}, expected {crop.image.shape}"
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        return "NaN or infinity"
    if result.dtype != np.uint8:
        return f"{result.dtype}, expected uint8"
    if not (crop.mask & ~all_channels_below(result, _SAME_LEVELS)).any():
        return "black"
    if _is_unchanged(result, crop):
        return "the person unchanged"
    return ""


def _is_unchanged(result: RgbImage, crop: Crop) -> bool:
    """Return True if half of the person, or any patch, is as before but for a few gray levels."""
    same = all_channels_below(cv2.absdiff(result, crop.image), _SAME_LEVELS) & crop.mask
    area_px = np.count_nonzero(crop.mask)
    patch_px = max(_MIN_PATCH_PX, round(_PATCH_RATIO * math.sqrt(area_px)))
    patch = np.ones((patch_px, patch_px), np.uint8)
    patches = cv2.erode(same.view(np.uint8), patch, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return bool(patches.any() or np.count_nonzero(same) >= _MAX_UNCHANGED_RATIO * area_px)
