"""The one frame loop: whatever the models do, nobody comes out of it uncovered."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anon_ros.config import Config, load_config
from anon_ros.core import (
    TARGET_STRIDE,
    AnonymizedFrame,
    CoverReason,
    Crop,
    Detections,
    InpaintFailure,
    OutcomeKind,
    RgbImage,
    Tier,
    untracked_persons,
)
from anon_ros.errors import SegmentationError
from anon_ros.models import build_tracker
from anon_ros.tracking import FrameProcessor, FrameResult, FrameTask
from helpers.fake_models import (
    BatchingSegmenter,
    NoiseInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
    find_sentinel_pixels,
    make_street_image,
)

IMAGE = make_street_image(96, 64)
STEP_NS = 100_000_000
CONFIGS = [
    {"identity.reuse": "off", "memory.mode": "off"},
    {"identity.reuse": "noise", "memory.mode": "past"},
    {"identity.reuse": "previous", "memory.mode": "past", "skip.on_skipped": "reuse"},
]


@pytest.mark.parametrize("values", CONFIGS)
def test_each_camera_has_its_own_confidence(values: dict[str, Any]) -> None:
    """The detector serves the strictest camera; the others leave out what is below their own."""

    class UnsureSegmenter(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            found = super().segment(image)
            return replace(found, scores=np.array([0.9, 0.3, 0.15], np.float32))

    cameras = {"cameras.a.detect.confidence": 0.1, "cameras.b.detect.confidence": 0.5}
    config = load_config(None, {**values, **cameras, "detect.confidence": 0.2})
    models = SentinelModelProvider(UnsureSegmenter())
    processor = FrameProcessor(config, models.tracker)
    tasks = [FrameTask(name, f"/{name}/image", IMAGE, 0) for name in "abc"]
    results = processor.process(models.anonymizer(config), tasks)
    counts = {result.source: len(result.frame.detections) for result in results}
    assert counts == {"a": 3, "b": 1, "c": 2}


@pytest.mark.parametrize("values", CONFIGS)
@pytest.mark.parametrize("is_over_budget", [False, True])
def test_drawn_targets_count_for_the_budget(
    values: dict[str, Any], *, is_over_budget: bool
) -> None:
    """As persons of the main model; and are covered with them, or moved on."""

    class ParkedSegmenter(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            found = super().segment(image)
            return replace(found, class_ids=np.array([0, TARGET_STRIDE, TARGET_STRIDE]))

    target = {"classes": ["car"], "action": "inpaint", "prompt": "a car"}
    config = load_config(
        None, {**values, "targets": {"car": target}, "inpaint": {"min_person_px": 0}}
    )
    models = SentinelModelProvider(ParkedSegmenter(), NoiseInpainter(draws_persons=True))
    processor, anonymizer = FrameProcessor(config, models.tracker), models.anonymizer(config)
    counts: list[Counter[Tier]] = []

    def decide(index: int, num_persons: Counter[Tier]) -> CoverReason | None:
        counts.append(num_persons)
        return CoverReason.OVER_BUDGET if index and is_over_budget else None

    for index in range(2):
        tasks = [FrameTask(index, "/a", IMAGE, index * STEP_NS)]
        (result,) = processor.process(anonymizer, tasks, decide)
        assert isinstance(result.frame, AnonymizedFrame)
        assert not find_sentinel_pixels(result.frame.image).any()
        assert [outcome.target for outcome in result.frame.outcomes] == ["person", "car", "car"]
    assert counts == [Counter({Tier.MAIN: 3})] * 2
    reuses = config.skip.on_skipped == "reuse"
    reasons = {outcome.cover_reason for outcome in result.frame.outcomes}
    if not is_over_budget:
        assert reasons == {None}
    elif reuses:
        assert CoverReason.REUSED in {o.cover_reason for o in result.frame.outcomes[1:]}
    else:
        assert reasons == {CoverReason.OVER_BUDGET}


def raise_error(error: Exception) -> Any:
    raise error


def change_masks(detections: Detections, masks: Any) -> Detections:
    return replace(detections, masks=masks)


SEGMENT_FAULTS: dict[str, Callable[[Detections], Any]] = {
    "none": lambda detections: detections,
    "raises": lambda _: raise_error(RuntimeError("injected: CUDA error")),
    "out of memory": lambda _: raise_error(MemoryError()),
    "wrong size": lambda _: Detections.empty(5, 5),
    "nan boxes": lambda found: replace(found, boxes_xyxy=np.full_like(found.boxes_xyxy, np.nan)),
    "no array": lambda found: change_masks(found, None),
    "empty masks": lambda found: change_masks(found, np.zeros_like(found.masks)),
    "nothing at all": lambda _: None,
}
INPAINT_FAULTS: dict[str, Callable[[RgbImage, Crop], Any]] = {
    "none": lambda image, _: image,
    "raises": lambda *_: raise_error(RuntimeError("injected: CUDA error")),
    "out of memory": lambda *_: raise_error(MemoryError()),
    "black": lambda image, _: np.zeros_like(image),
    "original": lambda _, crop: crop.image,
    "nan": lambda image, _: np.full(image.shape, np.nan),
    "wrong shape": lambda image, _: image[1:],
    "no array": lambda *_: "image",
    "failure": lambda *_: InpaintFailure("injected", CoverReason.OUT_OF_MEMORY),
}
FRAMES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(list(SEGMENT_FAULTS)),
        st.sampled_from([None, CoverReason.SKIPPED]),
    ),
    min_size=1,
    max_size=6,
)


class ScriptedSegmenter(SentinelSegmenter):
    """Fails as the frame says."""

    fault = "none"

    def segment(self, image: RgbImage) -> Detections:
        result: Detections = SEGMENT_FAULTS[self.fault](super().segment(image))
        return result


class ScriptedInpainter(NoiseInpainter):
    """Fails for one crop after the other as a list says."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__()
        self._faults = list(faults)

    def inpaint(self, crops: Sequence[Crop]) -> Any:
        images = super().inpaint(crops)
        faults = [self._faults.pop(0) if self._faults else "none" for _ in crops]
        return [
            INPAINT_FAULTS[fault](image, crop)
            for fault, image, crop in zip(faults, images, crops, strict=True)
        ]


