"""State of one camera's stream from frame to frame, but for its tracked persons."""

import logging
from dataclasses import dataclass, field

from anon_ros.live.cover_counter import CoverCounter
from anon_ros.utils.units import NS_PER_S

_LOG = logging.getLogger(__name__)

_MAX_SET_BACK_NS = NS_PER_S


@dataclass
class CameraState:
    """The stamps and the counts of a stream; the FrameProcessor has its persons.

    Attributes:
        stream: its name.
        covers: counts of the covered persons and targets.
    """

    stream: str
    covers: CoverCounter = field(default_factory=CoverCounter)
    _last_stamp_ns: int = 0
    _last_arrived_ns: int = 0
    _time_ns: int = 0
    _stamps_stand_still: bool = False

    def choose_time_ns(self, stamp_ns: int, arrived_ns: int) -> int:
        """Return the time of the next frame, so that the mask memory outlasts a bad stamp.

        It goes on as the stamps do. Where they say nothing, stand still or go back by less than a
        second, it goes on as the frames arrive.

        Args:
            stamp_ns: of the header; 0 for none.
            arrived_ns: by the steady clock.
        """
        last_stamp_ns = self._last_stamp_ns
        if stamp_ns and stamp_ns == last_stamp_ns and not self._stamps_stand_still:
            _LOG.warning(
                "%s: the header stamp stands still; times of arrival are used", self.stream
            )
            self._stamps_stand_still = True
        step_ns = stamp_ns - last_stamp_ns
        is_bad = not stamp_ns or self._stamps_stand_still or -_MAX_SET_BACK_NS < step_ns <= 0
        if not self._time_ns:
            self._time_ns = stamp_ns or arrived_ns
        elif is_bad or not last_stamp_ns:
            self._time_ns += max(arrived_ns - self._last_arrived_ns, 1)
        else:
            self._time_ns += step_ns
        self._last_stamp_ns, self._last_arrived_ns = stamp_ns or last_stamp_ns, arrived_ns
        return self._time_ns
