"""Masks of tracked persons in a frame, judged by the frames around it."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from anon_ros.tracking.mask_windows import MaskWindow, intersect_windows, union_windows
from anon_ros.tracking.motion_model import extrapolate_box, interpolate_box
from anon_ros.tracking.observations import BoxXyxy, PersonObservation
from anon_ros.utils.units import NS_PER_S

# Longer, and legs would be covered where they swing to. Live, it takes two frames.
_HYSTERESIS_NS = 500_000_000
_EXTRAPOLATION_GROWTH = 1 / 4
# Of a track that is propagated beyond its ends.
MIN_OBSERVATIONS = 3

Track = Sequence[PersonObservation]
"""Observations of one person, by time."""


@dataclass(frozen=True)
class MaskMemory:
    """The rules by which masks are propagated.

    Attributes:
        max_gap_ns: longest time from an observation to a frame that it is propagated into; 0 to
            propagate none.
        growth_ratio: growth of a propagated mask per second, as a ratio of the person's size; it
            grows by no more than that size.
        min_peak_score: score that a track must have reached to be propagated beyond its ends.
        width_px: of the image.
        height_px: of the image.
    """

    max_gap_ns: int
    growth_ratio: float
    min_peak_score: float
    width_px: int
    height_px: int

    def stabilize(self, person: PersonObservation, track: Track) -> PersonObservation:
        """Add to a mask what two of its neighbors in time agree on beyond it.

        A mask that shrinks for one frame, by a head perhaps, then uncovers nothing.

        Args:
            person: one of ``track``.
            track: of the person.
        """
        before, after = _split_track(track, person.time_ns)
        sides = [before[:-1], before, after, after[:-1]]
        near = [side for side in sides if side and self._is_close(side[-1], person)]
        neighbors = [self._extrapolate(side, person.time_ns) for side in near]
        agreed = [intersect_windows(*pair) for pair in pairwise(neighbors)]
        window, mask = union_windows([person.mask_window, *agreed])
        return replace(person, window=window, mask=mask)

    def propagate(self, track: Track, time_ns: int) -> PersonObservation | None:
        """Propagate a mask to a frame in which the person was not detected.

        Between two observations the box changes evenly. Beyond the first or last it goes on as
        before, if the track was credible.

        Args:
            track: of the person; without an observation at ``time_ns``.
            time_ns: of the frame.

        Returns:
            The observation to assume; None if there is none near enough, or the person has left
            the image.
        """
        sides = [
            side
            for side in _split_track(track, time_ns)
            if side and abs(side[-1].time_ns - time_ns) < self.max_gap_ns
        ]
        if not sides or (len(sides) == 1 and not self._is_credible(sides[0], track)):
            return None
        nearest = [side[-1] for side in sides]
        if len(sides) > 1:
            box = interpolate_box(nearest[0], nearest[1], time_ns)
        else:
            box = extrapolate_box(sides[0], time_ns, self.width_px)
        if (box[2:] <= box[:2]).any():  # out of the image
            return None
        # Between two observations the person is there for sure; beyond them, often not any more.
        growth_ratio = self.growth_ratio * (1 if len(sides) > 1 else _EXTRAPOLATION_GROWTH)
        window, mask = union_windows(
            [self._stretch(p, box, _compute_growth_px(p, time_ns, growth_ratio)) for p in nearest]
        )
        if not mask.any():
            return None
        model = min(nearest, key=lambda p: abs(p.time_ns - time_ns))
        return replace(model, time_ns=time_ns, box_xyxy=box, window=window, mask=mask)

    def _is_credible(self, side: Track, track: Track) -> bool:
        """Return False for a detector's ghosts, faint and short, which would cover anything."""
        peak_score = max(person.score for person in track)
        return len(side) >= MIN_OBSERVATIONS and peak_score >= self.min_peak_score

    def _is_close(self, neighbor: PersonObservation, person: PersonObservation) -> bool:
        gap_ns = abs(neighbor.time_ns - person.time_ns)
        return gap_ns <= min(_HYSTERESIS_NS, self.max_gap_ns)

    def _extrapolate(self, side: Track, time_ns: int) -> MaskWindow:
        return self._stretch(side[-1], extrapolate_box(side, time_ns, self.width_px), 0)

    def _stretch(self, person: PersonObservation, box_xyxy: BoxXyxy, growth_px: int) -> MaskWindow:
        return person.stretched_to(box_xyxy, growth_px, self.width_px, self.height_px)


def _compute_growth_px(person: PersonObservation, time_ns: int, ratio_per_s: float) -> int:
    age_s = abs(time_ns - person.time_ns) / NS_PER_S
    return math.ceil(min(ratio_per_s * age_s, 1) * person.scale_px)


def _split_track(track: Track, time_ns: int) -> tuple[Track, Track]:
    """Return the observations before and those after a time, both with the nearest last."""
    first = bisect_left(track, time_ns, key=lambda p: p.time_ns)
    beyond = bisect_left(track, time_ns + 1, key=lambda p: p.time_ns)
    return track[:first], track[beyond:][::-1]
