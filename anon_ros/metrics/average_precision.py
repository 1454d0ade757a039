"""Average precision of boxes, as COCO computes it (pycocotools, box evaluation)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anon_ros.metrics.intervals import Indices
from anon_ros.metrics.validation import validate_array

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
MAX_DETECTIONS = 100
SIZE_RANGES_PX = {
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""COCO's sizes of persons: minimum and maximum in square pixels, both included."""
_ANY_AREA_PX = (0.0, 1e10)
# As in COCO: an overlap of exactly 1 must be able to pass.
_MIN_IOUS = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
_INDEX_50, _INDEX_75 = 0, 5

Boxes = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GroundTruth:
    """The persons of one frame.

    Attributes:
        boxes_xyxy: (N, 4) float64 px.
        areas_px: (N,) float64 square pixels, of the outline where there is an outline.
        is_crowd: (N,) bool; True: a box around many persons, any number of whom may be detected.
    """

    boxes_xyxy: Boxes
    areas_px: npt.NDArray[np.float64]
    is_crowd: Flags

    def __post_init__(self) -> None:
        """Raise ValueError unless the arrays fit together."""
        count = len(self.boxes_xyxy)
        validate_array("boxes_xyxy", self.boxes_xyxy, (count, 4), np.float64)
        validate_array("areas_px", self.areas_px, (count,), np.float64)
        validate_array("is_crowd", self.is_crowd, (count,), np.bool_)


@dataclass(frozen=True)
class FrameMatches:
    """Matches of the boxes of a frame with persons, by overlap threshold.

    Attributes:
        scores: (D,) float64, descending; at most MAX_DETECTIONS.
        is_hit: (10, D) bool, by IOU_THRESHOLDS: the box matches a person who counts.
        is_ignored: (10, D) bool: the box counts neither as right nor as wrong.
        num_persons: number of persons who count.
    """

    scores: npt.NDArray[np.float64]
    is_hit: Flags
    is_ignored: Flags
    num_persons: int


