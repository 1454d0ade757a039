"""The one thread that owns the models."""

from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Generic, TypeAlias, TypeVar

from anon_ros.live.inbox import Fate, Inbox

T = TypeVar("T")
Process: TypeAlias = Callable[[Sequence[tuple[str, T]]], Sequence[Exception | None]]


class Worker(Generic[T]):
    """Loads the models, then processes frames until the inbox is closed.

    Args:
        inbox: where frames come from.
        load: called once in the worker's thread; returns what processes and publishes frames of
            different streams, given pairs of a stream's name and a frame. It returns one error or
            None for each; if it raises, all of them failed. A frame that failed is not published.
        on_failure: told the stream and the error of each frame that failed, in the worker's thread.
        most_frames: how many waiting frames are processed together.
    """

    def __init__(
        self,
        inbox: Inbox[T],
        load: Callable[[], Process[T]],
        on_failure: Callable[[str, Exception], None],
        most_frames: int = 1,
    ) -> None:
        self._inbox = inbox
        self._load = load
        self._on_failure = on_failure
        self._most_frames = most_frames
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
                self._process(process, [taken, *self._inbox.take_waiting(self._most_frames - 1)])
        except BaseException as error:  # noqa: BLE001 - kept for the owner, who ends the process
            self.error = error
        finally:
            self.ended.set()

    def _process(self, process: Process[T], frames: Sequence[tuple[str, T]]) -> None:
        errors: Sequence[Exception | None] = []
        try:
            errors = process(frames)
        except Exception as error:  # noqa: BLE001 - a frame's failure must not end the node
            errors = [error] * len(frames)
        finally:
            # A frame without a verdict failed: BaseException ends the thread.
            for index, (name, _) in enumerate(frames):
                failed = index >= len(errors) or errors[index] is not None
                self._inbox.settle(name, Fate.FAILED if failed else Fate.PROCESSED)
        for (name, _), problem in zip(frames, errors, strict=True):
            if problem is not None:
                self._on_failure(name, problem)
