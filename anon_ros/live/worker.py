"""The one thread that owns the models."""

import time
from collections.abc import Callable, Collection, Sequence
from threading import Event, Thread
from typing import Generic, Protocol, TypeVar

from anon_ros.errors import AnonRosError, UnsupportedFormatError, drop_traceback, format_error
from anon_ros.live.mailbox import FrameStatus, Mailbox, QueuedFrame
from anon_ros.live.output_gate import GateClosed
from anon_ros.utils.failure_streak import FailureStreak

T = TypeVar("T")


class BatchProcessor(Protocol[T]):
    """The work on frames. All of it is called in the worker's thread."""

    @property
    def max_batch(self) -> int:
        """Number of waiting frames of different streams to process together."""
        ...

    def load(self) -> None:
        """Load the models; raising ends the worker."""
        ...

    def process(self, frames: Sequence[QueuedFrame[T]]) -> Sequence[Exception | None]:
        """Process and publish frames of different streams.

        Returns:
            One error or None for each; a frame with an error was not published. If this raises,
            none was.
        """
        ...

    def close(self) -> None:
        """Free the models."""
        ...


class InferenceWorker(Generic[T]):
    """Loads the models, processes frames until the mailbox is closed, frees the models.

    Args:
        mailbox: where frames come from.
        processor: what is done with them.
        on_failure: told the stream and the error of each frame that failed, in this thread.
        max_consecutive: failed frames in a row, of all streams, that end the worker; 0 for none.
            Frames of an unsupported format do not count.
        wait_for: another worker that must have ended before this one loads its models.

    Attributes:
        error: what ended the worker; None while it works, or when it was stopped.
        ready: set once the models are loaded.
        finished: set when the thread is done.
        last_error: of each stream whose newest frame failed.
        consecutive_failures: how many frames of each stream failed since the last one that did not.
    """

    def __init__(
        self,
        mailbox: Mailbox[T],
        processor: BatchProcessor[T],
        on_failure: Callable[[str, Exception], None],
        *,
        max_consecutive: int = 0,
        wait_for: "InferenceWorker[T] | None" = None,
    ) -> None:
        self._mailbox = mailbox
        self._processor = processor
        self._on_failure = on_failure
        self._wait_for = wait_for
        # A daemon: a process must be able to end while a model is stuck.
        self._thread = Thread(target=self._run, name="anonymizer-worker", daemon=True)
        self._busy_since_s: float | None = None
        self._failures = FailureStreak(max_consecutive)
        self.error: BaseException | None = None
        self.ready = Event()
        self.finished = Event()
        self.last_error: dict[str, str] = {}
        self.consecutive_failures: dict[str, int] = {}

    @property
    def busy_s(self) -> float:
        """Time for which the frames in work have been so; 0 for none."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def start(self) -> None:
        """Start the thread."""
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self.finished.set()
            raise

    def retain(self, streams: Collection[str]) -> None:
        """Forget the failures of all streams but these."""
        for failures in (self.last_error, self.consecutive_failures):
            for name in failures.keys() - set(streams):
                failures.pop(name, None)

    def stop(self, timeout_s: float) -> bool:
        """Take no further frame and wait for the one in work; return True if the thread ended."""
        self._mailbox.close()
        if not self.finished.wait(timeout_s):
            return False
        if self._thread.ident is not None:
            # Behind ``finished`` it still frees what models keep per thread: under Python's exit
            # that would crash.
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            if self._wait_for is not None:
                self._wait_for.finished.wait()
                self._wait_for = None
            if not self._mailbox.closed:  # stopped while it waited for the other one
                self._processor.load()
                self.ready.set()
            while (frames := self._mailbox.take(self._processor.max_batch)) is not None:
                self._process(frames)
        except BaseException as error:  # noqa: BLE001 - kept for the owner, who ends the process
            self.error = error
        finally:
            # Nobody takes frames any more: they must not wait for ever.
            self._mailbox.close()
            try:
                self._processor.close()
            finally:
                self.finished.set()

    def _process(self, frames: Sequence[QueuedFrame[T]]) -> None:
        errors: Sequence[Exception | None] = []
        try:
            errors = self._attempt(frames)
            self._handle_errors(frames, errors)
        finally:
            # Last: the mailbox may forget the stream of a finished frame.
            for index, frame in enumerate(frames):
                # A frame without a verdict failed: BaseException ends the thread.
                verdict = errors[index] if index < len(errors) else AnonRosError("no verdict")
                self._mailbox.finish(frame.stream, _choose_status(verdict))

    def _attempt(self, frames: Sequence[QueuedFrame[T]]) -> Sequence[Exception | None]:
        self._busy_since_s = time.monotonic()
        try:
            return self._processor.process(frames)
        except Exception as error:  # noqa: BLE001 - a frame's failure must not end the node
            return [drop_traceback(error)] * len(frames)
        finally:
            self._busy_since_s = None

    def _handle_errors(
        self, frames: Sequence[QueuedFrame[T]], errors: Sequence[Exception | None]
    ) -> None:
        for frame, error in zip(frames, errors, strict=True):
            self._record(frame.stream, error)
        failures = {
            frame.stream: error
            for frame, error in zip(frames, errors, strict=True)
            if error is not None and not isinstance(error, GateClosed)
        }
        for stream, failure in failures.items():
            self._on_failure(stream, failure)
        if self._failures.is_too_long:
            last_error = format_error(list(failures.values())[-1])
            message = f"{self._failures.format_limit('frames')}; the last: {last_error}"
            raise AnonRosError(message)

    def _record(self, stream: str, error: Exception | None) -> None:
        if error is None:
            self._failures.record_success()
            self.consecutive_failures[stream] = 0
            self.last_error.pop(stream, None)
        elif not isinstance(error, GateClosed):
            if not isinstance(error, UnsupportedFormatError):  # a restart would not help
                self._failures.record_failure()
            self.consecutive_failures[stream] = self.consecutive_failures.get(stream, 0) + 1
            self.last_error[stream] = format_error(error)


def _choose_status(error: Exception | None) -> FrameStatus:
    if error is None:
        return FrameStatus.PROCESSED
    return FrameStatus.SKIPPED if isinstance(error, GateClosed) else FrameStatus.FAILED
