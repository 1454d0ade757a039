"""Decode, cover, inpaint, encode, publish: each may fail, and nobody is published uncovered."""

import gc
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sentinel import FaultyPainter, FaultySegmenter, Painter, SentinelModels, persons_seen, street

from anon_ros.config import load_config
from anon_ros.core import AnonymizedFrame, RgbImage
from anon_ros.errors import ImageFormatError, ModelError
from anon_ros.live import FrameIO, FramePipeline, GateClosed, QueuedFrame

IMAGE = street(320, 240)
FILL = {"inpaint.method": "fill"}
MS = 1_000_000


@dataclass
class Outside:
    """What lies around the pipeline: frames are arrays; time passes only when told to."""

    published: list[tuple[str, RgbImage, AnonymizedFrame]] = field(default_factory=list)
    fails: dict[str, Exception] = field(default_factory=dict)
    now_ns: int = 0

    def _maybe_fail(self, stage: str) -> None:
        if stage in self.fails:
            raise self.fails[stage]

    def decode(self, frame: RgbImage) -> RgbImage:
        self._maybe_fail("decode")
        return frame

    def encode(self, _: RgbImage, result: AnonymizedFrame, _quality: int) -> RgbImage:
        self._maybe_fail("encode")
        return result.image

    def publish(
        self, taken: QueuedFrame[RgbImage], message: RgbImage, result: AnonymizedFrame
    ) -> None:
        self._maybe_fail("publish")
        self.published.append((taken.stream, message, result))

    def pipeline(self, models: Any = None, **overrides: Any) -> FramePipeline[RgbImage]:
        named = {name.replace("__", "."): value for name, value in overrides.items()}
        pipeline = FramePipeline(
            load_config(overrides=FILL | named),
            models or SentinelModels(),
            FrameIO(lambda _: 0, self.decode, self.encode, self.publish),
            lambda: self.now_ns,
        )
        pipeline.load()
        return pipeline


def taken(name: str = "a", because: str = "", arrived_ns: int = 0) -> QueuedFrame[RgbImage]:
    return QueuedFrame(name, IMAGE, arrived_ns, because)


def reasons(result: AnonymizedFrame) -> set[str]:
    return {outcome.reason for outcome in result.outcomes}


def test_a_frame_is_published_without_its_persons() -> None:
    outside = Outside()
    assert outside.pipeline().process([taken()]) == [None]
    ((name, image, result),) = outside.published
    assert name == "a"
    assert persons_seen(IMAGE).any()
    assert not persons_seen(image).any()
    assert len(result.outcomes) == 3
    assert reasons(result) == {""}


@pytest.mark.parametrize("stage", ["decode", "encode", "publish"])
@pytest.mark.parametrize("error", [ImageFormatError("bad"), MemoryError(), GateClosed()])
def test_a_stage_that_fails_publishes_nothing(stage: str, error: Exception) -> None:
    outside = Outside(fails={stage: error})
    assert outside.pipeline().process([taken("a"), taken("b")]) == [error, error]
    assert not outside.published


def test_one_bad_frame_does_not_touch_those_processed_with_it() -> None:
    outside = Outside()
    bad = QueuedFrame("b", np.zeros((3, 3), np.uint8), 0)
    errors = outside.pipeline().process([taken("a"), bad, taken("c")])
    assert [error is None for error in errors] == [True, False, True]
    assert [name for name, *_ in outside.published] == ["a", "c"]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_models_do_nobody_is_seen(seed: int) -> None:
    outside = Outside()
    models = SentinelModels(FaultySegmenter(0.3, seed), FaultyPainter(0.6, seed))
    errors = outside.pipeline(models).process([taken("a"), taken("b", "skipped"), taken("c")])
    assert len(outside.published) == errors.count(None)
    assert not any(persons_seen(image).any() for _, image, _ in outside.published)


