"""Decode, cover, inpaint, encode, publish: any stage may fail, nobody is published uncovered."""

import gc
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from anon_ros.config import SkipConfig, load_config
from anon_ros.core import TARGET_STRIDE, CoverReason, Detections, InpaintFailure, RgbImage
from anon_ros.errors import ImageFormatError, ModelError
from anon_ros.live import GateClosed, Mailbox, QueuedFrame
from anon_ros.utils.units import NS_PER_MS
from helpers.fake_models import (
    BatchingSegmenter,
    FaultyInpainter,
    FaultySegmenter,
    NoiseInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
    find_sentinel_pixels,
)
from helpers.frame_io import FILL, IMAGE, FakeFrameIO, SlowInpainter, get_reasons, make_queued_frame


def test_process_publishes_no_persons() -> None:
    outside = FakeFrameIO()
    assert outside.pipeline().process([make_queued_frame()]) == [None]
    ((name, image, result),) = outside.published
    assert name == "a"
    assert find_sentinel_pixels(IMAGE).any()
    assert not find_sentinel_pixels(image).any()
    assert len(result.outcomes) == 3
    assert get_reasons(result) == {""}


def test_idle_work_follows_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = FakeFrameIO()
    models = SentinelModelProvider()
    counts: list[int] = []
    monkeypatch.setattr(models, "run_idle_work", lambda: counts.append(len(outside.published)))
    pipeline = outside.pipeline(models)
    for _ in range(2):
        pipeline.process([make_queued_frame("a"), make_queued_frame("b")])
    assert counts == [2, 4]


@pytest.mark.parametrize("stage", ["decode", "encode", "publish"])
@pytest.mark.parametrize("error", [ImageFormatError("bad"), MemoryError(), GateClosed()])
def test_failed_stage_never_publishes(stage: str, error: Exception) -> None:
    outside = FakeFrameIO(fails={stage: error})
    assert outside.pipeline().process([make_queued_frame("a"), make_queued_frame("b")]) == [
        error,
        error,
    ]
    assert not outside.published


def test_bad_frame_spares_its_batch() -> None:
    outside = FakeFrameIO()
    bad = QueuedFrame("b", np.zeros((3, 3), np.uint8), 0)
    errors = outside.pipeline().process([make_queued_frame("a"), bad, make_queued_frame("c")])
    assert [error is None for error in errors] == [True, False, True]
    assert [name for name, *_ in outside.published] == ["a", "c"]


def test_waiting_cameras_are_detected_together() -> None:
    outside, segmenter = FakeFrameIO(), BatchingSegmenter()
    square = QueuedFrame("b", np.ascontiguousarray(IMAGE[:, : len(IMAGE)]), 0)
    frames = [make_queued_frame("a"), square, make_queued_frame("c")]
    pipeline = outside.pipeline(SentinelModelProvider(segmenter))
    errors = pipeline.process(frames)
    assert [error is None for error in errors] == [True, False, True]
    assert "a square" in str(errors[1])
    assert [name for name, *_ in outside.published] == ["a", "c"]
    assert not any(find_sentinel_pixels(image).any() for _, image, _ in outside.published)
    assert segmenter.batch_sizes == [3]


@pytest.mark.parametrize("seed", range(40))
def test_process_never_leaks_on_model_faults(seed: int) -> None:
    outside = FakeFrameIO()
    models = SentinelModelProvider(FaultySegmenter(0.3, seed), FaultyInpainter(0.6, seed))
    errors = outside.pipeline(models).process(
        [
            make_queued_frame("a"),
            make_queued_frame("b", CoverReason.SKIPPED),
            make_queued_frame("c"),
        ]
    )
    assert len(outside.published) == errors.count(None)
    assert not any(find_sentinel_pixels(image).any() for _, image, _ in outside.published)


def test_covered_frame_goes_first() -> None:
    outside = FakeFrameIO()
    models = SentinelModelProvider()
    pipeline = outside.pipeline(models)
    pipeline.process([make_queued_frame("a"), make_queued_frame("b", CoverReason.SKIPPED)])
    assert [name for name, *_ in outside.published] == ["b", "a"]
    assert get_reasons(outside.published[0][2]) == {"skipped"}
    assert not find_sentinel_pixels(outside.published[0][1]).any()
    assert models.inpainter.batch_sizes == [3]
    assert pipeline.cover_counts("b").counts() == {("persons", CoverReason.SKIPPED): 3}
    assert pipeline.cover_counts("a").counts() == {}


def test_new_config_applies_next() -> None:
    outside = FakeFrameIO()
    models = SentinelModelProvider()
    pipeline = outside.pipeline(models)
    pipeline.process([make_queued_frame()])
    after = load_config(overrides=FILL | {"inpaint.min_person_px": 4000})
    pipeline.reconfigure(after)
    pipeline.process([make_queued_frame()])
    first, second = (get_reasons(result) for *_, result in outside.published)
    assert first == {""}
    assert all("inpaint.min_person_px = 4000" in reason for reason in second)
    assert models.configs[-1] == after
    assert len(models.configs) == 2, "the same config must not load twice"
    # Persons of different sizes have one reason.
    assert pipeline.cover_counts("a").counts() == {("persons", CoverReason.TOO_SMALL): 3}