def make_config(**overrides: Any) -> Config:
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_config(overrides={"inpaint.method": "fill", "inpaint.min_person_px": 1} | named)


def make_task(index: int = 0, stream: str = "a", **fields: Any) -> FrameTask[int]:
    image = np.ascontiguousarray(np.roll(IMAGE, 2 * index, axis=1))
    return FrameTask(index, stream, image, (index + 1) * STEP_NS, **fields)


def process_all(
    processor: FrameProcessor, models: Any, config: Config, *tasks: FrameTask[int]
) -> list[FrameResult[int]]:
    return list(processor.process(models.anonymizer(config), tasks))


@settings(max_examples=60, deadline=None)
@given(FRAMES, st.lists(st.sampled_from(list(INPAINT_FAULTS))), st.sampled_from(CONFIGS))
# The memory's mask stood in for the box.
@example([("a", "none", None)] * 2 + [("a", "empty masks", None)], [], CONFIGS[1])
def test_process_never_leaks_on_model_faults(
    frames: list[tuple[str, str, CoverReason | None]],
    inpaint_faults: list[str],
    overrides: dict[str, str],
) -> None:
    config = load_config(
        overrides={"inpaint.method": "fill", "inpaint.min_person_px": 1, **overrides}
    )
    segmenter = ScriptedSegmenter()
    models = SentinelModelProvider(segmenter, ScriptedInpainter(inpaint_faults))
    processor = FrameProcessor(config, build_tracker)
    for index, (stream, fault, cover_reason) in enumerate(frames):
        segmenter.fault = fault
        task = make_task(index, stream, cover_reason=cover_reason)
        (result,) = process_all(processor, models, config, task)
        assert result.source == index
        assert find_sentinel_pixels(task.image).any(), "the input must show somebody"
        if isinstance(result.frame, AnonymizedFrame):
            assert not find_sentinel_pixels(result.frame.image).any()
            assert len(result.frame.outcomes) >= 3
        else:
            assert fault != "none"


@pytest.mark.parametrize("fault", [fault for fault in INPAINT_FAULTS if fault != "none"])
def test_inpaint_fault_covers_that_person_alone(fault: str) -> None:
    config = make_config()
    faults = [fault] * 5 if fault in {"raises", "out of memory"} else [fault]
    models = SentinelModelProvider(inpainter=ScriptedInpainter(faults))
    (result,) = process_all(FrameProcessor(config), models, config, make_task())
    assert isinstance(result.frame, AnonymizedFrame)
    assert not find_sentinel_pixels(result.frame.image).any()
    outcome = result.frame.outcomes[0]
    assert outcome.kind is OutcomeKind.COVERED
    assert outcome.cover_reason is not None
    assert not outcome.cover_reason.is_expected
    if len(faults) == 1:
        assert [o.kind for o in result.frame.outcomes[1:]] == [OutcomeKind.INPAINTED] * 2


def test_failed_frame_leaves_others_of_batch() -> None:
    config, models = make_config(), SentinelModelProvider()
    wrong = replace(make_task(1, "b"), image=IMAGE[..., 0])
    results = process_all(
        FrameProcessor(config), models, config, make_task(), wrong, make_task(2, "c")
    )
    assert {result.source: type(result.frame).__name__ for result in results} == {
        0: "AnonymizedFrame",
        1: "ValueError",
        2: "AnonymizedFrame",
    }
    assert models.inpainter.batch_sizes == [7], "3 and, as one crosses the border, 4 persons"


