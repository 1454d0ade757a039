"""Bridge from Python's logging to the node's log, and a throttle."""

import logging
import time
from dataclasses import dataclass

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.logging import LoggingSeverity

from anon_ros.utils.text import escape_controls

_FORGOTTEN_AFTER_S = 60.0


@dataclass
class _Entry:
    """The last message of a topic: its text, when it was logged, and when it last was to be."""

    text: str
    logged_s: float
    seen_s: float


class NodeLogHandler(logging.Handler):
    """Handler that passes records of Python's logging on to a node's logger."""

    def __init__(self, logger: RcutilsLogger) -> None:
        super().__init__()
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
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)


def choose_level(logger: RcutilsLogger) -> int:
    """Return the level of Python's logging below which a node's logger drops everything anyway."""
    is_debugging = logger.get_effective_level() <= LoggingSeverity.DEBUG
    return logging.DEBUG if is_debugging else logging.INFO


class LogThrottle:
    """Limit of messages per topic; rclpy's own throttle is shared by all topics."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._entries: dict[str, _Entry] = {}

    def allows(self, topic: str, text: str = "") -> bool:
        """Return True if a message may be logged now: one per period and topic.

        A message with the same text as the last one of its topic is logged again only once it has
        stayed away for a minute: what lasts is told once.
        """
        now_s = time.monotonic()
        entry = self._entries.get(topic)
        if entry is not None and text and text == entry.text:
            was_away = now_s - entry.seen_s >= _FORGOTTEN_AFTER_S
            entry.seen_s = now_s
            if not was_away:
                return False
        if entry is not None and now_s - entry.logged_s < self._period_s:
            return False
        self._entries = {
            name: item
            for name, item in self._entries.items()
            if now_s - item.seen_s < max(self._period_s, _FORGOTTEN_AFTER_S)
        }
        self._entries[topic] = _Entry(text, now_s, now_s)
        return True
