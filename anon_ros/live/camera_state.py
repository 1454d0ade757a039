"""State of one camera's stream from frame to frame, but for its tracked persons."""

import logging
from dataclasses import dataclass, field

from anon_ros.live.cover_counter import CoverCounter

_LOG = logging.getLogger(__name__)


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
    _stamps_stand_still: bool = False

    def choose_time_ns(self, stamp_ns: int, arrived_ns: int) -> int:
        """Return the time of the next frame: its stamp, or its arrival if stamps say nothing.

        Args:
            stamp_ns: of the header; 0 for none.
            arrived_ns: by the steady clock.
        """
        if stamp_ns and stamp_ns == self._last_stamp_ns and not self._stamps_stand_still:
            _LOG.warning(
                "%s: the header stamp stands still; times of arrival are used", self.stream
            )
            self._stamps_stand_still = True
        self._last_stamp_ns = stamp_ns
        return arrived_ns if self._stamps_stand_still else stamp_ns or arrived_ns
