"""Recall over time: uncovered persons, and the duration."""

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

_TIME_TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class PersonSecond:
    """A person during a second.

    Attributes:
        person: the identity.
        second: whole seconds since the first frame.
        frames: number of frames of that second in which the person is labelled.
        uncovered_ratio: ratio of those in which the person is uncovered.
    """

    person: int
    second: int
    frames: int
    uncovered_ratio: float


@dataclass(frozen=True)
class TemporalRecallReport:
    """Recall over time. A person-frame is a labelled person in a frame.

    Attributes:
        tolerance_ratio: a person-frame is uncovered if more than this ratio of its label is.
        frames: number of frames.
        person_frames: number of person-frames.
        uncovered_frames: number of uncovered person-frames.
        uncovered_ratio: ratio of uncovered person-frames; None if there is no person-frame.
        covered_ratios: covered ratio of the label of every person-frame, in order.
        seconds: by person, then second; only seconds in which the person is labelled.
        longest_uncovered_s: longest time for which a person stays uncovered, 0 if nobody ever is.
            It begins with an uncovered frame and ends with the first frame after it in which
            the same person is covered, however long the person was not labelled in between; or,
            without such a frame, one frame interval (the median of all) after the last frame in
            which the person is labelled. None if that needs the interval of a single frame.
        overcoverage_mean_ratio: mean over frames of the ratio of the image that is covered
            without a labelled person; None if there is no frame.
        overcoverage_max_ratio: maximum over frames.
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
class _PersonFrame:
    person: int
    time_s: float
    label_px: int
    covered_px: int

    def is_uncovered(self, tolerance_ratio: float) -> bool:
        return (self.label_px - self.covered_px) / self.label_px > tolerance_ratio


class TemporalRecall:
    """A measure of recall over labelled frames, which stores a few numbers per person."""

    def __init__(self) -> None:
        self._times_s: list[float] = []
        self._person_frames: list[_PersonFrame] = []
        self._overcoverage_ratios: list[float] = []

    def update(
        self,
        time_s: float,
        masks: npt.NDArray[np.bool_],
        persons: Sequence[int],
        covered: Mask,
    ) -> None:
        """Add a labelled frame; a frame without a labelled person counts, too.

        Args:
            time_s: later than the frame before.
            masks: (N, H, W) bool, the labelled persons.
            persons: N identities of the masks.
            covered: (H, W) bool, the pixels that were replaced.

        Raises:
            ValueError: if a shape or dtype is wrong, a mask has no pixel, an identity is repeated,
                or the frame is not later than the last frame.
        """
        self._validate(time_s, masks, persons, covered)
        label_px = np.count_nonzero(masks, axis=(1, 2)).tolist()
        covered_px = np.count_nonzero(masks & covered, axis=(1, 2)).tolist()
        for person, labelled, hidden_px in zip(persons, label_px, covered_px, strict=True):
            self._person_frames.append(_PersonFrame(person, time_s, labelled, hidden_px))
        overcovered_px = np.count_nonzero(covered & ~masks.any(axis=0))
        self._overcoverage_ratios.append(int(overcovered_px) / covered.size)
        self._times_s.append(time_s)

    def compute(self, tolerance_ratio: float) -> TemporalRecallReport:
        """Return the recall of the frames so far.

        Args:
            tolerance_ratio: ratio of a label that may stay uncovered, 0 <= ratio < 1. Labels are
                not exact to the pixel; 0 assumes that they are.

        Raises:
            ValueError: if the ratio is out of range.
        """
        if not 0 <= tolerance_ratio < 1:
            message = f"tolerance_ratio is {tolerance_ratio}, expected 0 <= ratio < 1"
            raise ValueError(message)
        uncovered = [frame.is_uncovered(tolerance_ratio) for frame in self._person_frames]
        overcoverage = RunningMean(sum(self._overcoverage_ratios), len(self._overcoverage_ratios))
        return TemporalRecallReport(
            tolerance_ratio=tolerance_ratio,
            frames=len(self._times_s),
            person_frames=len(uncovered),
            uncovered_frames=sum(uncovered),
            uncovered_ratio=RunningMean(sum(uncovered), len(uncovered)).value,
            covered_ratios=tuple(p.covered_px / p.label_px for p in self._person_frames),
            seconds=self._summarize_seconds(uncovered),
            longest_uncovered_s=self._find_longest_s(uncovered),
            overcoverage_mean_ratio=overcoverage.value,
            overcoverage_max_ratio=max(self._overcoverage_ratios, default=None),
        )

    def _summarize_seconds(self, uncovered: Iterable[bool]) -> tuple[PersonSecond, ...]:
        means: dict[tuple[int, int], RunningMean] = defaultdict(RunningMean)
        for person_frame, is_uncovered in zip(self._person_frames, uncovered, strict=True):
            # The difference of two times may fall short of a whole second by rounding alone.
            second = math.floor(person_frame.time_s - self._times_s[0] + _TIME_TOLERANCE_S)
            means[person_frame.person, second].add(is_uncovered)
        return tuple(
            PersonSecond(person, second, share.count, share.total / share.count)
            for (person, second), share in sorted(means.items())
        )

    def _find_longest_s(self, uncovered: Iterable[bool]) -> float | None:
        longest_s, begun_s, last_s = 0.0, dict[int, float](), dict[int, float]()
        for person_frame, is_uncovered in zip(self._person_frames, uncovered, strict=True):
            last_s[person_frame.person] = person_frame.time_s
            if is_uncovered:
                begun_s.setdefault(person_frame.person, person_frame.time_s)
            elif person_frame.person in begun_s:
                longest_s = max(longest_s, person_frame.time_s - begun_s.pop(person_frame.person))
        if not begun_s:
            return longest_s
        intervals_s = np.diff(self._times_s).tolist()
        if not intervals_s:
            return None
        open_s = [last_s[person] - start_s for person, start_s in begun_s.items()]
        return max(longest_s, max(open_s) + median(intervals_s))

    def _validate(
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
