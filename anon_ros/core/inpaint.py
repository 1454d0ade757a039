"""Asking an inpainter for its drawings, and trusting none of them unseen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anon_ros.core.ports import Inpainter
from anon_ros.core.types import Crop, RgbImage
from anon_ros.errors import ModelError, describe

_MOST_UNCHANGED = 0.5


@dataclass(frozen=True)
class Refusal:
    """Why a person stays covered."""

    reason: str


def inpaint_each(inpainter: Inpainter, crops: Sequence[Crop]) -> list[RgbImage | Refusal]:
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
            return [Refusal(describe(error))]
        return [answer for crop in crops for answer in inpaint_each(inpainter, [crop])]
    return [_checked(drawing, crop) for drawing, crop in zip(drawings, crops, strict=True)]


def _checked(drawing: RgbImage, crop: Crop) -> RgbImage | Refusal:
    problem = _problem(drawing, crop)
    return Refusal(f"the inpainter returned {problem}") if problem else drawing


def _problem(drawing: object, crop: Crop) -> str:
    if not isinstance(drawing, np.ndarray):
        return f"{type(drawing).__name__}, expected an array"
    if drawing.shape != crop.image.shape:
        return f"shape {drawing.shape}, expected {crop.image.shape}"
    if drawing.dtype.kind == "f" and not np.isfinite(drawing).all():
        return "NaN or infinity"
    if drawing.dtype != np.uint8:
        return f"{drawing.dtype}, expected uint8"
    drawn, given = drawing[crop.mask], crop.image[crop.mask]
    if not drawn.any():
        return "black"
    if (drawn == given).all(axis=1).mean() >= _MOST_UNCHANGED:
        return "the person unchanged"
    return ""