@pytest.mark.parametrize("has_failure", [False, True])
def test_cameras_are_detected_together(*, has_failure: bool) -> None:
    """The results are those of frames one by one; a failure touches its own frame alone."""
    config, segmenter = make_config(**CONFIGS[1]), BatchingSegmenter()
    tasks = [make_task(index, stream) for index, stream in enumerate("abcaeb")]
    if has_failure:
        tasks[1] = replace(tasks[1], image=IMAGE[:, : len(IMAGE)].copy())
    # Persons who are known need no detector.
    persons = untracked_persons(SentinelSegmenter().segment(tasks[2].image), 0)
    tasks[2] = replace(tasks[2], persons=persons)
    together, alone = (
        {
            result.source: result.frame
            for result in process_all(
                FrameProcessor(config, build_tracker), SentinelModelProvider(models), config, *tasks
            )
        }
        for models in (segmenter, BatchingSegmenter(max_batch=1))
    )
    assert segmenter.batch_sizes == [3, 2]
    for index, frame in together.items():
        if index == 1 and has_failure:
            assert isinstance(frame, SegmentationError)
            assert isinstance(alone[index], SegmentationError)
        else:
            assert isinstance(frame, AnonymizedFrame)
            assert np.array_equal(frame.image, alone[index].image)  # type: ignore[union-attr]
            assert frame.track_ids == alone[index].track_ids  # type: ignore[union-attr]
            assert not find_sentinel_pixels(frame.image).any()


def test_covered_frames_come_before_inpainted() -> None:
    config, models = make_config(), SentinelModelProvider()
    covered = make_task(1, "b", cover_reason=CoverReason.TOO_OLD)
    results = process_all(FrameProcessor(config), models, config, make_task(), covered)
    assert [result.source for result in results] == [1, 0]
    assert isinstance(results[0].frame, AnonymizedFrame)
    assert {o.cover_reason for o in results[0].frame.outcomes} == {CoverReason.TOO_OLD}


def test_decision_knows_persons_that_wait() -> None:
    config, models = make_config(), SentinelModelProvider()
    nobody = replace(make_task(1, "b"), image=make_street_image(96, 64)[:, :5].copy())
    asked: list[tuple[int, int]] = []

    def decide(source: int, num_persons: Counter[Tier]) -> CoverReason | None:
        asked.append((source, num_persons[Tier.MAIN]))
        return CoverReason.OVER_BUDGET if source == 2 else None

    tasks = [make_task(), nobody, make_task(2, "c")]
    results = FrameProcessor(config).process(models.anonymizer(config), tasks, decide)
    assert [result.source for result in results] == [2, 0, 1]
    assert asked == [(0, 3), (1, 0), (2, 7)]  # the last frame has 4


def test_persons_from_outside_need_no_segmenter() -> None:
    config = make_config()
    models = SentinelModelProvider(ScriptedSegmenter())
    models.segmenter.fault = "raises"
    persons = untracked_persons(SentinelSegmenter().segment(IMAGE), 0)
    (result,) = process_all(FrameProcessor(config), models, config, make_task(persons=persons))
    assert isinstance(result.frame, AnonymizedFrame)
    assert not find_sentinel_pixels(result.frame.image).any()


def test_persons_of_other_size_fail_closed() -> None:
    config = make_config()
    persons = untracked_persons(Detections.empty(5, 5), 0)
    models = SentinelModelProvider()
    (result,) = process_all(FrameProcessor(config), models, config, make_task(persons=persons))
    assert isinstance(result.frame, Exception)


def test_reused_persons_follow_keyframe() -> None:
    config = make_config(**CONFIGS[2])
    models, processor = SentinelModelProvider(), FrameProcessor(config, build_tracker)
    reasons = [None, None, None, CoverReason.SKIPPED]
    results = [
        process_all(processor, models, config, make_task(index, cover_reason=reason))[0]
        for index, reason in enumerate(reasons)
    ]
    assert [result.is_keyframe for result in results] == [True, False, False, False]
    last = results[-1].frame
    assert isinstance(last, AnonymizedFrame)
    assert CoverReason.REUSED in {o.cover_reason for o in last.outcomes}
    processor.reconfigure(config)
    (again,) = process_all(processor, models, config, make_task(4))
    assert again.is_keyframe


def test_reused_persons_were_drawn_by_a_model() -> None:
    """A skipped frame shows what a model drew into another; after a change nothing of it stays."""
    config = make_config(**CONFIGS[2], **{"inpaint.beta_d": 0.45})
    models = SentinelModelProvider(inpainter=NoiseInpainter(draws_persons=True))
    processor = FrameProcessor(config, build_tracker)
    reasons = [None, CoverReason.SKIPPED]
    results = [
        process_all(processor, models, config, make_task(index, cover_reason=reason))[0]
        for index, reason in enumerate(reasons)
    ]
    processor.reconfigure(config)
    results += process_all(
        processor, models, config, make_task(2, cover_reason=CoverReason.SKIPPED)
    )
    assert [result.frame.drawn_beta_d for result in results] == [0.45, 0.45, None]
