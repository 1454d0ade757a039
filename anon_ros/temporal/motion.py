"""Where a person is between two frames in which it was seen, and before and after them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from anon_ros.temporal.sightings import BoxXyxy, Sighting

NS_PER_S = 1_000_000_000
# Speed is read from so much of the past: a person turns within a second.
SPEED_NS = 600_000_000
_MOST_SIGHTINGS = 6
_BORDER_PX = 2.0
# As it appears, a person grows or shrinks by less per second, unless the box was cut.
_MOST_STRETCH_PER_S = 0.5


def between(one: Sighting, other: Sighting, time_ns: int) -> BoxXyxy:
    """(4,) the box at a time between two sightings, changing evenly."""
    share = (time_ns - one.time_ns) / (other.time_ns - one.time_ns)
    return (1 - share) * one.box_xyxy + share * other.box_xyxy


def continued(seen: Sequence[Sighting], time_ns: int, width_px: int) -> BoxXyxy:
    """(4,) the box at a time beyond the last of ``seen``, at the person's steady speed.

    The speed is that of the line through the last sightings (least squares). A walker's width
    swings with each step: the middle is followed, and the width changes as the height does. At the
    image's border, where the middle moves at half the speed, it is the free edge.

    Args:
        seen: of one person, the nearest to ``time_ns`` last; at least one.
        time_ns: before or after all of them.
        width_px: of the image.
    """
    nearest = seen[-1]
    near = [s for s in seen[-_MOST_SIGHTINGS:] if abs(s.time_ns - nearest.time_ns) <= SPEED_NS]
    times_s = np.array([(s.time_ns - nearest.time_ns) / NS_PER_S for s in near])
    boxes = np.array([s.box_xyxy for s in near])
    ahead_s = (time_ns - nearest.time_ns) / NS_PER_S
    x0, y0, x1, y1 = nearest.box_xyxy.tolist()
    top, bottom = (ahead_s * _slope(times_s, boxes[:, side]) for side in (1, 3))
    limit = abs(ahead_s) * _MOST_STRETCH_PER_S * (y1 - y0)
    excess = bottom - top - min(max(bottom - top, -limit), limit)
    top, bottom = top + excess / 2, bottom - excess / 2
    at_left, at_right = x0 <= _BORDER_PX, x1 >= width_px - _BORDER_PX
    if at_left != at_right:
        shift = ahead_s * _slope(times_s, boxes[:, 2 if at_left else 0])
        left, right = (0.0, shift) if at_left else (shift, 0.0)
    else:
        shift = ahead_s * _slope(times_s, boxes[:, ::2].mean(axis=1))
        wider = (x1 - x0) * (bottom - top) / max(y1 - y0, 1) / 2
        left, right = shift - wider, shift + wider
    return np.array([x0 + left, y0 + top, x1 + right, y1 + bottom])


def _slope(times_s: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> float:
    """Per second, of the line through the values; 0 for a single one."""
    centred = times_s - times_s.mean()
    spread = float(centred @ centred)
    return float(centred @ values) / spread if spread else 0.0
