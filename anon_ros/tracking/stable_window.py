"""Windows that follow a person without trembling."""

import math
from dataclasses import dataclass

from anon_ros.core import Roi
from anon_ros.tracking.observations import BoxXyxy

_STEP_PX = 16
_MARGIN_FACTOR = 1.1
_MIN_FILL_RATIO = 0.6
_FOLLOW_GAIN = 0.5


@dataclass
class StableWindow:
    """A person's window: its sides stay until the person no longer fits or fills them.

    So the person keeps the size at which it is generated, and the noise its place on the person.
    """

    _side_px: tuple[int, int] = (0, 0)
    _middle: tuple[float, float] | None = None

    def update(self, box_xyxy: BoxXyxy) -> Roi:
        """Return the window at the next box, which it contains."""
        x0, y0, x1, y1 = box_xyxy.tolist()
        width_px, height_px = (
            _choose_side(previous_px, box_px)
            for previous_px, box_px in zip(self._side_px, (x1 - x0, y1 - y0), strict=True)
        )
        self._side_px = width_px, height_px
        middle = (x0 + x1) / 2, (y0 + y1) / 2
        previous = self._middle or middle
        x, y = (a + _FOLLOW_GAIN * (b - a) for a, b in zip(previous, middle, strict=True))
        left = _round_within(x - width_px / 2, x1 - width_px, x0)
        top = _round_within(y - height_px / 2, y1 - height_px, y0)
        self._middle = left + width_px / 2, top + height_px / 2
        return Roi(left, top, left + width_px, top + height_px)


def _choose_side(previous_px: int, box_px: float) -> int:
    if _MIN_FILL_RATIO * previous_px <= box_px <= previous_px - 1:  # one for rounding
        return previous_px
    return math.ceil((box_px + 1) * _MARGIN_FACTOR / _STEP_PX) * _STEP_PX


def _round_within(value: float, low: float, high: float) -> int:
    return round(min(max(value, math.ceil(low)), math.floor(high)))
