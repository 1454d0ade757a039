"""The worker: a failure costs its frame, a streak ends it, nothing is left in memory."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from anon_ros.config import SkipConfig
from anon_ros.live import FrameCounts, GateClosed, InferenceWorker, Mailbox, OutputGate, QueuedFrame

LIMIT_S = 60.0


@dataclass
class FunctionProcessor:
    """A Processor made of a function for one frame."""

    work: Callable[[str, int], None]
    max_batch: int = 1
    batches: list[list[str]] = field(default_factory=list)
    closed: bool = False

    def load(self) -> None:
        pass

    def process(self, frames: Sequence[QueuedFrame[int]]) -> list[Exception | None]:
        self.batches.append([taken.stream for taken in frames])
        errors: list[Exception | None] = []
        for taken in frames:
            try:
                self.work(taken.stream, taken.frame)
                errors.append(None)
            except Exception as error:  # noqa: BLE001 - the verdict
                errors.append(error)
        return errors

    def close(self) -> None:
        self.closed = True


def counts_add_up(counts: FrameCounts) -> bool:
    return counts.received == counts.processed + counts.skipped + counts.failed + counts.waiting


def wait_until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def wait_for(event: threading.Event) -> None:
    assert event.wait(LIMIT_S)


def make_failing_work(*bad: int) -> Callable[[str, int], None]:
    def work(_: str, frame: int) -> None:
        if frame in bad:
            message = f"bad {frame}"
            raise ValueError(message)

    return work


def test_batch_counts_frame_status() -> None:
    box: Mailbox[int] = Mailbox(SkipConfig())
    errors: list[str] = []
    for name, frame in (("a", 1), ("b", 2), ("c", 3)):
        box.put(name, frame)
    processor = FunctionProcessor(make_failing_work(2), max_batch=8)
    worker = InferenceWorker(box, processor, lambda name, error: errors.append(f"{name}: {error}"))
    worker.start()
    wait_until(lambda: not any(counts.waiting for counts in box.counts().values()))
    assert worker.stop(LIMIT_S)
    assert processor.batches == [["a", "b", "c"]]
    assert processor.closed
    assert errors == ["b: bad 2"]
    assert [box.counts()[name].failed for name in "abc"] == [0, 1, 0]
    assert [box.counts()[name].processed for name in "abc"] == [1, 0, 1]
    assert worker.consecutive_failures == {"a": 0, "b": 1, "c": 0}
    assert worker.last_error == {"b": "ValueError: bad 2"}


def test_failed_frame_keeps_worker() -> None:
    box: Mailbox[int] = Mailbox(SkipConfig())
    worker = InferenceWorker(box, FunctionProcessor(make_failing_work(1)), lambda *_: None)
    worker.start()
    box.put("a", 1)
    wait_until(lambda: box.counts()["a"].failed)
    assert worker.consecutive_failures == {"a": 1}
    box.put("a", 2)
    wait_until(lambda: box.counts()["a"].processed)
    assert worker.stop(LIMIT_S)
    assert worker.error is None
    assert worker.consecutive_failures == {"a": 0}
    assert not worker.last_error


def test_worker_stops_after_consecutive_failures() -> None:
    box: Mailbox[int] = Mailbox(SkipConfig())
    processor = FunctionProcessor(make_failing_work(1))
    worker = InferenceWorker(box, processor, lambda *_: None, max_consecutive=3)
    worker.start()
    for _ in range(5):
        for name, frame in (("bad", 1), ("good", 2)):
            box.put(name, frame)
            wait_until(lambda name=name: box.counts()[name].waiting == 0)
    assert not worker.finished.is_set()
    for _ in range(3):
        box.put("bad", 1)
        wait_until(lambda: worker.finished.is_set() or box.counts()["bad"].waiting == 0)
    assert worker.finished.wait(LIMIT_S)
    assert "3 frames in a row failed (fail.max_consecutive)" in str(worker.error)
    assert "bad 1" in str(worker.error)
    assert processor.closed
    box.put("bad", 1)
    assert box.counts()["bad"].waiting == 0
    assert all(map(counts_add_up, box.counts().values()))


def test_failure_is_handled_before_its_stream_is_forgotten() -> None:
    """The executor's thread may forget it as soon as it has no frame in work."""
    box: Mailbox[int] = Mailbox(SkipConfig())

    def handle(name: str, _: Exception) -> None:
        box.retain(())
        worker.retain(box.counts())
        handled.append((box.counts()[name].failed, worker.consecutive_failures[name]))

    handled: list[tuple[int, int]] = []
    worker = InferenceWorker(box, FunctionProcessor(make_failing_work(1)), handle)
    box.put("a", 1)
    worker.start()
    wait_until(lambda: worker.finished.is_set() or not box.counts()["a"].waiting)
    assert worker.stop(LIMIT_S)
    assert worker.error is None
    assert handled == [(0, 1)]