@dataclass(frozen=True)
class PrecisionScores:
    """Scores in 0..1; None if there is no person.

    Attributes:
        ap: average precision, the mean over the overlaps 0.50, 0.55 .. 0.95.
        ap50: at an overlap of 0.50.
        ap75: at an overlap of 0.75.
        ar100: average recall with at most 100 boxes, the mean over the overlaps.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ar100: float | None


def match_frame(
    truth: GroundTruth,
    boxes_xyxy: Boxes,
    scores: npt.NDArray[np.float64],
    area_px: tuple[float, float] = _ANY_AREA_PX,
) -> FrameMatches:
    """Match every person with the highest-scored box that overlaps, as COCO does.

    Args:
        truth: the persons.
        boxes_xyxy: (D, 4) float64 px, the detections.
        scores: (D,) float64.
        area_px: minimum and maximum in square pixels of the persons who count.

    Raises:
        ValueError: if the arrays do not fit together.
    """
    validate_array("boxes_xyxy", boxes_xyxy, (len(scores), 4), np.float64)
    best_first = np.argsort(-scores, kind="mergesort")[:MAX_DETECTIONS]
    boxes = boxes_xyxy[best_first]
    is_ignored = truth.is_crowd | _is_outside(truth.areas_px, area_px)
    order = np.argsort(is_ignored, kind="mergesort")
    overlaps = _measure_overlaps(boxes, truth.boxes_xyxy[order], truth.is_crowd[order])
    num_persons = int((~is_ignored).sum())
    is_hit, is_ignored = _match_boxes(overlaps, truth.is_crowd[order], num_persons)
    unmatched_outside = ~is_hit & _is_outside(_measure_areas(boxes), area_px)
    return FrameMatches(scores[best_first], is_hit, is_ignored | unmatched_outside, num_persons)


def _match_boxes(overlaps: Boxes, is_crowd: Flags, num_persons: int) -> tuple[Flags, Flags]:
    """Return hits and ignored boxes (10, D) of overlaps (D, N), in which persons who count lead."""
    is_hit = np.zeros((len(IOU_THRESHOLDS), len(overlaps)), np.bool_)
    is_ignored = np.zeros_like(is_hit)
    is_free = np.ones((len(IOU_THRESHOLDS), len(is_crowd)), np.bool_)
    for index, row in enumerate(overlaps):
        near = is_free & (row >= _MIN_IOUS[:, None])
        # Persons who count go first, however much another person overlaps.
        for first, end, result in ((0, num_persons, is_hit), (num_persons, len(row), is_ignored)):
            is_matched = near[:, first:end].any(axis=1) & ~is_hit[:, index]
            if is_matched.any():
                chosen = _find_last_best(row[first:end], near[is_matched, first:end]) + first
                result[is_matched, index] = True
                is_free[is_matched, chosen] = is_crowd[chosen]
    return is_hit, is_ignored


def _find_last_best(row: Boxes, near: Flags) -> npt.NDArray[np.int64]:
    """Return the index of the maximum of ``row`` by row of ``near``; the last of equals (COCO)."""
    values = np.where(near, row, -1.0)[:, ::-1]
    return np.asarray(near.shape[1] - 1 - values.argmax(axis=1))


def _measure_overlaps(boxes: Boxes, persons: Boxes, is_crowd: Flags) -> Boxes:
    """Return (D, N) intersection over union; for a crowd the ratio of the box inside of it."""
    low = np.maximum(boxes[:, None, :2], persons[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], persons[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=2)
    own = _measure_areas(boxes)[:, None]
    total = np.where(is_crowd, own, own + _measure_areas(persons) - common)
    return np.asarray(np.divide(common, total, out=np.zeros_like(common), where=total > 0))


def _measure_areas(boxes_xyxy: Boxes) -> npt.NDArray[np.float64]:
    areas: npt.NDArray[np.float64] = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    return areas


def _is_outside(areas_px: npt.NDArray[np.float64], limits_px: tuple[float, float]) -> Flags:
    low, high = limits_px
    return (areas_px < low) | (areas_px > high)


@dataclass(frozen=True)
class _Ranking:
    """Boxes of all frames that count at a threshold, best first.

    Attributes:
        frames: (D,) frame of a box.
        hits: (H,) indices of the boxes that match a person.
    """

    frames: Indices
    hits: Indices


@dataclass(frozen=True)
class AveragePrecision:
    """The average precision of a detector over any choice of frames.

    Attributes:
        frames: matches of every frame.
    """

    frames: Sequence[FrameMatches]
    _num_persons: Indices = field(init=False, repr=False)
    _rankings: list[_Ranking] = field(init=False, repr=False)
    _cache: dict[bytes, PrecisionScores] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the boxes once, for all choices of frames."""
        num_persons = np.array([frame.num_persons for frame in self.frames], np.int64)
        object.__setattr__(self, "_num_persons", num_persons)
        object.__setattr__(self, "_rankings", _rank_boxes(self.frames))

    def compute(self, chosen: Indices) -> PrecisionScores:
        """Return the scores of the frames of these indices; a repeated frame counts repeatedly.

        Boxes of equal scores stay in the order of the frames, whatever the order of ``chosen``;
        copies of a box stay next to each other.
        """
        key = hashlib.blake2b(chosen.tobytes(), digest_size=16).digest()
        if key not in self._cache:  # a resample is asked for several times
            self._cache[key] = self._compute(chosen)
        return self._cache[key]

    def _compute(self, chosen: Indices) -> PrecisionScores:
        times = np.bincount(chosen, minlength=len(self.frames))
        num_persons = int(times @ self._num_persons)
        if not num_persons:
            return PrecisionScores(None, None, None, None)
        curves = [_interpolate_precision(ranking, times, num_persons) for ranking in self._rankings]
        means = [precision for precision, _ in curves]
        recall = float(np.mean([recall for _, recall in curves]))
        return PrecisionScores(float(np.mean(means)), means[_INDEX_50], means[_INDEX_75], recall)


def _rank_boxes(frames: Sequence[FrameMatches]) -> list[_Ranking]:
    if not frames:
        return [_Ranking(np.empty(0, np.int64), np.empty(0, np.int64))] * len(IOU_THRESHOLDS)
    scores = np.concatenate([frame.scores for frame in frames])
    best_first = np.argsort(-scores, kind="mergesort")
    frame_indices = np.repeat(np.arange(len(frames)), [len(frame.scores) for frame in frames])[
        best_first
    ]
    is_hit = np.concatenate([frame.is_hit for frame in frames], axis=1)[:, best_first]
    counted = ~np.concatenate([frame.is_ignored for frame in frames], axis=1)[:, best_first]
    return [
        _Ranking(frame_indices[is_counted], np.flatnonzero(hits[is_counted]))
        for hits, is_counted in zip(is_hit, counted, strict=True)
    ]


def _interpolate_precision(
    ranking: _Ranking, times: Indices, num_persons: int
) -> tuple[float, float]:
    """Return the mean precision at RECALL_POINTS, and the last recall.

    Precision matters at the hits alone: between them it only falls.
    """
    if not len(ranking.hits):
        return 0.0, 0.0
    num_boxes = np.cumsum(times[ranking.frames])[ranking.hits]
    num_hits = np.cumsum(times[ranking.frames[ranking.hits]])
    recall = num_hits / num_persons
    precision = num_hits / (num_boxes + np.spacing(1))
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(falling[np.searchsorted(recall, RECALL_POINTS)].mean()), float(recall[-1])
