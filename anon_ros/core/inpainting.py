"""Asking an inpainter for its drawings, and trusting none of them unseen."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from anon_ros.core.protocols import Inpainter
from anon_ros.core.types import CoverReason, Crop, InpaintFailure, RgbImage, all_channels_below
from anon_ros.errors import ModelError, format_error

_MOST_UNCHANGED = 0.5
_SAME_LEVELS = 3
# Of the square root of the person's area; a head is larger.
_PATCH_RATIO = 0.1
_LEAST_PATCH_PX = 3


def inpaint_crops(inpainter: Inpainter, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
    """One drawing or refusal per crop. A batch that fails is tried once more, crop by crop."""
    if not crops:
        return []
    try:
        drawings = inpainter.inpaint(crops)
        if len(drawings) != len(crops):
            message = f"the inpainter returned {len(drawings)} images for {len(crops)} crops"
            raise ModelError(message)
    except Exception as error:  # noqa: BLE001 - whatever it was, the persons stay covered
        if len(crops) == 1:
            is_memory = isinstance(error, MemoryError)
            cover_reason = CoverReason.OUT_OF_MEMORY if is_memory else CoverReason.INPAINT_ERROR
            return [InpaintFailure(format_error(error), cover_reason)]
        return [answer for crop in crops for answer in inpaint_crops(inpainter, [crop])]
    return [_validate(drawing, crop) for drawing, crop in zip(drawings, crops, strict=True)]


def _validate(drawing: RgbImage | InpaintFailure, crop: Crop) -> RgbImage | InpaintFailure:
    if isinstance(drawing, InpaintFailure):
        return drawing
    problem = _problem(drawing, crop)
    if not problem:
        return drawing
    return InpaintFailure(f"the inpainter returned {problem}", CoverReason.INVALID_RESULT)


def _problem(drawing: object, crop: Crop) -> str:
    if not isinstance(drawing, np.ndarray):
        return f"{type(drawing).__name__}, expected an array"
    if drawing.shape != crop.image.shape:
        return f"shape {drawing.shape}, expected {crop.image.shape}"
    if drawing.dtype.kind == "f" and not np.isfinite(drawing).all():
        return "NaN or infinity"
    if drawing.dtype != np.uint8:
        return f"{drawing.dtype}, expected uint8"
    if not (crop.mask & ~all_channels_below(drawing, _SAME_LEVELS)).any():
        return "black"
    if _resembles_original(drawing, crop):
        return "the person unchanged"
    return ""


def _resembles_original(drawing: RgbImage, crop: Crop) -> bool:
    """Whether half of the person, or a patch of any, is as it was, but for a few grey levels."""
    same = all_channels_below(cv2.absdiff(drawing, crop.image), _SAME_LEVELS) & crop.mask
    area_px = np.count_nonzero(crop.mask)
    patch_px = max(_LEAST_PATCH_PX, round(_PATCH_RATIO * math.sqrt(area_px)))
    patch = np.ones((patch_px, patch_px), np.uint8)
    patches = cv2.erode(same.view(np.uint8), patch, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return bool(patches.any() or np.count_nonzero(same) >= _MOST_UNCHANGED * area_px)