def test_limit_names_failure_of_forgotten_stream() -> None:
    box: Mailbox[int] = Mailbox(SkipConfig())
    processor = FunctionProcessor(make_failing_work(1))
    worker = InferenceWorker(box, processor, lambda *_: worker.retain(()), max_consecutive=1)
    box.put("a", 1)
    worker.start()
    assert worker.finished.wait(LIMIT_S)
    assert "1 frames in a row failed (fail.max_consecutive)" in str(worker.error)
    assert "bad 1" in str(worker.error)


def test_state_is_complete_once_frame_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    box: Mailbox[int] = Mailbox(SkipConfig())
    states: list[tuple[dict[str, int], dict[str, str]]] = []
    worker = InferenceWorker(box, FunctionProcessor(make_failing_work(1)), lambda *_: None)

    def finish(*_: object) -> None:
        states.append((dict(worker.consecutive_failures), dict(worker.last_error)))

    monkeypatch.setattr(box, "finish", finish)
    for frame in (1, 2):
        box.put("a", frame)
        if frame == 1:
            worker.start()
        wait_until(lambda frame=frame: len(states) == frame)
    assert worker.stop(LIMIT_S)
    assert states == [({"a": 1}, {"a": "ValueError: bad 1"}), ({"a": 0}, {})]


def test_closed_gate_skips_frame() -> None:
    gate, sent = OutputGate(), []
    gate.send(lambda: sent.append(1))
    gate.set_open(is_open=False)
    with pytest.raises(GateClosed):
        gate.send(lambda: sent.append(2))
    gate.set_open(is_open=True)
    gate.close()
    gate.set_open(is_open=True)

    box: Mailbox[int] = Mailbox(SkipConfig())
    worker = InferenceWorker(
        box, FunctionProcessor(lambda *_: gate.send(lambda: sent.append(3))), lambda *_: None
    )
    box.put("a", 1)
    worker.start()
    wait_until(lambda: box.counts()["a"].waiting == 0)
    assert worker.stop(LIMIT_S)
    assert sent == [1]
    assert box.counts()["a"] == FrameCounts(1, processed=0, skipped=1, failed=0, waiting=0)
    assert not worker.last_error


def test_worker_waits_for_release() -> None:
    release, loaded = threading.Event(), threading.Event()
    first_box: Mailbox[int] = Mailbox(SkipConfig())
    first = InferenceWorker(
        first_box, FunctionProcessor(lambda *_: wait_for(release)), lambda *_: None
    )
    first.start()
    first_box.put("a", 1)
    wait_until(lambda: first.busy_s > 0)
    first_box.close()

    processor = FunctionProcessor(make_failing_work())
    processor.load = loaded.set  # type: ignore[method-assign]
    second = InferenceWorker(Mailbox(SkipConfig()), processor, lambda *_: None, wait_for=first)
    second.start()
    assert not loaded.wait(0.1)
    release.set()
    assert loaded.wait(LIMIT_S)
    assert second.stop(LIMIT_S)