def test_a_frame_to_be_covered_goes_out_at_once_with_the_reason() -> None:
    outside = Outside()
    models = SentinelModels()
    pipeline = outside.pipeline(models)
    pipeline.process([taken("a"), taken("b", "skipped")])
    assert [name for name, *_ in outside.published] == ["b", "a"]
    assert reasons(outside.published[0][2]) == {"skipped"}
    assert not persons_seen(outside.published[0][1]).any()
    assert models.painter.batches == [3]
    assert pipeline.cover_counts("b").counts() == {"skipped": 3}
    assert pipeline.cover_counts("a").counts() == {}


@dataclass
class Slow(Painter):
    outside: Outside | None = None
    each_ns: int = 0

    def inpaint(self, crops: Any) -> Any:
        self.outside.now_ns += self.each_ns * len(crops)
        return super().inpaint(crops)


def test_over_budget_persons_are_covered_and_inpainting_is_tried_again_later() -> None:
    outside = Outside()
    painter = Slow(outside=outside, each_ns=100 * MS)
    pipeline = outside.pipeline(SentinelModels(painter=painter), skip__latency_budget_ms=200.0)
    covered = []
    for _ in range(100):
        pipeline.process([taken(arrived_ns=outside.now_ns)])
        covered.append("over skip.latency_budget_ms" in reasons(outside.published[-1][2]))
    assert not covered[0]  # nothing is known of the first
    assert covered[1:40] == [True] * 39
    assert not all(covered[40:])
    assert len(outside.published) == 100
    assert pipeline.cover_counts("a").counts() == {"over skip.latency_budget_ms": 3 * sum(covered)}


def test_what_waited_counts_for_the_budget_and_a_fast_inpainter_keeps_it() -> None:
    outside = Outside()
    painter = Slow(outside=outside, each_ns=10 * MS)
    pipeline = outside.pipeline(SentinelModels(painter=painter), skip__latency_budget_ms=200.0)
    for waited_ms, late in ((0, False), (150, False), (180, True), (400, True)):
        pipeline.process([taken(arrived_ns=outside.now_ns - waited_ms * MS)])
        assert ("over skip.latency_budget_ms" in reasons(outside.published[-1][2])) is late


def test_of_frames_drawn_together_the_last_ones_may_be_over_budget() -> None:
    outside = Outside()
    painter = Slow(outside=outside, each_ns=20 * MS)
    pipeline = outside.pipeline(SentinelModels(painter=painter), skip__latency_budget_ms=130.0)
    pipeline.process([taken("first")])
    outside.published.clear()
    frames = [taken(name, arrived_ns=outside.now_ns) for name in "abc"]
    pipeline.process(frames)
    late = {name: bool(reasons(result) - {""}) for name, _, result in outside.published}
    assert late == {"a": False, "b": False, "c": True}


def test_a_new_config_applies_to_the_next_frames() -> None:
    outside = Outside()
    models = SentinelModels()
    pipeline = outside.pipeline(models)
    pipeline.process([taken()])
    after = load_config(overrides=FILL | {"inpaint.min_person_px": 4000})
    pipeline.reconfigure(after)
    pipeline.process([taken()])
    first, second = (reasons(result) for *_, result in outside.published)
    assert first == {""}
    assert all("inpaint.min_person_px = 4000" in reason for reason in second)
    assert models.configs[-1] == after
    assert len(models.configs) == 2, "the same config must not load twice"
    # Numbers would make every person's reason another one.
    assert list(pipeline.cover_counts("a").counts()) == [
        "NxN px is below inpaint.min_person_px = N"
    ]


def test_a_change_that_fails_publishes_nothing_until_the_next_change() -> None:
    outside = Outside()
    models = SentinelModels()
    pipeline = outside.pipeline(models)
    good = models.anonymizer
    loads: list[Any] = []

    def broken(config: Any) -> Any:
        loads.append(config)
        message = "inpaint.model: damaged"
        raise ModelError(message)

    models.anonymizer = broken  # type: ignore[method-assign]
    pipeline.reconfigure(load_config(overrides=FILL | {"inpaint.seed": 1}))
    for _ in range(3):
        with pytest.raises(ModelError, match="damaged"):
            pipeline.process([taken()])
    assert len(loads) == 1, "loading takes long; it is not tried with every frame"
    assert not outside.published
    models.anonymizer = good  # type: ignore[method-assign]
    pipeline.reconfigure(load_config(overrides=FILL))
    assert pipeline.process([taken()]) == [None]


