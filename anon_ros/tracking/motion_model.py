"""Where a person is between two frames in which it was seen, and before and after them."""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from anon_ros.tracking.observations import BoxXyxy, PersonObservation
from anon_ros.utils.units import NS_PER_S

# Speed is read from so much of the past: a person turns within a second.
SPEED_WINDOW_NS = 600_000_000
# In less, as when stamps come in bursts, a trembling box would seem to fly.
_LEAST_SPAN_S = 0.05
_BORDER_PX = 2.0
# Width to height of a person of whom nothing is cut off.
_MOST_WIDE = 0.6
# As it appears, a person grows or shrinks by less per second, unless the box was cut.
_MOST_STRETCH_PER_S = 0.5


def interpolate_box(one: PersonObservation, other: PersonObservation, time_ns: int) -> BoxXyxy:
    """(4,) the box at a time between two sightings, changing evenly."""
    share = (time_ns - one.time_ns) / (other.time_ns - one.time_ns)
    return (1 - share) * one.box_xyxy + share * other.box_xyxy


def extrapolate_box(seen: Sequence[PersonObservation], time_ns: int, width_px: int) -> BoxXyxy:
    """(4,) the box at a time beyond the last of ``seen``, at the person's steady speed.

    The speed is that of the line through the sightings of the last 0.6 s, or the last two. A
    walker's width swings with each step: the middle is followed, and the width changes as the
    height does. At the image's border, where the middle moves at half the speed, it is the free
    edge, until all of the person has come in.

    Args:
        seen: of one person, the nearest to ``time_ns`` last; at least one.
        time_ns: before or after all of them.
        width_px: of the image.
    """
    nearest = seen[-1]
    recent = takewhile(
        lambda s: abs(s.time_ns - nearest.time_ns) <= SPEED_WINDOW_NS, reversed(seen)
    )
    near = max(list(recent), seen[-2:], key=len)
    moves = (time_ns - nearest.time_ns) / NS_PER_S * _speeds(near)
    ahead_s = abs(time_ns - nearest.time_ns) / NS_PER_S
    x0, y0, x1, y1 = nearest.box_xyxy.tolist()
    left, top, right, bottom = moves.tolist()
    limit = ahead_s * _MOST_STRETCH_PER_S * (y1 - y0)
    excess = bottom - top - min(max(bottom - top, -limit), limit)
    top, bottom = top + excess / 2, bottom - excess / 2
    at_left, at_right = x0 <= _BORDER_PX, x1 >= width_px - _BORDER_PX
    if at_left != at_right:
        inward = right if at_left else -left
        # The rest of the person has come in by then: both edges move.
        whole = max(inward - max(_MOST_WIDE * (y1 - y0) - (x1 - x0), 0), 0)
        left, right = (whole, right) if at_left else (left, -whole)
    else:
        shift = (left + right) / 2
        wider = (x1 - x0) * (bottom - top) / max(y1 - y0, 1) / 2
        left, right = shift - wider, shift + wider
    return np.array([x0 + left, y0 + top, x1 + right, y1 + bottom])


def _speeds(sightings: Sequence[PersonObservation]) -> BoxXyxy:
    """(4,) px per second of each side, of the line through them; 0 if they tell too little."""
    times_s = np.array([s.time_ns - sightings[0].time_ns for s in sightings]) / NS_PER_S
    if np.ptp(times_s) < _LEAST_SPAN_S:
        return np.zeros(4)
    centred = times_s - times_s.mean()
    boxes = np.array([s.box_xyxy for s in sightings])
    return np.asarray(centred @ boxes / (centred @ centred))
