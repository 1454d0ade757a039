"""Who is in a frame, judged by the frames around it."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from anon_ros.tracking.motion_model import extrapolate_box, interpolate_box
from anon_ros.tracking.observations import (
    MaskWindow,
    PersonObservation,
    intersect_windows,
    stretched_to,
    union_windows,
)
from anon_ros.utils.units import NS_PER_S

# Longer, and legs would be covered where they swing to. Live, it takes two frames.
_HYSTERESIS_NS = 500_000_000
_BEYOND = 1 / 4
# Of a track that is carried on beyond its ends.
MIN_OBSERVATIONS = 3


@dataclass(frozen=True)
class MaskMemory:
    """How persons are remembered.

    Attributes:
        max_gap_ns: how far from a sighting a person is carried on; 0 for not at all.
        growth_ratio: growth of a carried mask per second, as a share of the person's size; it
            grows by no more than that size.
        min_peak_score: score that a track must have reached to be carried on beyond its ends.
        width_px: of the image.
        height_px: of the image.
    """

    max_gap_ns: int
    growth_ratio: float
    min_peak_score: float
    width_px: int
    height_px: int

    def stabilize(
        self, sighting: PersonObservation, seen: Sequence[PersonObservation]
    ) -> PersonObservation:
        """A sighting with what two of its neighbours in time agree on beyond its own mask.

        A mask that shrinks for one frame, by a head perhaps, then uncovers nothing.

        Args:
            sighting: one of ``seen``.
            seen: all of that person, by time.
        """
        before, after = _sides(seen, sighting.time_ns)
        sides = [before[:-1], before, after, after[:-1]]
        near = [side for side in sides if side and self._is_close(side[-1], sighting)]
        neighbours = [self._moved(side, sighting.time_ns, 0) for side in near]
        parts = [intersect_windows(*pair) for pair in pairwise(neighbours)]
        window, mask = union_windows([(sighting.window, sighting.mask), *parts])
        return replace(sighting, window=window, mask=mask)

    def propagate(
        self, seen: Sequence[PersonObservation], time_ns: int
    ) -> PersonObservation | None:
        """A person who was missed, from the sightings before and after.

        Between two sightings the box changes evenly. Beyond the first or last it goes on as
        before, if the track was credible.

        Args:
            seen: all of that person, by time; none at ``time_ns``.
            time_ns: of the frame.

        Returns:
            What stands for the missing sighting; None if there is none near enough, or the person
            has left the image.
        """
        sides = [
            side
            for side in _sides(seen, time_ns)
            if side and abs(side[-1].time_ns - time_ns) < self.max_gap_ns
        ]
        if not sides or (len(sides) == 1 and not self._goes_on(sides[0], seen)):
            return None
        nearest = [side[-1] for side in sides]
        if len(sides) > 1:
            box = interpolate_box(nearest[0], nearest[1], time_ns)
        else:
            box = extrapolate_box(sides[0], time_ns, self.width_px)
        if (box[2:] <= box[:2]).any():  # out of the image
            return None
        # Between two sightings there is somebody for sure; beyond them, often nobody any more.
        growth_ratio = self.growth_ratio * (1 if len(sides) > 1 else _BEYOND)
        parts = [
            stretched_to(
                each, box, _growth_px(each, time_ns, growth_ratio), self.width_px, self.height_px
            )
            for each in nearest
        ]
        window, mask = union_windows(parts)
        if not mask.any():
            return None
        model = min(nearest, key=lambda each: abs(each.time_ns - time_ns))
        return replace(model, time_ns=time_ns, box_xyxy=box, window=window, mask=mask)

    def _goes_on(
        self, side: Sequence[PersonObservation], seen: Sequence[PersonObservation]
    ) -> bool:
        """A detector's ghosts are faint and short: carried on, they would cover what they like."""
        return len(side) >= MIN_OBSERVATIONS and max(s.score for s in seen) >= self.min_peak_score

    def _is_close(self, other: PersonObservation, sighting: PersonObservation) -> bool:
        return abs(other.time_ns - sighting.time_ns) <= min(_HYSTERESIS_NS, self.max_gap_ns)

    def _moved(self, side: Sequence[PersonObservation], time_ns: int, growth_px: int) -> MaskWindow:
        box = extrapolate_box(side, time_ns, self.width_px)
        return stretched_to(side[-1], box, growth_px, self.width_px, self.height_px)


def _growth_px(sighting: PersonObservation, time_ns: int, ratio_per_s: float) -> int:
    age_s = abs(time_ns - sighting.time_ns) / NS_PER_S
    return math.ceil(min(ratio_per_s * age_s, 1) * sighting.scale_px)


def _sides(
    seen: Sequence[PersonObservation], time_ns: int
) -> tuple[Sequence[PersonObservation], Sequence[PersonObservation]]:
    """Those before and those after a time, each with the nearest last."""
    first = bisect_left(seen, time_ns, key=lambda each: each.time_ns)
    beyond = bisect_left(seen, time_ns + 1, key=lambda each: each.time_ns)
    return seen[:first], seen[beyond:][::-1]
