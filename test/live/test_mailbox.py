"""The inbox: newest wins, longest wait first, and the counters add up at any time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.config import SkipConfig
from anon_ros.core import CoverReason
from anon_ros.live import FrameCounts, FrameStatus, Mailbox, QueuedFrame

SECOND_NS = 1_000_000_000


class FakeClock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 1
        return self.now_ns


def make_mailbox(**skip: Any) -> Mailbox[int]:
    return Mailbox(SkipConfig(**skip), FakeClock())


def list_frames(taken: list[QueuedFrame[int]] | None) -> list[tuple[str, int]] | None:
    return None if taken is None else [(frame.stream, frame.frame) for frame in taken]


def counts_add_up(counts: FrameCounts) -> bool:
    return counts.received == counts.processed + counts.skipped + counts.failed + counts.waiting


def test_mailbox_keeps_newest_frame() -> None:
    box = make_mailbox()
    for frame in (1, 2, 3):
        box.put("a", frame)
    assert list_frames(box.take()) == [("a", 3)]
    assert box.counts()["a"] == FrameCounts(3, processed=0, skipped=2, failed=0, waiting=1)
    box.finish("a", FrameStatus.PROCESSED)
    assert box.counts()["a"] == FrameCounts(3, processed=1, skipped=2, failed=0, waiting=0)


def test_streams_have_their_own_limits() -> None:
    """Of a stream only every third, of another one nothing that waited for a second."""

    def choose(name: str) -> SkipConfig:
        return {"a": SkipConfig(every_nth=3), "b": SkipConfig(max_age_s=1)}.get(name, SkipConfig())

    clock = FakeClock()
    box: Mailbox[int] = Mailbox(SkipConfig(), clock, choose)
    for frame in range(5):
        for name in "abc":
            box.put(name, frame)
    clock.now_ns += 2 * SECOND_NS
    assert list_frames(box.take(3)) == [("a", 3), ("c", 4)]
    box.reconfigure(SkipConfig(), lambda _: SkipConfig(every_nth=1000))
    for frame in range(2):
        box.put("c", frame)
    assert box.counts()["c"].skipped == 4 + 1


def test_mailbox_serves_longest_waiting() -> None:
    box = make_mailbox()
    box.put("slow", 1)
    for frame in range(5):
        box.put("fast", frame)
    # A newer frame does not cost the slow stream its turn.
    box.put("slow", 2)
    assert list_frames(box.take(2)) == [("slow", 2), ("fast", 4)]


def test_mailbox_batches_oldest_first() -> None:
    box = make_mailbox()
    for name in "abcd":
        box.put(name, ord(name))
    assert list_frames(box.take(3)) == [("a", 97), ("b", 98), ("c", 99)]
    assert list_frames(box.take(3)) == [("d", 100)]
    assert all(counts_add_up(counts) and counts.waiting == 1 for counts in box.counts().values())


def test_close_skips_pending() -> None:
    box = make_mailbox()
    box.put("a", 1)
    box.close()
    assert box.take() is None
    box.put("a", 2)
    assert box.counts()["a"] == FrameCounts(2, processed=0, skipped=2, failed=0, waiting=0)


def test_skipped_frame_keeps_pending() -> None:
    box = make_mailbox(every_nth=2)
    box.put("a", 1)
    box.put("a", 2)
    assert list_frames(box.take()) == [("a", 1)]


def test_cover_keeps_all_in_order() -> None:
    box = make_mailbox(every_nth=2, on_skipped="cover")
    for frame in range(5):
        box.put("a", frame)
    taken = [box.take()[0] for _ in range(5)]
    assert [frame.frame for frame in taken] == [0, 1, 2, 3, 4]
    # The policy takes 0, 2, 4; of those only the newest is inpainted.
    assert [frame.cover_reason for frame in taken] == [CoverReason.SKIPPED] * 4 + [None]
    assert box.counts()["a"] == FrameCounts(5, processed=0, skipped=0, failed=0, waiting=5)


def test_queue_drops_oldest() -> None:
    box = make_mailbox(on_skipped="cover", queue_size=3)
    for frame in range(10):
        box.put("a", frame)
    assert box.counts()["a"] == FrameCounts(10, processed=0, skipped=7, failed=0, waiting=3)
    assert [list_frames(box.take()) for _ in range(3)] == [[("a", frame)] for frame in (7, 8, 9)]


def test_smaller_queue_applies_at_once() -> None:
    box = make_mailbox(on_skipped="cover", queue_size=100)
    for frame in range(50):
        box.put("a", frame)
    box.reconfigure(SkipConfig(on_skipped="cover", queue_size=2))
    assert box.counts()["a"] == FrameCounts(50, processed=0, skipped=48, failed=0, waiting=2)


def test_other_change_keeps_frame_count() -> None:
    box = make_mailbox(every_nth=3)
    for frame in range(9):
        box.reconfigure(SkipConfig(every_nth=3, latency_budget_ms=frame))
        box.put("a", frame)
    assert list_frames(box.take()) == [("a", 6)]
    assert box.counts()["a"].skipped == 8


@pytest.mark.parametrize(
    ("on_skipped", "skipped", "cover_reason"),
    [("drop", 1, None), ("cover", 0, CoverReason.TOO_OLD)],
)
def test_frame_over_max_age_skipped(
    on_skipped: str, skipped: int, cover_reason: CoverReason | None
) -> None:
    clock = FakeClock()
    box: Mailbox[int] = Mailbox(SkipConfig(max_age_s=1, on_skipped=on_skipped), clock)
    box.put("a", 1)
    clock.now_ns += 2 * SECOND_NS
    box.put("b", 2)
    taken = {frame.stream: frame.cover_reason for frame in box.take(2)}
    assert taken.pop("b") is None
    assert taken == ({"a": cover_reason} if cover_reason else {})
    assert box.counts()["a"].skipped == skipped
    assert all(map(counts_add_up, box.counts().values()))


def test_queue_age_is_that_of_oldest() -> None:
    clock = FakeClock()
    box: Mailbox[int] = Mailbox(SkipConfig(on_skipped="cover"), clock)
    box.put("a", 1)
    clock.now_ns += 3 * SECOND_NS
    box.put("a", 2)
    assert box.queue_age_s()["a"] == pytest.approx(3)
    box.take()
    assert box.queue_age_s()["a"] == pytest.approx(0, abs=1e-6)


def test_paused_mailbox_skips_all() -> None:
    box = make_mailbox(on_skipped="cover")
    box.put("a", 1)
    box.pause(paused=True)
    box.put("a", 2)
    assert box.counts()["a"] == FrameCounts(2, processed=0, skipped=2, failed=0, waiting=0)
    box.pause(paused=False)
    box.put("a", 3)
    assert list_frames(box.take()) == [("a", 3)]


def test_skip_policy_can_change() -> None:
    box = make_mailbox(every_nth=1000)
    box.put("a", 1)
    box.put("a", 2)
    box.reconfigure(SkipConfig(on_skipped="cover"))
    box.put("a", 3)
    assert [list_frames(box.take()), list_frames(box.take())] == [[("a", 1)], [("a", 3)]]
    assert counts_add_up(box.counts()["a"])


@given(st.lists(st.sampled_from(["a", "b", "c", "take", "pause", "resume", "cover", "drop"])))
def test_counters_always_add_up(events: list[str]) -> None:
    box = make_mailbox(max_rate_hz=100)
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
        assert all(map(counts_add_up, box.counts().values()))
