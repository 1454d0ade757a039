"""The one loop over frames: of the node, of recordings and of evaluations."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeAlias, TypeVar

from anon_ros.config import Config, configure_camera
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    CoveredFrame,
    CoverReason,
    Detections,
    FramePersons,
    RgbImage,
    Tier,
    untracked_persons,
)
from anon_ros.errors import drop_traceback
from anon_ros.tracking.frame_observation import observe_frame
from anon_ros.tracking.protocols import Tracker
from anon_ros.tracking.reuse.synthetic_cache import SyntheticCache
from anon_ros.tracking.streams import OnlineStream
from anon_ros.tracking.track_history import needs_tracking

S = TypeVar("S")

MeasureStage: TypeAlias = Callable[[str, int, Counter[Tier]], AbstractContextManager[None]]
"""Wraps a stage (segment, track, cover, inpaint) of so many frames, and so many persons to draw."""

_Detected: TypeAlias = Detections | Exception | None

CoverDecision: TypeAlias = Callable[[S, Counter[Tier]], CoverReason | None]
"""Decides with the source of a frame, and the number of persons whom each model would draw before
its result, empty if it has none, if the persons are only covered."""


@dataclass(frozen=True)
class FrameTask(Generic[S]):
    """A decoded frame.

    Attributes:
        source: the caller's own object; the result has it, too.
        stream: the camera; the frames of a stream come in the order of their times.
        image: (H, W, 3) uint8 RGB; not modified.
        time_ns: of the frame.
        cover_reason: None to inpaint the persons; or else they are only covered.
        persons: the frame's persons; None to detect, and if the configuration says so track, them.
        shares_windows: every inpainter gets the crop windows of ``persons``, also one that does
            not ask for them, so that methods are compared on the same crops.
    """

    source: S
    stream: str
    image: RgbImage
    time_ns: int
    cover_reason: CoverReason | None = None
    persons: FramePersons | None = None
    shares_windows: bool = False


@dataclass(frozen=True)
class FrameResult(Generic[S]):
    """The result of a FrameTask.

    Attributes:
        source: of the task.
        frame: the anonymized frame, or the error that leaves none.
        is_keyframe: True if no later result depends on a result before this one.
    """

    source: S
    frame: AnonymizedFrame | Exception
    is_keyframe: bool = False


@dataclass(frozen=True)
class _CoveredTask(Generic[S]):
    """A frame whose persons are covered; ``is_keyframe`` as of FrameResult."""

    task: FrameTask[S]
    covered: CoveredFrame
    is_keyframe: bool


@dataclass
class _StreamState:
    """The memory of one stream; ``tracks`` is None until a frame is tracked."""

    cache: SyntheticCache
    tracks: OnlineStream | None = None

    def reconfigure(self, config: Config) -> None:
        """Go on with ``config``, with the same tracks but no synthetic person."""
        self.cache.reconfigure(config)
        if self.tracks is not None:
            self.tracks.reconfigure(config)


class FrameProcessor:
    """Replaces the persons in frames of several streams; keeps the memory of each stream.

    No input image comes out of it: a result is a frame in which all persons are replaced, or an
    exception.

    Args:
        config: of tracks, mask memory, reuse and seed.
        make_tracker: returns a new tracker for a stream; None to track nobody here.
        measure: wraps each stage.
    """

    def __init__(
        self,
        config: Config,
        make_tracker: Callable[[Config], Tracker] | None = None,
        measure: MeasureStage = lambda *_: nullcontext(),
    ) -> None:
        self._config = config
        self._make_tracker = make_tracker
        self._measure = measure
        self._streams: dict[str, _StreamState] = {}

    def reconfigure(self, config: Config) -> None:
        """Go on with ``config``, and the same tracks and masks."""
        self._config = config
        for name, stream in self._streams.items():
            stream.reconfigure(configure_camera(config, name))

    def retain(self, names: Collection[str]) -> None:
        """Forget all streams but these."""
        self._streams = {name: s for name, s in self._streams.items() if name in names}

    def clear(self) -> None:
        """Forget all streams."""
        self._streams = {}

    def process(
        self,
        anonymizer: Anonymizer,
        tasks: Iterable[FrameTask[S]],
        decide: CoverDecision[S] = lambda *_: None,
    ) -> Iterator[FrameResult[S]]:
        """Yield one result per task: failed and covered frames at once, inpainted ones at the end.

        Args:
            anonymizer: of the same configuration.
            tasks: taken as many at a time as the anonymizer detects together; of a stream no
                more than one if results depend on those before (``reuses_synthetics``). An
                exception of the iterable itself is not caught.
            decide: is asked for each covered frame whose persons are to be inpainted.
        """
        waiting: list[_CoveredTask[S]] = []
        for task, detections in self._iter_detected(anonymizer, tasks):
            result = self._start(anonymizer, task, detections, waiting, decide)
            if isinstance(result, FrameResult):
                yield result
            else:
                waiting.append(result)
        if waiting:
            yield from self._inpaint(anonymizer, waiting)

    def _iter_detected(
        self, anonymizer: Anonymizer, tasks: Iterable[FrameTask[S]]
    ) -> Iterator[tuple[FrameTask[S], _Detected]]:
        """Yield each task with its detections; None for one that has its persons."""
        remaining = iter(tasks)
        while part := list(islice(remaining, anonymizer.max_detection_batch)):
            frames = [(task.image, task.stream) for task in part if task.persons is None]
            results: Iterator[_Detected] = iter(())
            if frames:
                with self._measure("segment", len(frames), Counter()):
                    results = iter(anonymizer.detect_batch(frames))
            for task in part:
                yield task, next(results) if task.persons is None else None

    def _start(
        self,
        anonymizer: Anonymizer,
        task: FrameTask[S],
        detections: _Detected,
        waiting: Sequence[_CoveredTask[S]],
        decide: CoverDecision[S],
    ) -> _CoveredTask[S] | FrameResult[S]:
        """Cover the persons; return the result unless they are to be inpainted."""
        try:
            if isinstance(detections, Exception):
                raise detections
            covered = self._cover(anonymizer, task, detections)
            cover_reason = task.cover_reason or decide(
                task.source, _count_persons(covered, waiting)
            )
            stream = self._streams.setdefault(
                task.stream, _StreamState(SyntheticCache(self._config))
            )
            covered = stream.cache.attach(covered, task.time_ns, inpaints=cover_reason is None)
            is_keyframe = stream.cache.is_keyframe
            if cover_reason is None:
                return _CoveredTask(task, covered, is_keyframe)
            frame = anonymizer.finish_covered(covered, cover_reason)
            return FrameResult(task.source, frame, is_keyframe)
        except Exception as error:  # noqa: BLE001 - of this frame alone
            return FrameResult(task.source, drop_traceback(error))

    def _cover(
        self, anonymizer: Anonymizer, task: FrameTask[S], detections: Detections | None
    ) -> CoveredFrame:
        persons = task.persons
        if persons is None:
            assert detections is not None  # noqa: S101 - narrows the type
            persons = self._track_persons(task, detections)
        if not anonymizer.inpainter.keeps_grid and not task.shares_windows:
            # It draws at the person's own size: in a stable window a trembling person would change
            # the grid that it draws on.
            persons = replace(persons, crop_windows=[None] * len(persons.detections))
        with self._measure("cover", 1, Counter()):
            return anonymizer.cover_persons(task.image, persons, task.stream)

    def _track_persons(self, task: FrameTask[S], detections: Detections) -> FramePersons:
        with self._measure("track", 1, Counter()):
            config, make_tracker = configure_camera(self._config, task.stream), self._make_tracker
            if make_tracker is None or not needs_tracking(config):
                if self._config.cameras:  # the detector serves the strictest of them
                    detections = detections.above(config.detect.confidence)
                return untracked_persons(detections, config.inpaint.seed)
            stream = self._streams.setdefault(task.stream, _StreamState(SyntheticCache(config)))
            if stream.tracks is None:
                stream.tracks = OnlineStream(config, lambda: make_tracker(config))
            observation = observe_frame(task.image, detections, task.time_ns)
            return stream.tracks.persons_in(observation, detections.masks)

    def _inpaint(
        self, anonymizer: Anonymizer, waiting: Sequence[_CoveredTask[S]]
    ) -> Iterator[FrameResult[S]]:
        frames = [covered_task.covered for covered_task in waiting]
        with self._measure("inpaint", len(frames), _count_tiers(frames)):
            results = anonymizer.inpaint_frames(frames)
        for covered_task, frame in zip(waiting, results, strict=True):
            result = FrameResult(covered_task.task.source, frame, covered_task.is_keyframe)
            yield self._store(covered_task, result)

    def _store(self, covered_task: _CoveredTask[S], result: FrameResult[S]) -> FrameResult[S]:
        """Remember the inpainted persons; return the result, or the error of that."""
        stream = self._streams.get(covered_task.task.stream)
        if stream is None or isinstance(result.frame, Exception):
            return result
        try:
            stream.cache.store(covered_task.covered, result.frame, covered_task.task.time_ns)
        except Exception as error:  # noqa: BLE001 - of this frame alone
            return replace(result, frame=drop_traceback(error))
        return result


def _count_persons(covered: CoveredFrame, waiting: Sequence[_CoveredTask[S]]) -> Counter[Tier]:
    """Return the number of persons who are drawn before the frame is done; none if it has none."""
    if not covered.tiers:
        return Counter()
    return _count_tiers([covered, *(covered_task.covered for covered_task in waiting)])


def _count_tiers(frames: Sequence[CoveredFrame]) -> Counter[Tier]:
    return Counter(tier for frame in frames for tier in frame.tiers.values())
