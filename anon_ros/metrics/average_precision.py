"""How well boxes find persons, counted as COCO counts it (pycocotools, box evaluation)."""

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
"""COCO's sizes of persons: from and to, in square pixels, both included."""
_EVERY_AREA_PX = (0.0, 1e10)
# As COCO has it: an overlap of exactly 1 must be able to pass.
_LEAST_IOUS = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
_AT_50, _AT_75 = 0, 5

Boxes = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GroundTruth:
    """The persons of one frame.

    Attributes:
        boxes_xyxy: (N, 4) float64 px.
        areas_px: (N,) float64 square pixels, of the outline where one is known.
        is_crowd: (N,) bool; True: a box around many, in which any number may be found or none.
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
    """Which boxes of one frame found a person, by least overlap.

    Attributes:
        scores: (D,) float64, descending; at most MOST_FOUND.
        is_hit: (10, D) bool, by overlap of IOUS: it found a person who counts.
        is_ignored: (10, D) bool: it counts neither as right nor as wrong.
        persons: who count.
    """

    scores: npt.NDArray[np.float64]
    is_hit: Flags
    is_ignored: Flags
    persons: int


@dataclass(frozen=True)
class PrecisionScores:
    """Shares in 0..1; None if there is not one person.

    Attributes:
        ap: average precision, the mean over the overlaps 0.50, 0.55 .. 0.95.
        ap50: at an overlap of 0.50.
        ap75: at an overlap of 0.75.
        ar100: share of the persons who are found, the mean over the overlaps.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ar100: float | None


def match_frame(
    truth: GroundTruth,
    boxes_xyxy: Boxes,
    scores: npt.NDArray[np.float64],
    area_px: tuple[float, float] = _EVERY_AREA_PX,
) -> FrameMatches:
    """Give each person to the likeliest box that overlaps, as COCO does.

    Args:
        truth: the persons.
        boxes_xyxy: (D, 4) float64 px, what was found.
        scores: (D,) float64.
        area_px: persons smaller or larger than this, in square pixels, do not count.

    Raises:
        ValueError: if the arrays do not fit together.
    """
    validate_array("boxes_xyxy", boxes_xyxy, (len(scores), 4), np.float64)
    best_first = np.argsort(-scores, kind="mergesort")[:MAX_DETECTIONS]
    found = boxes_xyxy[best_first]
    is_ignored = truth.is_crowd | _outside(truth.areas_px, area_px)
    order = np.argsort(is_ignored, kind="mergesort")
    overlaps = _overlaps(found, truth.boxes_xyxy[order], truth.is_crowd[order])
    counted = int((~is_ignored).sum())
    is_hit, is_ignored = _matched(overlaps, truth.is_crowd[order], counted)
    unmatched_outside = ~is_hit & _outside(_areas(found), area_px)
    return FrameMatches(scores[best_first], is_hit, is_ignored | unmatched_outside, counted)


def _matched(overlaps: Boxes, is_crowd: Flags, counted: int) -> tuple[Flags, Flags]:
    """Hits and ignored boxes (10, D) of overlaps (D, N), the persons who count first."""
    is_hit = np.zeros((len(IOU_THRESHOLDS), len(overlaps)), np.bool_)
    is_ignored = np.zeros_like(is_hit)
    is_free = np.ones((len(IOU_THRESHOLDS), len(is_crowd)), np.bool_)
    for index, row in enumerate(overlaps):
        near = is_free & (row >= _LEAST_IOUS[:, None])
        # Who counts goes before who does not, however much that one overlaps.
        for first, end, result in ((0, counted, is_hit), (counted, len(row), is_ignored)):
            able = near[:, first:end].any(axis=1) & ~is_hit[:, index]
            if able.any():
                chosen = _last_best(row[first:end], near[able, first:end]) + first
                result[able, index] = True
                is_free[able, chosen] = is_crowd[chosen]
    return is_hit, is_ignored


def _last_best(row: Boxes, near: Flags) -> npt.NDArray[np.int64]:
    """By row of ``near``, where ``row`` is largest; of equals the last one, as COCO has it."""
    values = np.where(near, row, -1.0)[:, ::-1]
    return np.asarray(near.shape[1] - 1 - values.argmax(axis=1))


