"""Choice of the frames of a stream that are processed."""

from anon_ros.config import SkipConfig
from anon_ros.utils.units import NS_PER_S


class SkipPolicy:
    """Decides, frame by frame as they arrive, for one stream."""

    def __init__(self, config: SkipConfig) -> None:
        self._every_nth = config.every_nth
        self._period_ns = round(NS_PER_S / config.max_rate_hz) if config.max_rate_hz else 0
        self._num_arrived = 0
        self._due_ns: int | None = None

    def accepts(self, now_ns: int) -> bool:
        """Return True if the frame that arrived at ``now_ns`` (steady clock) is to be processed.

        The next frame is due one period after this one was due, not after it came: counted from
        arrivals, a 10 Hz limit on a 30 Hz camera with jitter would often give 7.5 Hz.
        """
        is_turn = self._num_arrived % self._every_nth == 0
        self._num_arrived += 1
        if not is_turn or not self._period_ns:
            return is_turn
        due_ns = now_ns if self._due_ns is None else self._due_ns
        if now_ns < due_ns - self._period_ns:  # the clock of a recording may be set back
            due_ns = now_ns
        if now_ns < due_ns:
            return False
        next_ns = due_ns + self._period_ns
        self._due_ns = next_ns if next_ns > now_ns else now_ns + self._period_ns
        return True
