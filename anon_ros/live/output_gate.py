"""A door that every frame passes on its way out, and that can be shut at any time."""

from collections.abc import Callable
from threading import RLock


class GateClosed(Exception):  # noqa: N818 - no error: the frame was not wanted any more
    """The gate was shut: the frame is skipped."""


class OutputGate:
    """Open at first. Once ``shut`` has returned, nothing passes any more."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._open = True
        self._ended = False

    def set_open(self, *, is_open: bool) -> None:
        """Open or shut it; waits for what is just passing."""
        with self._lock:
            self._open = is_open

    def close(self) -> None:
        """Shut it for good."""
        with self._lock:
            self._ended = True

    @property
    def is_open(self) -> bool:
        return self._open and not self._ended

    def send(self, send: Callable[[], None]) -> None:
        """Call ``send``, which may call this again, or raise.

        Raises:
            Withheld: if the gate is shut.
        """
        with self._lock:
            if not self.is_open:
                raise GateClosed
            send()