def test_failed_change_never_publishes() -> None:
    outside = FakeFrameIO()
    models = SentinelModelProvider()
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
            pipeline.process([make_queued_frame()])
    assert len(loads) == 1, "loading takes long; it is not tried with every frame"
    assert not outside.published
    models.anonymizer = good  # type: ignore[method-assign]
    pipeline.reconfigure(load_config(overrides=FILL))
    assert pipeline.process([make_queued_frame()]) == [None]


@pytest.mark.parametrize("stage", ["decode", "segment", "encode", "publish", "load", "size"])
def test_failed_frame_is_released(stage: str) -> None:
    """Exceptions in cycles would keep images until the collector comes, which is rarely."""
    outside = FakeFrameIO(fails={stage: ValueError("bad")})
    models = SentinelModelProvider()
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


def test_max_batch_needs_diffusion() -> None:
    outside = FakeFrameIO()
    assert outside.pipeline().max_batch == 1
    diffusion = SentinelModelProvider(inpainter=NoiseInpainter(max_batch=8))
    assert outside.pipeline(diffusion).max_batch == 8


def test_persons_of_all_cameras_are_one_call() -> None:
    inpainter = NoiseInpainter(max_batch=8)
    pipeline = FakeFrameIO().pipeline(SentinelModelProvider(inpainter=inpainter))
    box: Mailbox[Any] = Mailbox(SkipConfig())
    for camera in ("a", "b", "c"):
        box.put(camera, IMAGE)
    frames = box.take(pipeline.max_batch)
    assert frames is not None
    assert pipeline.process(frames) == [None] * 3
    assert inpainter.batch_sizes == [3 * 3]  # three persons in each image


def test_latencies_by_stage_and_stream() -> None:
    outside = FakeFrameIO(now_ns=50 * NS_PER_MS)
    painter = SlowInpainter(outside=outside, each_ns=10 * NS_PER_MS)
    pipeline = outside.pipeline(SentinelModelProvider(inpainter=painter))
    pipeline.process([make_queued_frame("a", arrived_ns=30 * NS_PER_MS)])
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


def test_gpu_memory_until_close() -> None:
    models = SentinelModelProvider(gpu_memory_bytes=(5, 10))
    pipeline = FakeFrameIO().pipeline(models)
    pipeline.process([make_queued_frame()])
    assert pipeline.gpu_memory == (5, 10)
    pipeline.close()
    assert pipeline.gpu_memory is None


def test_close_releases_models() -> None:
    models = SentinelModelProvider()
    pipeline = FakeFrameIO().pipeline(models)
    pipeline.close()
    assert models.num_releases == 1


class FailingInpainter(NoiseInpainter):
    """Gives each failure another text."""

    num_failures = 0

    def inpaint(self, crops: Any) -> Any:
        first, self.num_failures = self.num_failures + 1, self.num_failures + len(crops)
        return [InpaintFailure(f"failure {first + index}") for index in range(len(crops))]


def test_cover_counts_group_texts_of_reason() -> None:
    outside, models = FakeFrameIO(), SentinelModelProvider(inpainter=FailingInpainter())
    pipeline = outside.pipeline(models)
    for _ in range(4):
        pipeline.process([make_queued_frame()])
    counter = pipeline.cover_counts("a")
    assert counter.counts() == {("persons", CoverReason.INPAINT_ERROR): 12}
    assert counter.details()["persons", CoverReason.INPAINT_ERROR] == "failure 12"


@pytest.mark.parametrize("min_person_px", [0, 4096])
def test_targets_that_failed_are_counted_apart_from_persons(min_person_px: int) -> None:
    """Those that stay covered as the configuration demands are not counted."""

    class VehicleSegmenter(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            found = super().segment(image)
            return replace(found, class_ids=np.array([0, TARGET_STRIDE, 2 * TARGET_STRIDE]))

    values = {
        "targets.bus": {"classes": ["bus"], "action": "inpaint", "prompt": "a bus"},
        "targets.plate.classes": ["plate"],
        "inpaint": {"method": "sdxl", "min_person_px": min_person_px},
    }
    models = SentinelModelProvider(VehicleSegmenter(), FailingInpainter())
    pipeline = FakeFrameIO().pipeline(models, **values)
    pipeline.process([make_queued_frame()])
    reason = CoverReason.TOO_SMALL if min_person_px else CoverReason.INPAINT_ERROR
    targets = {} if min_person_px else {("targets", reason): 1}
    assert pipeline.cover_counts("a").counts() == {("persons", reason): 1, **targets}


def test_much_reduced_stream_told_once(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = FakeFrameIO().pipeline(detect__inference_px=32)
    pipeline.process([make_queued_frame("a"), make_queued_frame("a"), make_queued_frame("b")])
    warnings = [text for text in caplog.messages if "persons may be missed" in text]
    assert [text[:2] for text in warnings] == ["a:", "b:"]
