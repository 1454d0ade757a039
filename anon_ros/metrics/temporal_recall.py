"""Whether every person is covered in every frame, and if not, for how long."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask
from anon_ros.metrics.running_mean import RunningMean
from anon_ros.metrics.validation import validate_array, validate_unique

_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class PersonSecond:
    """One person during one second.

    Attributes:
        person: the identity.
        second: whole seconds since the first frame.
        frames: in how many the person is labelled in that second.
        uncovered_ratio: the share of those in which the person is uncovered.
    """

    person: int
    second: int
    frames: int
    uncovered_ratio: float


@dataclass(frozen=True)
class TemporalRecallReport:
    """Recall through time. A person-frame is one labelled person in one frame.

    Attributes:
        tolerance_ratio: a person-frame is uncovered if more than this share of its label is.
        frames: how many were added.
        person_frames: how many there are.
        uncovered_frames: how many of those are uncovered.
        uncovered_ratio: the same as a share; None if there is no person-frame.
        covered_ratios: covered share of the label of each person-frame, in the order added.
        seconds: by person, then second; only seconds in which the person is labelled.
        longest_uncovered_s: longest time for which one person stays uncovered, 0 if nobody ever
            is. It begins with an uncovered frame and ends with the first frame after it in which
            the same person is covered, however long the person was not labelled in between; or,
            without such a frame, one frame interval (the median of all) after the last frame in
            which the person is labelled. None if that needs the interval of a single frame.
        overcoverage_mean_ratio: mean over frames of the share of the image that is covered though
            no labelled person is there; None if there is no frame.
        overcoverage_max_ratio: the highest of those.
    """

    tolerance_ratio: float
    frames: int
    person_frames: int
    uncovered_frames: int
    uncovered_ratio: float | None
    covered_ratios: tuple[float, ...]
    seconds: tuple[PersonSecond, ...]
    longest_uncovered_s: float | None
    overcoverage_mean_ratio: float | None
    overcoverage_max_ratio: float | None


@dataclass(frozen=True)
class _Sighting:
    person: int
    time_s: float
    label_px: int
    covered_px: int

    def is_uncovered(self, tolerance_ratio: float) -> bool:
        return (self.label_px - self.covered_px) / self.label_px > tolerance_ratio


class TemporalRecall:
    """Measures recall over labelled frames; of these it keeps a few numbers per person."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._sightings: list[_Sighting] = []
        self._false_cover_ratios: list[float] = []

    def update(
        self,
        time_s: float,
        masks: npt.NDArray[np.bool_],
        persons: Sequence[int],
        covered: Mask,
    ) -> None:
        """Measure one labelled frame; one in which nobody is labelled counts, too.

        Args:
            time_s: later than the frame before.
            masks: (N, H, W) bool, the labelled persons.
            persons: their N identities.
            covered: (H, W) bool, the pixels that were replaced.

        Raises:
            ValueError: if a shape or dtype is another, a mask has no pixel, an identity comes
                twice, or the frame is not later than the last one.
        """
        self._check(time_s, masks, persons, covered)
        label_px = np.count_nonzero(masks, axis=(1, 2)).tolist()
        covered_px = np.count_nonzero(masks & covered, axis=(1, 2)).tolist()
        for person, all_px, hidden_px in zip(persons, label_px, covered_px, strict=True):
            self._sightings.append(_Sighting(person, time_s, all_px, hidden_px))
        false_px = np.count_nonzero(covered & ~masks.any(axis=0))
        self._false_cover_ratios.append(int(false_px) / covered.size)
        self._times_s.append(time_s)

    def compute(self, tolerance_ratio: float) -> TemporalRecallReport:
        """What the frames that were added so far show.

        Args:
            tolerance_ratio: how much of a label may stay uncovered, 0 <= ratio < 1. Labels are
                not exact to the pixel; 0 takes them as if they were.

        Raises:
            ValueError: if the ratio is out of range.
        """
        if not 0 <= tolerance_ratio < 1:
            message = f"tolerance_ratio is {tolerance_ratio}, expected 0 <= ratio < 1"
            raise ValueError(message)
        uncovered = [seen.is_uncovered(tolerance_ratio) for seen in self._sightings]
        false_cover = RunningMean(sum(self._false_cover_ratios), len(self._false_cover_ratios))
        return TemporalRecallReport(
            tolerance_ratio=tolerance_ratio,
            frames=len(self._times_s),
            person_frames=len(uncovered),
            uncovered_frames=sum(uncovered),
            uncovered_ratio=RunningMean(sum(uncovered), len(uncovered)).value,
            covered_ratios=tuple(seen.covered_px / seen.label_px for seen in self._sightings),
            seconds=self._seconds(uncovered),
            longest_uncovered_s=self._longest_s(uncovered),
            overcoverage_mean_ratio=false_cover.value,
            overcoverage_max_ratio=max(self._false_cover_ratios, default=None),
        )

    def _seconds(self, uncovered: Iterable[bool]) -> tuple[PersonSecond, ...]:
        shares: dict[tuple[int, int], RunningMean] = defaultdict(RunningMean)
        for seen, is_uncovered in zip(self._sightings, uncovered, strict=True):
            # The difference of two times may fall short of a whole second by rounding alone.
            second = math.floor(seen.time_s - self._times_s[0] + _ROUNDING_S)
            shares[seen.person, second].add(is_uncovered)
        return tuple(
            PersonSecond(person, second, share.count, share.total / share.count)
            for (person, second), share in sorted(shares.items())
        )

    def _longest_s(self, uncovered: Iterable[bool]) -> float | None:
        longest_s, begun_s, last_s = 0.0, dict[int, float](), dict[int, float]()
        for seen, is_uncovered in zip(self._sightings, uncovered, strict=True):
            last_s[seen.person] = seen.time_s
            if is_uncovered:
                begun_s.setdefault(seen.person, seen.time_s)
            elif seen.person in begun_s:
                longest_s = max(longest_s, seen.time_s - begun_s.pop(seen.person))
        if not begun_s:
            return longest_s
        intervals_s = np.diff(self._times_s).tolist()
        if not intervals_s:
            return None
        open_s = [last_s[person] - start_s for person, start_s in begun_s.items()]
        return max(longest_s, max(open_s) + median(intervals_s))

    def _check(
        self,
        time_s: float,
        masks: npt.NDArray[np.bool_],
        persons: Sequence[int],
        covered: Mask,
    ) -> None:
        validate_array("covered", covered, masks.shape[1:], np.bool_)
        validate_array("masks", masks, (len(persons), *covered.shape), np.bool_)
        validate_unique("persons", persons)
        if not masks.any(axis=(1, 2)).all():
            message = f"a mask of the frame at {time_s} s has no pixel"
            raise ValueError(message)
        if self._times_s and time_s <= self._times_s[-1]:
            message = f"time_s is {time_s}, expected more than {self._times_s[-1]}"
            raise ValueError(message)
