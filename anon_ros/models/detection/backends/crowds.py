"""Persons in a crowd whom non-maximum suppression drops.

Their box nearly equals that of another person, but their mask shows pixels that nobody else's does.
"""

import math
from collections.abc import Callable, Iterable

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types

# Boxes that overlap by more are the same person's: further looks at them cost time only.
_SAME_IOU = 0.95
# Measured by bench/detection.py: below it duplicates of a person add pixels, too.
MIN_NEW_RATIO = 0.1
_DILATE_RATIO = 0.05


def add_hidden_persons(
    selected: torch.Tensor,
    boxes_xyxy: torch.Tensor,
    scores: torch.Tensor,
    iter_masks: Callable[[torch.Tensor], Iterable[torch.Tensor]],
    confidence: float,
) -> torch.Tensor:
    """Return ``selected``, and the candidates of whose mask at least 10 % is nobody's of those.

    Those below ``confidence`` do not count: their pixels are not replaced.

    Args:
        selected: indices of the candidates that non-maximum suppression keeps.
        boxes_xyxy: (M, 4) of all candidates.
        scores: (M,).
        iter_masks: yields the masks (n, h, w) of the candidates at some indices, all of the whole
            input, in parts.
        confidence: min score of an added candidate.
    """
    likely = torchvision.ops.nms(boxes_xyxy, scores, _SAME_IOU)
    dropped = likely[(scores[likely] >= confidence) & ~torch.isin(likely, selected)]
    if not len(dropped):
        return selected

    persons = selected[scores[selected] >= confidence]
    seen = [_dilate(mask) for part in iter_masks(persons) for mask in part.cpu().numpy()]
    shown = np.logical_or.reduce(seen)
    masks = (mask for part in iter_masks(dropped) for mask in part.cpu().numpy())
    added = []
    for index, mask in zip(dropped, masks, strict=True):
        if np.count_nonzero(mask & ~shown) > MIN_NEW_RATIO * np.count_nonzero(mask):
            added.append(index)
            shown |= _dilate(mask)
    rows = torch.cat([selected, torch.stack(added)]) if added else selected
    return rows[scores[rows].argsort(descending=True, stable=True)]


def _dilate(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Grow a mask about as it will be replaced, so that a looser outline adds nothing."""
    radius = max(1, round(_DILATE_RATIO * math.sqrt(np.count_nonzero(mask))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel), np.bool_)


def fill_boxes(
    boxes_xyxy: torch.Tensor, like: torch.Tensor, cell_px: tuple[float, float]
) -> torch.Tensor:
    """Return (N, h, w) bool: the cells with their center in each box."""
    x, y = (
        (torch.arange(like.shape[2 - axis], device=like.device) + 0.5) * cell_px[axis]
        for axis in (0, 1)
    )
    left, top, right, bottom = (side[:, None] for side in boxes_xyxy.T)
    columns, rows = (x >= left) & (x < right), (y >= top) & (y < bottom)
    inside: torch.Tensor = rows[:, :, None] & columns[:, None, :]
    return inside
