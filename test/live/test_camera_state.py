"""The node's memory of a camera."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest

from anon_ros.config import Config, all_parameters, find_weaker, load_config
from anon_ros.core import AnonymizedFrame, CoverReason, Detections, OutcomeKind, RgbImage
from anon_ros.errors import ModelError
from anon_ros.live import FrameIO, FramePipeline, QueuedFrame
from anon_ros.tracking import Tracker
from anon_ros.tracking.reuse.warping import CachedPerson
from helpers.fake_models import (
    FaultyInpainter,
    FaultySegmenter,
    SentinelModelProvider,
    SentinelSegmenter,
    find_sentinel_pixels,
    make_street_image,
)

IMAGE = make_street_image(320, 240)
STEP_NS = 100_000_000


@dataclass
class IntermittentSegmenter(SentinelSegmenter):
    """Finds nobody in some of its frames, and only a part of everybody in others."""

    blind: Sequence[int] = ()
    beheaded: Sequence[int] = ()
    asked: int = 0

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        self.asked += 1
        if self.asked - 1 in self.blind:
            return Detections.empty(*image.shape[:2])
        if self.asked - 1 in self.beheaded:
            found.masks[:, : image.shape[0] // 3] = False
        return found


@dataclass
class CameraPipeline:
    """A pipeline and what it published; a frame is an array and its stamp."""

    models: SentinelModelProvider
    overrides: dict[str, Any] = field(default_factory=dict)
    published: list[tuple[int, AnonymizedFrame]] = field(default_factory=list)
    stands: bool = False  # the stamp
    stamps_ns: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = FrameIO(
            lambda frame: frame[1],
            lambda queued: queued.frame[0],
            lambda _, result, __: result,
            self._keep,
        )
        self.pipeline: FramePipeline[Any] = FramePipeline(self.config(), self.models, ports)
        self.pipeline.load()

    def config(self, **others: Any) -> Config:
        given = self.overrides | {n.replace("__", "."): v for n, v in others.items()}
        return load_config(overrides={"inpaint.method": "fill", "inpaint.min_person_px": 0} | given)

    def see(
        self,
        index: int,
        cover_reason: CoverReason | None = None,
        name: str = "a",
        image: RgbImage = IMAGE,
    ) -> Exception | None:
        moving = np.ascontiguousarray(np.roll(image, 2 * index, axis=1))
        stamp_ns = 10**18 + self.stamps_ns.get(index, 0 if self.stands else index * STEP_NS)
        taken = QueuedFrame(name, (moving, stamp_ns), index * STEP_NS, cover_reason)
        return self.pipeline.process([taken])[0]

    def _keep(self, taken: QueuedFrame[Any], _: AnonymizedFrame, result: AnonymizedFrame) -> None:
        self.published.append((taken.frame[1], result))

    def seen(self) -> list[bool]:
        """Return for each published frame whether somebody shows."""
        return [bool(find_sentinel_pixels(result.image).any()) for _, result in self.published]


def test_memory_covers_missed_person() -> None:
    camera = CameraPipeline(
        SentinelModelProvider(IntermittentSegmenter(blind=range(10, 14), beheaded=[20]))
    )
    assert [camera.see(index) for index in range(25)] == [None] * 25
    assert not any(camera.seen())
    assert min(len(result.outcomes) for _, result in camera.published[5:]) >= 3
    tracks = [set(result.track_ids) for _, result in camera.published[2:]]
    assert all(each & tracks[0] for each in tracks)


def test_no_memory_shows_missed_person() -> None:
    """So that the test above cannot pass by itself."""
    models = SentinelModelProvider(IntermittentSegmenter(blind=[10], beheaded=[20]))
    camera = CameraPipeline(models, {"memory.mode": "off"})
    for index in range(25):
        camera.see(index)
    assert [index for index, seen in enumerate(camera.seen()) if seen] == [10, 20]


def test_constant_stamps_use_arrival(
    caplog: pytest.LogCaptureFixture,
) -> None:
    camera = CameraPipeline(SentinelModelProvider(IntermittentSegmenter(blind=[10])), stands=True)
    for index in range(11):
        camera.see(index)
    assert not any(camera.seen())
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "a: the header stamp stands still; times of arrival are used"
    ]


def test_cameras_have_own_memory() -> None:
    camera = CameraPipeline(SentinelModelProvider())
    nobody = np.full_like(IMAGE, 128)
    for index in range(10):
        camera.see(index, name="a")
        camera.see(index, name="b", image=nobody)
    assert {len(result.outcomes) for _, result in camera.published[1::2]} == {0}


LIVE = {name: p for name, p in all_parameters().items() if p.spec.reconfigurable}


def make_stricter(name: str) -> Any:
    """Return another value of a parameter that anonymizes as much, or its own if none does."""
    spec, default = LIVE[name].spec, LIVE[name].default
    if isinstance(default, str):
        choices = [c for c in spec.choices if c not in {default, *spec.weak_choices}]
        return spec.example or next(iter(choices), default or "a robot")
    if isinstance(default, int):
        return default + 1
    assert isinstance(default, float)
    return default * 0.9 if spec.weaker == "higher" else min(default + 0.2, 1.5)


@pytest.mark.parametrize("alternates", [False, True])
@pytest.mark.parametrize("name", sorted(LIVE))
def test_live_change_keeps_memory(name: str, *, alternates: bool) -> None:
    """Anybody on the graph may make it, for once or with every frame."""
    camera = CameraPipeline(SentinelModelProvider(IntermittentSegmenter(blind=range(10, 13))))
    changed = camera.config(**{name: make_stricter(name)})
    assert not find_weaker(changed, camera.config())
    for index in range(13):
        is_changed = index % 2 == 1 if alternates else index >= 10
        camera.pipeline.reconfigure(changed if is_changed else camera.config())
        assert camera.see(index) is None
    assert not any(camera.seen())


def test_memory_ends_with_its_duration() -> None:
    """So that a change cannot pass the test above by covering everything."""
    camera = CameraPipeline(SentinelModelProvider(IntermittentSegmenter(blind=range(10, 30))))
    for index in range(25):
        if index == 12:
            camera.pipeline.reconfigure(camera.config(memory__duration_s=1.15))
        camera.see(index)
    assert [len(r.outcomes) > 0 for _, r in camera.published[10:25]] == [True] * 11 + [False] * 4


FAULTS = {
    "segment": "helpers.fake_models.SentinelSegmenter.segment",
    "observe": "anon_ros.tracking.frame_processor.observe_frame",
    "track": "anon_ros.models.trackers.box_tracker.BoxTracker.update",
    "stabilize": "anon_ros.tracking.mask_memory.MaskMemory.stabilize",
    "draw masks": "anon_ros.tracking.track_history.to_detections",
    "cover": "anon_ros.core.anonymizer.cover_regions",
    "reuse": "anon_ros.tracking.reuse.synthetic_cache.SyntheticCache.attach",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failed_frame_keeps_memory(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models = SentinelModelProvider(IntermittentSegmenter(blind=range(12, 16)))
    camera = CameraPipeline(models, {"track.backend": "builtin"})
    for index in range(16):
        with monkeypatch.context() as patch:
            if index == 11:
                patch.setattr(FAULTS[fault], raise_out_of_memory)
            assert (camera.see(index) is None) == (index != 11)
    assert len(camera.published) == 15
    assert not any(camera.seen())


def raise_out_of_memory(*_: Any, **__: Any) -> Any:
    raise MemoryError


def test_failed_load_keeps_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    models = SentinelModelProvider(IntermittentSegmenter(blind=range(11, 14)))
    camera = CameraPipeline(models)
    for index in range(15):
        with monkeypatch.context() as patch:
            if index == 11:
                patch.setattr(models, "anonymizer", raise_out_of_memory)
            if index in {11, 12}:
                camera.pipeline.reconfigure(camera.config(inpaint__seed=index))
            if index == 11:
                with pytest.raises(ModelError):
                    camera.see(index)
            else:
                assert camera.see(index) is None
    assert not any(camera.seen())


def test_other_encoding_keeps_memory() -> None:
    """A camera goes over to gray, in which the segmenter finds nobody."""
    camera = CameraPipeline(SentinelModelProvider())
    gray = np.repeat(cv2.cvtColor(IMAGE, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for index in range(13):
        camera.see(index, image=IMAGE if index < 10 else gray)
    counts = [len(result.outcomes) for _, result in camera.published]
    assert min(counts[10:]) >= 3


@pytest.mark.parametrize("on_skipped", ["cover", "reuse"])
def test_skipped_frames_keep_memory(on_skipped: str) -> None:
    """Where they are published, their persons are tracked, however few frames are inpainted."""
    segmenter = IntermittentSegmenter(blind=range(10, 13))
    camera = CameraPipeline(SentinelModelProvider(segmenter), {"skip.on_skipped": on_skipped})
    for index in range(13):
        camera.see(index, cover_reason=CoverReason.SKIPPED if index else None)
    assert not any(camera.seen())


@pytest.mark.parametrize(
    "stamps_ns",
    [
        [-STEP_NS],  # the last two came in the wrong order
        [0],  # twice the same
        [-STEP_NS // 2, STEP_NS // 2],  # the clock was set back
        [-10 * STEP_NS + 1, -9 * STEP_NS],
    ],
)
def test_stamp_set_back_keeps_memory(stamps_ns: Sequence[int]) -> None:
    """By less than a second: the frame still came after the one before."""
    camera = CameraPipeline(SentinelModelProvider(IntermittentSegmenter(blind=range(10, 13))))
    for index in range(13):
        if index >= 10:
            offsets_ns = [*stamps_ns, *[stamps_ns[-1] + STEP_NS * i for i in range(1, 4)]]
            camera.stamps_ns[index] = 9 * STEP_NS + offsets_ns[index - 10]
        camera.see(index)
    assert not any(camera.seen())


def test_loop_of_recording_forgets_persons() -> None:
    """Nobody who was at its end is at its start."""
    camera = CameraPipeline(SentinelModelProvider(IntermittentSegmenter(blind=[20])))
    for index in range(21):
        camera.stamps_ns[index] = (index - 20 * (index == 20)) * STEP_NS
        camera.see(index)
    assert len(camera.published[20][1].outcomes) == 0


def test_close_forgets_all_persons() -> None:
    camera = CameraPipeline(SentinelModelProvider(IntermittentSegmenter(blind=[10])))
    for index in range(11):
        if index == 10:
            camera.pipeline.close()
            camera.pipeline.load()
        camera.see(index)
    assert len(camera.published[10][1].outcomes) == 0


class FailingTracker:
    """A tracker that fails at its fifth frame."""

    def __init__(self) -> None:
        self.frames = 0

    def update(self, boxes: Any, _: Any) -> list[int | None]:
        self.frames += 1
        if self.frames == 5:
            message = "injected: singular matrix"
            raise np.linalg.LinAlgError(message)
        return list(range(1, len(boxes) + 1))


class FailingTrackerProvider(SentinelModelProvider):
    def tracker(self, _: Config) -> Tracker:
        return FailingTracker()


def test_tracker_failure_drops_frame() -> None:
    camera = CameraPipeline(FailingTrackerProvider())
    errors = [camera.see(index) for index in range(8)]
    assert [error is None for error in errors] == [True] * 4 + [False] + [True] * 3
    assert len(camera.published) == 7
    assert not any(camera.seen())


@pytest.mark.parametrize("alone", [{}, {"memory.mode": "off", "identity.reuse": "off"}])
def test_skipped_frame_reuses_synthetic(alone: dict[str, Any]) -> None:
    options = {"skip.on_skipped": "reuse", "identity.keyframe_s": 0.35}
    camera = CameraPipeline(SentinelModelProvider(), options | alone)
    for index in range(5):
        camera.see(index, cover_reason=CoverReason.SKIPPED if index else None)
    assert not any(camera.seen())
    drawn, *moved, old = [result for _, result in camera.published]
    assert {o.cover_reason for o in drawn.outcomes} == {None}
    for index, result in enumerate(moved, 1):
        inner = [o for o in result.outcomes if o.cover_reason is CoverReason.REUSED]
        assert {o.kind for o in inner} == {OutcomeKind.INPAINTED}
        # One of the three is cut by the border and changes its shape.
        assert len(inner) >= 2
        assert images_close(
            result.image, np.roll(drawn.image, 2 * index, axis=1), result.replaced_mask
        )
    assert {o.cover_reason for o in old.outcomes} == {CoverReason.SKIPPED}


def test_cache_keeps_only_last_frame() -> None:
    """They hold a part of the original."""
    options = {
        "identity.reuse": "previous",
        "identity.keyframe_s": 3600.0,
        "memory.duration_s": 0.2,
    }
    camera = CameraPipeline(
        SentinelModelProvider(IntermittentSegmenter(blind=range(5, 100))), options
    )
    gc.collect()  # those of other tests
    kept: list[weakref.ref[CachedPerson]] = []
    for index in range(10):
        camera.see(index)
        known = [each for each in gc.get_objects() if type(each) is CachedPerson]
        kept.extend(weakref.ref(each) for each in known)
        del known
        assert len({id(each()) for each in kept} - {id(None)}) <= 4
    assert not any(each() for each in kept)


def test_change_resets_synthetic_cache() -> None:
    options = {"skip.on_skipped": "reuse", "identity.keyframe_s": 3600.0}
    camera = CameraPipeline(SentinelModelProvider(), options)
    for index in range(4):
        if index == 2:
            camera.pipeline.reconfigure(camera.config(inpaint__prompt="a robot"))
        camera.see(index, cover_reason=CoverReason.SKIPPED if index else None)
    reasons = [{o.cover_reason for o in result.outcomes} for _, result in camera.published]
    assert CoverReason.REUSED in reasons[1]
    assert reasons[2:] == [{CoverReason.SKIPPED}] * 2
    assert not any(camera.seen())


def images_close(one: RgbImage, other: RgbImage, mask: Any) -> bool:
    difference = np.abs(one.astype(int) - other).max(axis=2)[mask]
    return float(np.median(difference)) < 8


@pytest.mark.parametrize("seed", range(12))
def test_sequence_never_leaks_on_model_faults(seed: int) -> None:
    models = SentinelModelProvider(FaultySegmenter(0.2, seed), FaultyInpainter(0.5, seed))
    camera = CameraPipeline(models, {"skip.on_skipped": "reuse", "identity.reuse": "previous"})
    errors = [
        camera.see(index, cover_reason=CoverReason.SKIPPED if index % 3 else None)
        for index in range(15)
    ]
    assert len(camera.published) == errors.count(None)
    assert not any(camera.seen())
