"""Bridge from Python's logging to the node's log, and a throttle."""

import logging
import time

from rclpy.impl.rcutils_logger import RcutilsLogger

from anon_ros.utils.text import escape_controls


class NodeLogHandler(logging.Handler):
    """Handler that passes records of Python's logging on to a node's logger."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - as logging's own handlers: a log line must not fail a frame
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        # rclpy ties a severity to the line of the call, so every severity needs its own line.
        text = escape_controls(record.getMessage())
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


class LogThrottle:
    """Limit of messages per topic; rclpy's own throttle is shared by all topics."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._logged_s: dict[str, float] = {}

    def allows(self, topic: str) -> bool:
        """Return True, once per period and topic, if a message may be logged now."""
        now_s = time.monotonic()
        if now_s - self._logged_s.get(topic, -self._period_s) < self._period_s:
            return False
        self._logged_s = {
            name: logged_s
            for name, logged_s in self._logged_s.items()
            if now_s - logged_s < self._period_s
        }
        self._logged_s[topic] = now_s
        return True
