"""What the worker does with a frame: decode, cover, inpaint, encode, publish."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Generic, Protocol, TypeVar

from anon_ros.config import Config
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    CoveredFrame,
    Detections,
    FramePersons,
    OutcomeKind,
    RgbImage,
    untracked_persons,
    without_numbers,
)
from anon_ros.errors import ModelError, drop_traceback, format_error
from anon_ros.live.latency_budget import OVER_BUDGET, LatencyBudget
from anon_ros.live.latency_stats import LatencyStats
from anon_ros.live.mailbox import SKIPPED, TOO_OLD, QueuedFrame
from anon_ros.tracking import OnlineStream, SyntheticCache, Tracker, needs_tracking, observe_frame
from anon_ros.utils.units import NS_PER_S

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

EXPECTED_REASONS = (SKIPPED, TOO_OLD, OVER_BUDGET, "inpaint.min_person_px = N")
"""Ends of the reasons for which persons are covered as the configuration has it."""

_FRAMES_AT_ONCE = 8
_MOST_REASONS = 20


class ModelProvider(Protocol):
    """Where an Anonymizer comes from."""

    def anonymizer(self, config: Config) -> Anonymizer:
        """The models of ``config``; keeps those that serve the next one, too.

        Raises:
            ModelError: if a model is missing or cannot do what is asked.
        """
        ...

    def tracker(self, config: Config) -> Tracker:
        """A new one, for one camera."""
        ...

    def release(self) -> None:
        """Let go of all models."""
        ...

    def gpu_memory(self) -> tuple[int, int] | None:
        """What is reserved on the GPU and what that has; None without a GPU."""
        ...


@dataclass(frozen=True)
class FrameIO(Generic[T]):
    """How frames come in and go out.

    Attributes:
        stamp_ns: when a frame was taken; 0 if it does not say.
        decode: pixels of a frame; raises if it is damaged or of an unknown kind.
        encode: a frame like the given one that shows the result; the int is the JPEG quality.
        publish: sends the last one, of the first, out; raises Withheld if it is not wanted any
            more.
    """

    stamp_ns: Callable[[T], int]
    decode: Callable[[T], RgbImage]
    encode: Callable[[T, AnonymizedFrame, int], T]
    publish: Callable[[QueuedFrame[T], T, AnonymizedFrame], None]


@dataclass(frozen=True)
class _Open(Generic[T]):
    """A frame whose persons are covered and wait to be inpainted."""

    index: int
    taken: QueuedFrame[T]
    covered: CoveredFrame
    stamp_ns: int


@dataclass(frozen=True)
class _Camera:
    """What is known of a stream from its earlier frames."""

    stream: OnlineStream
    drawings: SyntheticCache

    def reconfigure(self, config: Config) -> bool:
        """Go on with ``config``; False if that makes no sense."""
        self.drawings.reconfigure(config)
        return self.stream.reconfigure(config)


@dataclass
class CoverCounter:
    """Persons of one stream that were covered, not inpainted, by reason."""

    reasons: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def add(self, result: AnonymizedFrame) -> None:
        with self.lock:
            for outcome in result.outcomes:
                if outcome.kind is OutcomeKind.COVERED:
                    reason = without_numbers(outcome.reason)
                    known = reason in self.reasons or len(self.reasons) < _MOST_REASONS
                    self.reasons[reason if known else "other"] += 1

    def counts(self) -> dict[str, int]:
        with self.lock:
            return dict(self.reasons)


class FramePipeline(Generic[T]):
    """A Processor: publishes a frame only after ``Anonymizer`` has returned it.

    Attributes:
        stage_latencies: latencies of wait, decode, segment, track, cover, inpaint, encode, publish.
        stream_latencies: latencies from arrival to publication, by stream.
        gpu_memory: of the GPU, as the models told last.
    """

    def __init__(
        self,
        config: Config,
        models: ModelProvider,
        ports: FrameIO[T],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._config = config
        self._models = models
        self._ports = ports
        self._clock_ns = clock_ns
        self._anonymizer: Anonymizer | None = None
        self._problem = ""
        self._built_for: Config | None = None
        self._budget = LatencyBudget()
        self._cameras: dict[str, _Camera] = {}
        self._stamps: dict[str, int] = {}
        self._timeless: set[str] = set()
        self.stage_latencies = LatencyStats()
        self.stream_latencies = LatencyStats()
        self.gpu_memory: tuple[int, int] | None = None
        self._covers: dict[str, CoverCounter] = {}
        self._covers_lock = Lock()

    @property
    def max_batch(self) -> int:
        """Only diffusion gains from several at once; anything else would delay the first."""
        return _FRAMES_AT_ONCE if self._config.inpaint.method == "sdxl" else 1

    def cover_counts(self, stream: str) -> CoverCounter:
        """Why persons of a stream were covered. Any thread may ask."""
        with self._covers_lock:
            return self._covers.setdefault(stream, CoverCounter())

    def reconfigure(self, config: Config) -> None:
        """Use ``config`` from the next frames on. Any thread may call this."""
        self._config = config

    def load(self) -> None:
        """Load the models."""
        started_ns = self._clock_ns()
        self._prepare(self._config)
        _LOG.info("models loaded in %.1f s", (self._clock_ns() - started_ns) / NS_PER_S)

    def close(self) -> None:
        """Free the models."""
        self._anonymizer = self._built_for = self.gpu_memory = None
        self._cameras = {}
        self._models.release()

    def process(self, frames: Sequence[QueuedFrame[T]]) -> list[Exception | None]:
        """Publish the frames; those to be covered only, and those without time, go first."""
        config = self._config  # one for all of them
        anonymizer = self._prepare(config)
        errors: list[Exception | None] = [None] * len(frames)
        waiting: list[_Open[T]] = []
        for index, taken in enumerate(frames):
            try:
                frame = self._cover(anonymizer, index, taken, config)
                covered = frame.covered
                because = taken.cover_reason or self._over_budget(taken, covered, waiting, config)
                frame = self._prepare_drawings(anonymizer, frame, inpaints=not because)
                if because:
                    left = anonymizer.finish_covered(frame.covered, because)
                    self._finish(taken, left, config)
                else:
                    waiting.append(frame)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[index] = drop_traceback(error)
        results = self._inpaint(anonymizer, waiting)
        for frame, result in zip(waiting, results, strict=True):
            try:
                if isinstance(result, Exception):
                    raise result
                if camera := self._cameras.get(frame.taken.stream):
                    drawn = frame.covered, anonymizer, result, frame.stamp_ns
                    camera.drawings.store(*drawn)
                self._finish(frame.taken, result, config)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[frame.index] = drop_traceback(error)
        self.gpu_memory = self._models.gpu_memory()
        return errors

    def _prepare(self, config: Config) -> Anonymizer:
        if self._built_for is not config:
            if self._built_for is None or self._built_for.inpaint != config.inpaint:
                self._budget = LatencyBudget()
            self._cameras = {n: c for n, c in self._cameras.items() if c.reconfigure(config)}
            # A change that fails must not leave the old models in charge.
            self._anonymizer, self._built_for = None, config
            try:
                self._anonymizer = self._models.anonymizer(config)
            except Exception as error:  # noqa: BLE001 - told with every frame until the next change
                self._problem = format_error(error)
        if self._anonymizer is None:
            raise ModelError(self._problem)
        return self._anonymizer

    def _cover(
        self, anonymizer: Anonymizer, index: int, taken: QueuedFrame[T], config: Config
    ) -> _Open[T]:
        started_ns = self._record_stage("wait", taken.arrived_ns)
        image = self._ports.decode(taken.frame)
        decoded_ns = self._record_stage("decode", started_ns)
        stamp_ns = self._time_ns(taken)
        found = anonymizer.detect_persons(image)
        found_ns = self._record_stage("segment", decoded_ns)
        persons = self._persons(taken.stream, image, found, stamp_ns, config)
        tracked_ns = self._record_stage("track", found_ns)
        covered = anonymizer.cover_persons(image, persons)
        self._record_stage("cover", tracked_ns)
        return _Open(index, taken, covered, stamp_ns)

    def _time_ns(self, taken: QueuedFrame[T]) -> int:
        """When the frame was taken; when it arrived if its stamps do not say."""
        stream, stamp_ns = taken.stream, self._ports.stamp_ns(taken.frame)
        if stamp_ns and stamp_ns == self._stamps.get(stream) and stream not in self._timeless:
            _LOG.warning("%s: the header stamp stands still; times of arrival are used", stream)
            self._timeless.add(stream)
        self._stamps[stream] = stamp_ns
        return taken.arrived_ns if stream in self._timeless else stamp_ns or taken.arrived_ns

    def _persons(
        self, stream: str, image: RgbImage, found: Detections, stamp_ns: int, config: Config
    ) -> FramePersons:
        if not needs_tracking(config):
            return untracked_persons(found, config.inpaint.seed)
        # If anything raises, what was remembered may be half a frame's: it is not put back.
        camera = self._cameras.pop(stream, None)
        if camera is None:
            followed = OnlineStream(config, lambda: self._models.tracker(config))
            camera = _Camera(followed, SyntheticCache(config))
        persons = camera.stream.persons_in(observe_frame(image, found, stamp_ns), found.masks)
        self._cameras[stream] = camera
        return persons

    def _prepare_drawings(
        self, anonymizer: Anonymizer, frame: _Open[T], *, inpaints: bool
    ) -> _Open[T]:
        camera = self._cameras.get(frame.taken.stream)
        if camera is None:
            return frame
        known = frame.covered, anonymizer, frame.stamp_ns
        return replace(frame, covered=camera.drawings.attach(*known, inpaints=inpaints))

    def _over_budget(
        self,
        taken: QueuedFrame[T],
        covered: CoveredFrame,
        waiting: Sequence[_Open[T]],
        config: Config,
    ) -> str:
        persons = len(covered.rois)
        together = persons + sum(len(frame.covered.rois) for frame in waiting) if persons else 0
        passed_ns = self._clock_ns() - taken.arrived_ns
        allowed = self._budget.allows(together, passed_ns, config.skip.latency_budget_ms)
        return "" if allowed else OVER_BUDGET

    def _inpaint(
        self, anonymizer: Anonymizer, waiting: Sequence[_Open[T]]
    ) -> list[AnonymizedFrame | Exception]:
        started_ns = self._clock_ns()
        results = anonymizer.inpaint_frames([frame.covered for frame in waiting])
        ended_ns = self._clock_ns()
        if persons := sum(len(frame.covered.rois) for frame in waiting):
            self._budget.update(persons, ended_ns - started_ns)
        for _ in waiting:
            self.stage_latencies.add("inpaint", ended_ns - started_ns)
        return results

    def _finish(self, taken: QueuedFrame[T], result: AnonymizedFrame, config: Config) -> None:
        started_ns = self._clock_ns()
        message = self._ports.encode(taken.frame, result, config.output.jpeg_quality)
        encoded_ns = self._record_stage("encode", started_ns)
        self._ports.publish(taken, message, result)
        published_ns = self._record_stage("publish", encoded_ns)
        self.stream_latencies.add(taken.stream, published_ns - taken.arrived_ns)
        self.cover_counts(taken.stream).add(result)

    def _record_stage(self, stage: str, since_ns: int) -> int:
        now_ns = self._clock_ns()
        self.stage_latencies.add(stage, now_ns - since_ns)
        return now_ns