@pytest.mark.parametrize("stage", ["decode", "segment", "encode", "publish", "load", "size"])
def test_a_frame_that_failed_is_gone_from_memory_at_once(stage: str) -> None:
    """Exceptions in cycles would keep images until the collector comes, which is rarely."""
    outside = Outside(fails={stage: ValueError("bad")})
    models = SentinelModels()
    pipeline = outside.pipeline(models)
    if stage == "segment":
        models.segmenter.segment = lambda _: 1 / 0  # type: ignore[method-assign]
    if stage == "load":
        models.anonymizer = lambda _: 1 / 0  # type: ignore[method-assign]
        pipeline.reconfigure(load_config(overrides=FILL))
    gc.disable()
    try:
        gone = []
        for _ in range(3):
            image = np.zeros((2, 2), np.uint8) if stage == "size" else IMAGE.copy()
            gone.append(weakref.ref(image))
            frames = [QueuedFrame("a", image, 0)]
            del image
            try:
                assert pipeline.process(frames) != [None]
            except ModelError:
                assert stage == "load"
            del frames
        assert all(each() is None for each in gone)
    finally:
        gc.enable()


def test_only_diffusion_takes_several_frames_at_once() -> None:
    outside = Outside()
    assert outside.pipeline().max_batch == 1
    assert outside.pipeline(inpaint__method="sdxl").max_batch == 8


def test_latencies_are_measured_by_stage_and_stream() -> None:
    outside = Outside(now_ns=50 * MS)
    painter = Slow(outside=outside, each_ns=10 * MS)
    pipeline = outside.pipeline(SentinelModels(painter=painter))
    pipeline.process([taken("a", arrived_ns=30 * MS)])
    stages = pipeline.stage_latencies.quantiles_ms()
    assert list(stages) == [
        "wait",
        "decode",
        "segment",
        "track",
        "cover",
        "inpaint",
        "encode",
        "publish",
    ]
    assert stages["wait"] == pytest.approx((20, 20))
    assert stages["inpaint"] == pytest.approx((30, 30))
    assert pipeline.stream_latencies.quantiles_ms()["a"] == pytest.approx((50, 50))


def test_the_budget_is_learned_anew_when_the_inpainting_changes() -> None:
    outside = Outside()
    painter = Slow(outside=outside, each_ns=10_000 * MS)
    pipeline = outside.pipeline(SentinelModels(painter=painter), skip__latency_budget_ms=500.0)
    for _ in range(2):
        pipeline.process([taken(arrived_ns=outside.now_ns)])
    assert reasons(outside.published[-1][2]) == {"over skip.latency_budget_ms"}
    painter.each_ns = MS
    cheaper = {"skip.latency_budget_ms": 500.0, "inpaint.steps": 10}
    pipeline.reconfigure(load_config(overrides=FILL | cheaper))
    pipeline.process([taken(arrived_ns=outside.now_ns)])
    assert reasons(outside.published[-1][2]) == {""}


def test_the_memory_is_asked_for_in_the_workers_thread_and_forgotten_at_the_end() -> None:
    models = SentinelModels(memory=(5, 10))
    pipeline = Outside().pipeline(models)
    pipeline.process([taken()])
    assert pipeline.gpu_memory == (5, 10)
    pipeline.close()
    assert pipeline.gpu_memory is None


def test_closing_frees_the_models() -> None:
    models = SentinelModels()
    pipeline = Outside().pipeline(models)
    pipeline.close()
    assert models.freed == 1


def test_reasons_of_covers_cannot_grow_without_end() -> None:
    outside = Outside()
    pipeline = outside.pipeline()
    for number in range(60):
        word = "x" * (number + 1)
        pipeline.process([taken("a", f"because {word}")])
    counts = pipeline.cover_counts("a").counts()
    assert len(counts) == 21
    assert sum(counts.values()) == 180
