"""What the other layers log, in the node's log; and not too often."""

import logging
import time

from rclpy.impl.rcutils_logger import RcutilsLogger


class NodeLogHandler(logging.Handler):
    """Passes records of Python's logging on to a node's logger."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - as logging's own handlers: a log line must not fail a frame
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        # rclpy ties a severity to the line that calls it, so each one needs a line of its own.
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


class LogThrottle:
    """Lets a topic speak once in a while; rclpy's own throttle is one for all topics."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._spoke_s: dict[str, float] = {}

    def allows(self, topic: str) -> bool:
        """Whether it may speak now; if so, it did."""
        now_s = time.monotonic()
        if now_s - self._spoke_s.get(topic, -self._period_s) < self._period_s:
            return False
        self._spoke_s[topic] = now_s
        return True
