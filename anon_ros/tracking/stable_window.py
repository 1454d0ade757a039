"""Windows that follow a person without trembling."""

import math
from dataclasses import dataclass

from anon_ros.core import Roi
from anon_ros.tracking.observations import BoxXyxy

_STEP_PX = 16
_ROOM = 1.1
_LEAST_FILL = 0.6
_FOLLOWS = 0.5


@dataclass
class StableWindow:
    """One person's window: its sides stay until the person no longer fits or fills them.

    So the person keeps the size at which it is generated, and the noise its place on the person.
    """

    _side_px: tuple[int, int] = (0, 0)
    _middle: tuple[float, float] | None = None

    def update(self, box_xyxy: BoxXyxy) -> Roi:
        """The window at the next box, which holds it."""
        x0, y0, x1, y1 = box_xyxy.tolist()
        width_px, height_px = (
            _side(before_px, now_px)
            for before_px, now_px in zip(self._side_px, (x1 - x0, y1 - y0), strict=True)
        )
        self._side_px = width_px, height_px
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        before = self._middle or middle
        followed = [was + _FOLLOWS * (now - was) for was, now in zip(before, middle, strict=True)]
        left = _within(followed[0] - width_px / 2, x1 - width_px, x0)
        top = _within(followed[1] - height_px / 2, y1 - height_px, y0)
        self._middle = left + width_px / 2, top + height_px / 2
        return Roi(left, top, left + width_px, top + height_px)


def _side(before_px: int, now_px: float) -> int:
    if _LEAST_FILL * before_px <= now_px <= before_px - 1:  # one for rounding
        return before_px
    return math.ceil((now_px + 1) * _ROOM / _STEP_PX) * _STEP_PX


def _within(wished: float, low: float, high: float) -> int:
    return round(min(max(wished, math.ceil(low)), math.floor(high)))
