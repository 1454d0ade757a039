"""The inbox: newest wins, longest wait first, and the counters add up at any time."""

import random
import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.config import SkipConfig
from anon_ros.live import Counts, Fate, Inbox, Process, SkipPolicy, Worker


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1
        return self.now_ns


def inbox() -> Inbox[int]:
    return Inbox(SkipConfig(), Clock())


def add_up(counts: Counts) -> bool:
    return counts.received == counts.processed + counts.skipped + counts.failed + counts.waiting


def test_the_newest_frame_wins_and_the_older_one_is_counted_as_skipped() -> None:
    box = inbox()
    for frame in (1, 2, 3):
        box.offer("a", frame)
    assert box.take() == ("a", 3)
    assert box.counts()["a"] == Counts(3, processed=0, skipped=2, failed=0, waiting=1)
    box.settle("a", Fate.PROCESSED)
    assert box.counts()["a"] == Counts(3, processed=1, skipped=2, failed=0, waiting=0)


def test_the_stream_that_waited_longest_is_served_first() -> None:
    box = inbox()
    box.offer("slow", 1)
    for frame in range(5):
        box.offer("fast", frame)
    # A newer frame does not cost the slow stream its turn.
    box.offer("slow", 2)
    assert [box.take(), box.take()] == [("slow", 2), ("fast", 4)]


def test_waiting_frames_of_other_streams_come_along_the_oldest_first() -> None:
    box = inbox()
    for name in "abcd":
        box.offer(name, ord(name))
    assert box.take() == ("a", 97)
    assert box.take_waiting(2) == [("b", 98), ("c", 99)]
    assert box.take_waiting(2) == [("d", 100)]
    assert box.take_waiting(2) == []
    assert all(add_up(counts) and counts.waiting == 1 for counts in box.counts().values())


def test_of_frames_processed_together_each_has_its_own_fate() -> None:
    box, seen = inbox(), threading.Event()
    together: list[list[str]] = []
    errors: list[str] = []

    def process(frames: Sequence[tuple[str, int]]) -> list[Exception | None]:
        together.append([name for name, _ in frames])
        seen.set()
        return [ValueError("bad") if name == "b" else None for name, _ in frames]

    for name in "abc":
        box.offer(name, 1)
    worker = Worker(box, lambda: process, lambda name, _: errors.append(name), most_frames=8)
    worker.start()
    assert seen.wait(5)
    assert worker.stop(5)
    assert together == [["a", "b", "c"]]
    assert errors == ["b"]
    assert [box.counts()[name].failed for name in "abc"] == [0, 1, 0]
    assert [box.counts()[name].processed for name in "abc"] == [1, 0, 1]


def test_closing_wakes_the_worker_and_skips_what_waits() -> None:
    box = inbox()
    box.offer("a", 1)
    box.close()
    assert box.take() is None
    box.offer("a", 2)
    assert box.counts()["a"] == Counts(2, processed=0, skipped=2, failed=0, waiting=0)


def test_a_skipped_frame_does_not_push_out_a_waiting_one() -> None:
    box: Inbox[int] = Inbox(SkipConfig(every_nth=2), Clock())
    box.offer("a", 1)
    box.offer("a", 2)
    assert box.take() == ("a", 1)


@given(st.integers(1, 7), st.integers(1, 60))
def test_every_nth_takes_the_first_of_each_n(every_nth: int, frames: int) -> None:
    policy = SkipPolicy(SkipConfig(every_nth=every_nth))
    taken = [index for index in range(frames) if policy.accepts(index)]
    assert taken == list(range(0, frames, every_nth))


@pytest.mark.parametrize(("rate_hz", "expected"), [(10, 100), (7, 70), (30, 300), (60, 300)])
def test_a_rate_limit_holds_on_average_despite_jitter(rate_hz: float, expected: int) -> None:
    jitter = random.Random(0)  # noqa: S311 - nothing secret
    policy = SkipPolicy(SkipConfig(max_rate_hz=rate_hz))
    arrivals = [round(1e9 * (index / 30 + jitter.uniform(0, 0.02))) for index in range(300)]
    assert sum(map(policy.accepts, sorted(arrivals))) == pytest.approx(expected, rel=0.03)


def test_a_pause_earns_no_burst() -> None:
    policy = SkipPolicy(SkipConfig(max_rate_hz=10))
    assert policy.accepts(0)
    late = [round(1e9 * (5 + index / 100)) for index in range(11)]
    assert sum(map(policy.accepts, late)) == 2


def work(box: Inbox[int], process: Callable[[str, int], None]) -> tuple[Worker[int], list[str]]:
    errors: list[str] = []

    def process_all(frames: Sequence[tuple[str, int]]) -> list[None]:
        for frame in frames:
            process(*frame)
        return [None] * len(frames)

    worker = Worker(box, lambda: process_all, lambda name, error: errors.append(f"{name}: {error}"))
    worker.start()
    return worker, errors


def test_the_counters_add_up_while_threads_race_and_frames_fail() -> None:
    box: Inbox[int] = Inbox(SkipConfig(every_nth=2))
    seen = threading.Event()

    def process(_: str, frame: int) -> None:
        seen.set()
        if frame % 3 == 0:
            message = "every third"
            raise ValueError(message)

    def feed(name: str) -> None:
        for frame in range(2000):
            box.offer(name, frame)

    worker, errors = work(box, process)
    feeders = [threading.Thread(target=feed, args=(name,)) for name in "abc"]
    for feeder in feeders:
        feeder.start()
    while any(feeder.is_alive() for feeder in feeders):
        assert all(map(add_up, box.counts().values()))
    assert seen.wait(5)
    assert worker.stop(5)
    counts = box.counts()
    assert all(map(add_up, counts.values()))
    assert {c.received for c in counts.values()} == {2000}
    assert {c.waiting for c in counts.values()} == {0}
    assert len(errors) == sum(c.failed for c in counts.values())


def test_a_frame_that_fails_does_not_stop_the_worker() -> None:
    box = inbox()
    served = threading.Event()

    def process(_: str, frame: int) -> None:
        if frame == 1:
            message = "bad"
            raise ValueError(message)
        served.set()

    worker, errors = work(box, process)
    box.offer("a", 1)
    while box.counts()["a"].failed == 0:
        pass
    box.offer("a", 2)
    assert served.wait(5)
    assert worker.stop(5)
    assert errors == ["a: bad"]
    assert worker.error is None


def test_models_that_cannot_be_loaded_end_the_worker_with_the_error() -> None:
    def load() -> Process[int]:
        message = "no weights"
        raise FileNotFoundError(message)

    worker: Worker[int] = Worker(inbox(), load, lambda *_: None)
    worker.start()
    assert worker.ended.wait(5)
    assert str(worker.error) == "no weights"


def test_stopping_tells_when_a_frame_is_stuck() -> None:
    box, release = inbox(), threading.Event()
    worker, _ = work(box, lambda *_: release.wait(10) and None)
    box.offer("a", 1)
    while box.counts()["a"].waiting and box._streams["a"].slot is not None:  # noqa: SLF001
        pass
    assert not worker.stop(0.05)
    release.set()
    assert worker.stop(5)
