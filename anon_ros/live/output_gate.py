"""The only way out for frames, which can be closed at any time."""

from collections.abc import Callable
from threading import RLock


class GateClosed(Exception):  # noqa: N818 - no error: the frame was not wanted any more
    """The gate is closed: the frame is skipped."""


class OutputGate:
    """A gate, open at first. Once it was closed, nothing passes any more."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._is_open = True
        self._is_closed = False

    def set_open(self, *, is_open: bool) -> None:
        """Open or close it; wait for a frame that is just passing."""
        with self._lock:
            self._is_open = is_open

    def close(self) -> None:
        """Close it for good."""
        with self._lock:
            self._is_closed = True

    @property
    def is_open(self) -> bool:
        return self._is_open and not self._is_closed

    def send(self, send: Callable[[], None]) -> None:
        """Call ``send``, which may call this again, or raise.

        Raises:
            GateClosed: if the gate is closed.
        """
        with self._lock:
            if not self.is_open:
                raise GateClosed
            send()