@pytest.mark.parametrize("kind", [FileNotFoundError, SystemExit])
def test_load_failure_ends_worker(
    kind: type[BaseException],
) -> None:
    def load() -> None:
        message = "no weights"
        raise kind(message)

    processor = FunctionProcessor(make_failing_work())
    processor.load = load  # type: ignore[method-assign]
    worker = InferenceWorker(Mailbox(SkipConfig()), processor, lambda *_: None)
    worker.start()
    assert worker.finished.wait(LIMIT_S)
    assert str(worker.error) == "no weights"
    assert not worker.ready.is_set()


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit, MemoryError])
def test_fatal_error_counts_its_frame(fatal: type[BaseException]) -> None:
    def work(*_: object) -> None:
        raise fatal

    box: Mailbox[int] = Mailbox(SkipConfig())
    worker = InferenceWorker(box, FunctionProcessor(work), lambda *_: None)
    box.put("a", 1)
    worker.start()
    wait_until(lambda: box.counts()["a"].failed == 1)
    assert worker.stop(LIMIT_S)
    assert isinstance(worker.error, fatal) or issubclass(fatal, Exception)


def test_stop_reports_stuck_frame() -> None:
    box: Mailbox[int] = Mailbox(SkipConfig())
    release = threading.Event()
    worker = InferenceWorker(box, FunctionProcessor(lambda *_: wait_for(release)), lambda *_: None)
    worker.start()
    box.put("a", 1)
    wait_until(lambda: worker.busy_s > 0)
    assert not worker.stop(0.05)
    release.set()
    assert worker.stop(LIMIT_S)
    assert worker.busy_s == 0


class SlowToFree:
    """What a model keeps per thread, freed when the thread has ended its function."""

    freed = False

    def __del__(self) -> None:
        time.sleep(0.2)
        type(self).freed = True


def test_stop_waits_for_what_the_thread_frees() -> None:
    """Or Python's exit comes in between, and the process ends in a crash."""
    kept_per_thread = threading.local()

    def work(_stream: str, _frame: int) -> None:
        kept_per_thread.model = SlowToFree()

    box: Mailbox[int] = Mailbox(SkipConfig())
    worker = InferenceWorker(box, FunctionProcessor(work), lambda *_: None)
    worker.start()
    box.put("a", 1)
    wait_until(lambda: box.counts()["a"].processed)
    assert worker.stop(LIMIT_S)
    assert SlowToFree.freed


def test_failed_frame_is_released() -> None:
    """An exception holds the frames of its calls, and those what they worked on."""

    class Picture:
        pass

    class Failing(FunctionProcessor):
        def process(self, _: Sequence[QueuedFrame[Picture]]) -> list[Exception | None]:
            message = "all of them"
            raise ValueError(message)

    box: Mailbox[Picture] = Mailbox(SkipConfig())
    worker = InferenceWorker(box, Failing(make_failing_work()), lambda *_: None)
    gc.disable()
    try:
        picture = Picture()
        gone = weakref.ref(picture)
        box.put("a", picture)
        del picture
        worker.start()
        wait_until(lambda: box.counts()["a"].failed)
        assert worker.stop(LIMIT_S)
        assert gone() is None
    finally:
        gc.enable()


def test_counters_add_up_concurrently() -> None:
    box: Mailbox[int] = Mailbox(SkipConfig(every_nth=2))
    errors: list[Exception] = []
    multiples = make_failing_work(*range(0, 2000, 3))
    worker = InferenceWorker(
        box, FunctionProcessor(multiples), lambda _, error: errors.append(error)
    )
    worker.start()

    def feed(name: str) -> None:
        for frame in range(2000):
            box.put(name, frame)

    feeders = [threading.Thread(target=feed, args=(name,)) for name in "abc"]
    for feeder in feeders:
        feeder.start()
    while any(feeder.is_alive() for feeder in feeders):
        assert all(map(counts_add_up, box.counts().values()))
    assert worker.stop(LIMIT_S)
    counts = box.counts()
    assert all(map(counts_add_up, counts.values()))
    assert {c.received for c in counts.values()} == {2000}
    assert {c.waiting for c in counts.values()} == {0}
    assert len(errors) == sum(c.failed for c in counts.values())
