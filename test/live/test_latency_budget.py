"""Frames over the latency budget, whose persons are covered."""

from collections import Counter

from anon_ros.config import load_config
from anon_ros.core import CoverReason, Tier
from anon_ros.live.latency_budget import LatencyBudget
from anon_ros.utils.units import NS_PER_MS
from helpers.fake_models import SentinelModelProvider
from helpers.frame_io import FILL, FakeFrameIO, SlowInpainter, get_reasons, make_queued_frame


def test_over_budget_is_covered() -> None:
    outside = FakeFrameIO()
    painter = SlowInpainter(outside=outside, each_ns=100 * NS_PER_MS)
    pipeline = outside.pipeline(
        SentinelModelProvider(inpainter=painter), skip__latency_budget_ms=200.0
    )
    covered = []
    for _ in range(100):
        pipeline.process([make_queued_frame(arrived_ns=outside.now_ns)])
        covered.append("over skip.latency_budget_ms" in get_reasons(outside.published[-1][2]))
    assert not covered[0]  # nothing is known of the first
    assert covered[1:40] == [True] * 39
    assert not all(covered[40:])
    assert len(outside.published) == 100
    cover = "persons", CoverReason.OVER_BUDGET
    assert pipeline.cover_counts("a").counts() == {cover: 3 * sum(covered)}


def test_budget_includes_waiting_time() -> None:
    outside = FakeFrameIO()
    painter = SlowInpainter(outside=outside, each_ns=10 * NS_PER_MS)
    pipeline = outside.pipeline(
        SentinelModelProvider(inpainter=painter), skip__latency_budget_ms=200.0
    )
    for waited_ms, late in ((0, False), (150, False), (180, True), (400, True)):
        pipeline.process([make_queued_frame(arrived_ns=outside.now_ns - waited_ms * NS_PER_MS)])
        assert ("over skip.latency_budget_ms" in get_reasons(outside.published[-1][2])) is late


def test_budget_covers_end_of_batch() -> None:
    outside = FakeFrameIO()
    painter = SlowInpainter(outside=outside, each_ns=20 * NS_PER_MS)
    pipeline = outside.pipeline(
        SentinelModelProvider(inpainter=painter), skip__latency_budget_ms=130.0
    )
    pipeline.process([make_queued_frame("first")])
    outside.published.clear()
    frames = [make_queued_frame(name, arrived_ns=outside.now_ns) for name in "abc"]
    pipeline.process(frames)
    late = {name: bool(get_reasons(result) - {""}) for name, _, result in outside.published}
    assert late == {"a": False, "b": False, "c": True}


def test_budget_resets_on_change() -> None:
    outside = FakeFrameIO()
    painter = SlowInpainter(outside=outside, each_ns=10_000 * NS_PER_MS)
    pipeline = outside.pipeline(
        SentinelModelProvider(inpainter=painter), skip__latency_budget_ms=500.0
    )
    for _ in range(2):
        pipeline.process([make_queued_frame(arrived_ns=outside.now_ns)])
    assert get_reasons(outside.published[-1][2]) == {"over skip.latency_budget_ms"}
    painter.each_ns = NS_PER_MS
    cheaper = {"skip.latency_budget_ms": 500.0, "inpaint.steps": 10}
    pipeline.reconfigure(load_config(overrides=FILL | cheaper))
    pipeline.process([make_queued_frame(arrived_ns=outside.now_ns)])
    assert get_reasons(outside.published[-1][2]) == {""}


def test_budget_tells_models_apart() -> None:
    """SDXL takes a hundred times as long as the small model."""
    budget = LatencyBudget()
    small, both = Counter({Tier.SMALL: 4}), Counter({Tier.MAIN: 1, Tier.SMALL: 4})
    budget.update(small, 40 * NS_PER_MS)
    budget.update(both, 1040 * NS_PER_MS)
    for _ in range(20):
        budget.update(both, 1040 * NS_PER_MS)
    assert budget.allows(small, 0, 50)
    assert not budget.allows(small, 0, 30)
    assert not budget.allows(both, 0, 1000)
    assert budget.allows(Counter({Tier.MAIN: 1}), 0, 1100)


def test_budget_follows_both_models() -> None:
    budget = LatencyBudget()
    both = Counter({Tier.MAIN: 1, Tier.SMALL: 4})
    budget.update(both, 100 * NS_PER_MS)
    for _ in range(30):
        budget.update(both, 1000 * NS_PER_MS)
    assert not budget.allows(both, 0, 900)
    assert budget.allows(both, 0, 1100)