def _overlaps(found: Boxes, persons: Boxes, is_crowd: Flags) -> Boxes:
    """(D, N) intersection over union; with a crowd the share of the box that lies in it."""
    low = np.maximum(found[:, None, :2], persons[None, :, :2])
    high = np.minimum(found[:, None, 2:], persons[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=2)
    own = _areas(found)[:, None]
    whole = np.where(is_crowd, own, own + _areas(persons) - common)
    return np.asarray(np.divide(common, whole, out=np.zeros_like(common), where=whole > 0))


def _areas(boxes_xyxy: Boxes) -> npt.NDArray[np.float64]:
    areas: npt.NDArray[np.float64] = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    return areas


def _outside(areas_px: npt.NDArray[np.float64], limits_px: tuple[float, float]) -> Flags:
    low, high = limits_px
    return (areas_px < low) | (areas_px > high)


@dataclass(frozen=True)
class _Ranking:
    """At one overlap, the boxes of all frames that count, best first.

    Attributes:
        frames: (D,) the frame of each.
        hits: (H,) which of them found a person.
    """

    frames: Indices
    hits: Indices


@dataclass(frozen=True)
class AveragePrecision:
    """The precision of a detector over any choice of frames.

    Attributes:
        frames: their matches.
    """

    frames: Sequence[FrameMatches]
    _persons: Indices = field(init=False, repr=False)
    _rankings: list[_Ranking] = field(init=False, repr=False)
    _known: dict[bytes, PrecisionScores] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Sort once what each choice of frames needs sorted."""
        persons = np.array([frame.persons for frame in self.frames], np.int64)
        object.__setattr__(self, "_persons", persons)
        object.__setattr__(self, "_rankings", _rankings(self.frames))

    def compute(self, chosen: Indices) -> PrecisionScores:
        """Of these frames; one that comes twice counts twice, as it were another one.

        Boxes of equal scores keep the order of the frames, whatever the order of ``chosen``, and a
        box that comes twice comes beside itself.
        """
        key = hashlib.blake2b(chosen.tobytes(), digest_size=16).digest()
        if key not in self._known:  # several figures of the same resample are asked for
            self._known[key] = self._over(chosen)
        return self._known[key]

    def _over(self, chosen: Indices) -> PrecisionScores:
        times = np.bincount(chosen, minlength=len(self.frames))
        persons = int(times @ self._persons)
        if not persons:
            return PrecisionScores(None, None, None, None)
        curves = [_interpolated(ranking, times, persons) for ranking in self._rankings]
        means = [precision for precision, _ in curves]
        recall = float(np.mean([recall for _, recall in curves]))
        return PrecisionScores(float(np.mean(means)), means[_AT_50], means[_AT_75], recall)


def _rankings(frames: Sequence[FrameMatches]) -> list[_Ranking]:
    if not frames:
        return [_Ranking(np.empty(0, np.int64), np.empty(0, np.int64))] * len(IOU_THRESHOLDS)
    scores = np.concatenate([frame.scores for frame in frames])
    best_first = np.argsort(-scores, kind="mergesort")
    numbers = np.repeat(np.arange(len(frames)), [len(frame.scores) for frame in frames])[best_first]
    is_hit = np.concatenate([frame.is_hit for frame in frames], axis=1)[:, best_first]
    counts = ~np.concatenate([frame.is_ignored for frame in frames], axis=1)[:, best_first]
    return [
        _Ranking(numbers[kept], np.flatnonzero(hits[kept]))
        for hits, kept in zip(is_hit, counts, strict=True)
    ]


def _interpolated(ranking: _Ranking, times: Indices, persons: int) -> tuple[float, float]:
    """Mean precision at RECALLS, and the last recall.

    Precision matters at the hits alone: between them it only falls.
    """
    if not len(ranking.hits):
        return 0.0, 0.0
    found = np.cumsum(times[ranking.frames])[ranking.hits]
    right = np.cumsum(times[ranking.frames[ranking.hits]])
    recall = right / persons
    precision = right / (found + np.spacing(1))
    falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(falling[np.searchsorted(recall, RECALL_POINTS)].mean()), float(recall[-1])
