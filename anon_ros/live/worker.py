"""The one thread that owns the models."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Generic, TypeVar

from anon_ros.live.inbox import Fate, Inbox

T = TypeVar("T")


class Worker(Generic[T]):
    """Loads the models, then processes frames until the inbox is closed.

    Args:
        inbox: where frames come from.
        load: called once in the worker's thread; returns what processes and publishes one frame,
            given the stream's name and the frame. A frame for which that raises is not published.
        on_failure: told the stream and the error of each frame that failed, in the worker's thread.
    """

    def __init__(
        self,
        inbox: Inbox[T],
        load: Callable[[], Callable[[str, T], None]],
        on_failure: Callable[[str, Exception], None],
    ) -> None:
        self._inbox = inbox
        self._load = load
        self._on_failure = on_failure
        # A daemon: a process must be able to end while a model is stuck.
        self._thread = Thread(target=self._run, name="anonymizer-worker", daemon=True)
        self.ended = Event()
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Take no further frame and wait for the one in work; return whether the thread ended."""
        self._inbox.close()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            process = self._load()
            while (taken := self._inbox.take()) is not None:
                self._process(process, *taken)
        except BaseException as error:  # noqa: BLE001 - kept for the owner, who ends the process
            self.error = error
        finally:
            self.ended.set()

    def _process(self, process: Callable[[str, T], None], name: str, frame: T) -> None:
        fate = Fate.FAILED
        try:
            process(name, frame)
            fate = Fate.PROCESSED
        except Exception as error:  # noqa: BLE001 - one frame's failure must not end the node
            self._on_failure(name, error)
        finally:
            self._inbox.settle(name, fate)
