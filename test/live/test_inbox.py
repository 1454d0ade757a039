"""The inbox: newest wins, longest wait first, and the counters add up at any time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.config import SkipConfig
from anon_ros.live import FrameCounts, FrameStatus, Mailbox, QueuedFrame

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1
        return self.now_ns


def inbox(**skip: Any) -> Mailbox[int]:
    return Mailbox(SkipConfig(**skip), Clock())


def brief(taken: list[QueuedFrame[int]] | None) -> list[tuple[str, int]] | None:
    return None if taken is None else [(frame.stream, frame.frame) for frame in taken]


def add_up(counts: FrameCounts) -> bool:
    return counts.received == counts.processed + counts.skipped + counts.failed + counts.waiting


def test_the_newest_frame_wins_and_the_older_one_is_counted_as_skipped() -> None:
    box = inbox()
    for frame in (1, 2, 3):
        box.put("a", frame)
    assert brief(box.take()) == [("a", 3)]
    assert box.counts()["a"] == FrameCounts(3, processed=0, skipped=2, failed=0, waiting=1)
    box.finish("a", FrameStatus.PROCESSED)
    assert box.counts()["a"] == FrameCounts(3, processed=1, skipped=2, failed=0, waiting=0)


def test_the_stream_that_waited_longest_is_served_first() -> None:
    box = inbox()
    box.put("slow", 1)
    for frame in range(5):
        box.put("fast", frame)
    # A newer frame does not cost the slow stream its turn.
    box.put("slow", 2)
    assert brief(box.take(2)) == [("slow", 2), ("fast", 4)]


def test_waiting_frames_of_other_streams_come_along_the_oldest_first() -> None:
    box = inbox()
    for name in "abcd":
        box.put(name, ord(name))
    assert brief(box.take(3)) == [("a", 97), ("b", 98), ("c", 99)]
    assert brief(box.take(3)) == [("d", 100)]
    assert all(add_up(counts) and counts.waiting == 1 for counts in box.counts().values())


def test_closing_wakes_the_worker_and_skips_what_waits() -> None:
    box = inbox()
    box.put("a", 1)
    box.close()
    assert box.take() is None
    box.put("a", 2)
    assert box.counts()["a"] == FrameCounts(2, processed=0, skipped=2, failed=0, waiting=0)


def test_a_skipped_frame_does_not_push_out_a_waiting_one() -> None:
    box = inbox(every_nth=2)
    box.put("a", 1)
    box.put("a", 2)
    assert brief(box.take()) == [("a", 1)]


def test_with_covers_no_frame_is_lost_and_their_order_is_kept() -> None:
    box = inbox(every_nth=2, on_skipped="cover")
    for frame in range(5):
        box.put("a", frame)
    taken = [box.take()[0] for _ in range(5)]
    assert [frame.frame for frame in taken] == [0, 1, 2, 3, 4]
    # The policy takes 0, 2, 4; of those only the newest is inpainted.
    assert [frame.cover_reason for frame in taken] == ["skipped"] * 4 + [""]
    assert box.counts()["a"] == FrameCounts(5, processed=0, skipped=0, failed=0, waiting=5)


def test_the_backlog_is_bounded_and_drops_the_oldest() -> None:
    box = inbox(on_skipped="cover", queue_size=3)
    for frame in range(10):
        box.put("a", frame)
    assert box.counts()["a"] == FrameCounts(10, processed=0, skipped=7, failed=0, waiting=3)
    assert [brief(box.take()) for _ in range(3)] == [[("a", frame)] for frame in (7, 8, 9)]


def test_a_smaller_backlog_applies_at_once() -> None:
    box = inbox(on_skipped="cover", queue_size=100)
    for frame in range(50):
        box.put("a", frame)
    box.reconfigure(SkipConfig(on_skipped="cover", queue_size=2))
    assert box.counts()["a"] == FrameCounts(50, processed=0, skipped=48, failed=0, waiting=2)


def test_another_parameter_does_not_begin_the_count_anew() -> None:
    box = inbox(every_nth=3)
    for frame in range(9):
        box.reconfigure(SkipConfig(every_nth=3, latency_budget_ms=frame))
        box.put("a", frame)
    assert brief(box.take()) == [("a", 6)]
    assert box.counts()["a"].skipped == 8


@pytest.mark.parametrize(
    ("on_skipped", "skipped", "because"),
    [("drop", 1, ""), ("cover", 0, "waited longer than skip.max_age_s")],
)
def test_a_frame_that_waited_too_long_is_skipped(
    on_skipped: str, skipped: int, because: str
) -> None:
    clock = Clock()
    box: Mailbox[int] = Mailbox(SkipConfig(max_age_s=1, on_skipped=on_skipped), clock)
    box.put("a", 1)
    clock.now_ns += 2 * SECOND
    box.put("b", 2)
    taken = {frame.stream: frame.cover_reason for frame in box.take(2)}
    assert taken.pop("b") == ""
    assert taken == ({"a": because} if because else {})
    assert box.counts()["a"].skipped == skipped
    assert all(map(add_up, box.counts().values()))


def test_the_queue_age_is_that_of_the_oldest() -> None:
    clock = Clock()
    box: Mailbox[int] = Mailbox(SkipConfig(on_skipped="cover"), clock)
    box.put("a", 1)
    clock.now_ns += 3 * SECOND
    box.put("a", 2)
    assert box.queue_age_s()["a"] == pytest.approx(3)
    box.take()
    assert box.queue_age_s()["a"] == pytest.approx(0, abs=1e-6)


def test_a_paused_inbox_skips_what_waits_and_what_comes() -> None:
    box = inbox(on_skipped="cover")
    box.put("a", 1)
    box.pause(paused=True)
    box.put("a", 2)
    assert box.counts()["a"] == FrameCounts(2, processed=0, skipped=2, failed=0, waiting=0)
    box.pause(paused=False)
    box.put("a", 3)
    assert brief(box.take()) == [("a", 3)]


def test_another_skip_policy_applies_from_the_next_frame_on() -> None:
    box = inbox(every_nth=1000)
    box.put("a", 1)
    box.put("a", 2)
    box.reconfigure(SkipConfig(on_skipped="cover"))
    box.put("a", 3)
    assert [brief(box.take()), brief(box.take())] == [[("a", 1)], [("a", 3)]]
    assert add_up(box.counts()["a"])


@given(st.lists(st.sampled_from(["a", "b", "c", "take", "pause", "resume", "cover", "drop"])))
def test_the_counters_add_up_after_whatever_happens(events: list[str]) -> None:
    box = inbox(max_rate_hz=100)
    taken: list[str] = []
    for number, event in enumerate(events):
        if event in {"a", "b", "c"}:
            box.put(event, number)
        elif event in {"pause", "resume"}:
            box.pause(paused=event == "pause")
        elif event in {"cover", "drop"}:
            box.reconfigure(SkipConfig(on_skipped=event, queue_size=2, every_nth=2))
        elif any(c.waiting > taken.count(name) for name, c in box.counts().items()):
            taken += [frame.stream for frame in box.take(2)]
        if len(taken) > 3:
            box.finish(taken.pop(), FrameStatus.FAILED)
        assert all(map(add_up, box.counts().values()))
