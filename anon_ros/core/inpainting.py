"""Calls of an inpainter, whose results are validated."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from anon_ros.core.parallel import map_persons
from anon_ros.core.protocols import Inpainter
from anon_ros.core.resemblance import is_recognizable, is_same, is_unchanged, move_away
from anon_ros.core.types import CoverReason, Crop, InpaintFailure, RgbImage, all_channels_below
from anon_ros.errors import ModelError, format_error

_MAX_BLACK_LEVEL = 3


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
    validate = partial(_validate, draws_persons=inpainter.draws_persons)
    return map_persons(validate, results, crops)


def _validate(
    result: RgbImage | InpaintFailure, crop: Crop, *, draws_persons: bool
) -> RgbImage | InpaintFailure:
    """Return the result, a drawn person moved away from the original where both are flat."""
    if isinstance(result, InpaintFailure):
        return result
    problem = _find_problem(result, crop) or _find_likeness(
        result, crop, draws_persons=draws_persons
    )
    if problem:
        return InpaintFailure(f"the inpainter returned {problem}", CoverReason.INVALID_RESULT)
    return move_away(result, crop.image, crop.mask) if draws_persons else result


def _find_problem(result: object, crop: Crop) -> str:
    if not isinstance(result, np.ndarray):
        return f"{type(result).__name__}, expected an array"
    if result.shape != crop.image.shape:
        return f"shape {result.shape}, expected {crop.image.shape}"
    if result.dtype.kind == "f" and not np.isfinite(result).all():
        return "NaN or infinity"
    if result.dtype != np.uint8:
        return f"{result.dtype}, expected uint8"
    if not (crop.mask & ~all_channels_below(result, _MAX_BLACK_LEVEL)).any():
        return "black"
    return ""


def _find_likeness(result: RgbImage, crop: Crop, *, draws_persons: bool) -> str:
    """Return the problem if the person shows through; empty if they do not."""
    if draws_persons:
        shows_through = is_recognizable(result, crop.image, crop.mask)
    else:
        shows_through = is_unchanged(is_same(result, crop.image, crop.mask), crop.mask)
    return "the person unchanged" if shows_through else ""
