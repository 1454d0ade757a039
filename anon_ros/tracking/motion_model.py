"""A person's box between two frames in which they were detected, and before and after them."""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from anon_ros.tracking.observations import BoxXyxy, PersonObservation
from anon_ros.utils.units import NS_PER_S

# Speed is read from so much of the past: a person turns within a second.
SPEED_WINDOW_NS = 600_000_000
# In less, as when stamps come in bursts, a trembling box would seem to fly.
_MIN_SPAN_S = 0.05
_BORDER_PX = 2.0
# Width to height of a person of whom nothing is cut off.
_MAX_WIDTH_RATIO = 0.6
# As it appears, a person grows or shrinks by less per second, unless the box was cut.
_MAX_STRETCH_PER_S = 0.5


def interpolate_box(start: PersonObservation, end: PersonObservation, time_ns: int) -> BoxXyxy:
    """Return the box (4,) at a time between two observations, changing evenly."""
    ratio = (time_ns - start.time_ns) / (end.time_ns - start.time_ns)
    return (1 - ratio) * start.box_xyxy + ratio * end.box_xyxy


def extrapolate_box(track: Sequence[PersonObservation], time_ns: int, width_px: int) -> BoxXyxy:
    """Return the box (4,) at a time beyond the last of ``track``, at the person's steady speed.

    The speed is that of the line through the observations of the last 0.6 s, or the last two. A
    walker's width swings with each step: the middle is followed, and the width changes as the
    height does. At the image's border, where the middle moves at half the speed, it is the free
    edge, until all of the person has come in.

    Args:
        track: of one person, the nearest to ``time_ns`` last; at least one.
        time_ns: before or after all of them.
        width_px: of the image.
    """
    nearest = track[-1]
    recent = takewhile(
        lambda p: abs(p.time_ns - nearest.time_ns) <= SPEED_WINDOW_NS, reversed(track)
    )
    near = max(list(recent), track[-2:], key=len)
    moves = (time_ns - nearest.time_ns) / NS_PER_S * _fit_speeds(near)
    ahead_s = abs(time_ns - nearest.time_ns) / NS_PER_S
    x0, y0, x1, y1 = nearest.box_xyxy.tolist()
    left, top, right, bottom = moves.tolist()
    limit = ahead_s * _MAX_STRETCH_PER_S * (y1 - y0)
    excess = bottom - top - min(max(bottom - top, -limit), limit)
    top, bottom = top + excess / 2, bottom - excess / 2
    at_left, at_right = x0 <= _BORDER_PX, x1 >= width_px - _BORDER_PX
    if at_left != at_right:
        inward = right if at_left else -left
        # The rest of the person has come in by then: both edges move.
        both = max(inward - max(_MAX_WIDTH_RATIO * (y1 - y0) - (x1 - x0), 0), 0)
        left, right = (both, right) if at_left else (left, -both)
    else:
        shift = (left + right) / 2
        wider = (x1 - x0) * (bottom - top) / max(y1 - y0, 1) / 2
        left, right = shift - wider, shift + wider
    return np.array([x0 + left, y0 + top, x1 + right, y1 + bottom])


def _fit_speeds(track: Sequence[PersonObservation]) -> BoxXyxy:
    """Return the speed (4,) of each side, px per second, of a line through all; 0 if unknown."""
    times_s = np.array([p.time_ns - track[0].time_ns for p in track]) / NS_PER_S
    if np.ptp(times_s) < _MIN_SPAN_S:
        return np.zeros(4)
    centered = times_s - times_s.mean()
    boxes = np.array([p.box_xyxy for p in track])
    return np.asarray(centered @ boxes / (centered @ centered))
