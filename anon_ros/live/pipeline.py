"""What the worker does with a frame: decode, cover, inpaint, encode, publish."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, Protocol, TypeVar

from anon_ros.config import Config
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    CoverReason,
    OutcomeKind,
    RgbImage,
)
from anon_ros.errors import ModelError, drop_traceback, format_error
from anon_ros.live.latency_budget import LatencyBudget
from anon_ros.live.latency_stats import LatencyStats
from anon_ros.live.mailbox import QueuedFrame
from anon_ros.tracking import FrameProcessor, FrameTask, Tracker
from anon_ros.utils.units import NS_PER_S

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_FRAMES_AT_ONCE = 8


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


@dataclass
class CoverCounter:
    """Persons of one stream that were covered, not inpainted, by reason. Any thread may ask."""

    _counts: Counter[CoverReason] = field(default_factory=Counter)
    _details: dict[CoverReason, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, result: AnonymizedFrame) -> None:
        """Count the persons of a frame that were covered."""
        with self._lock:
            for outcome in result.outcomes:
                if outcome.kind is OutcomeKind.COVERED and outcome.cover_reason:
                    self._counts[outcome.cover_reason] += 1
                    self._details[outcome.cover_reason] = outcome.reason_text

    def counts(self) -> dict[CoverReason, int]:
        """Return the numbers of persons."""
        with self._lock:
            return dict(self._counts)

    def details(self) -> dict[CoverReason, str]:
        """Return the text of the last outcome by reason."""
        with self._lock:
            return dict(self._details)


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
        self._processor = FrameProcessor(config, models.tracker, self._measure)
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
        self._processor.clear()
        self._models.release()

    def process(self, frames: Sequence[QueuedFrame[T]]) -> list[Exception | None]:
        """Publish the frames; those to be covered only, and those without time, go first."""
        config = self._config  # one for all of them
        anonymizer = self._prepare(config)
        errors: list[Exception | None] = [None] * len(frames)

        def decide(index: int, num_persons: int) -> CoverReason | None:
            passed_ns = self._clock_ns() - frames[index].arrived_ns
            budget_ms = config.skip.latency_budget_ms
            is_allowed = self._budget.allows(num_persons, passed_ns, budget_ms)
            return None if is_allowed else CoverReason.OVER_BUDGET

        tasks = self._decode_all(frames, errors)
        for result in self._processor.process(anonymizer, tasks, decide):
            try:
                if isinstance(result.frame, Exception):
                    raise result.frame
                self._finish(frames[result.source], result.frame, config)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[result.source] = drop_traceback(error)
        self.gpu_memory = self._models.gpu_memory()
        return errors

    def _prepare(self, config: Config) -> Anonymizer:
        if self._built_for is not config:
            if self._built_for is None or self._built_for.inpaint != config.inpaint:
                self._budget = LatencyBudget()
            self._processor.reconfigure(config)
            # A change that fails must not leave the old models in charge.
            self._anonymizer, self._built_for = None, config
            try:
                self._anonymizer = self._models.anonymizer(config)
            except Exception as error:  # noqa: BLE001 - told with every frame until the next change
                self._problem = format_error(error)
        if self._anonymizer is None:
            raise ModelError(self._problem)
        return self._anonymizer

    def _decode_all(
        self, frames: Sequence[QueuedFrame[T]], errors: list[Exception | None]
    ) -> Iterator[FrameTask[int]]:
        """Yield each frame once decoded, its index as source; write failures to ``errors``."""
        for index, queued in enumerate(frames):
            try:
                started_ns = self._record_stage("wait", queued.arrived_ns)
                image = self._ports.decode(queued.frame)
                self._record_stage("decode", started_ns)
                task = FrameTask(
                    index, queued.stream, image, self._time_ns(queued), queued.cover_reason
                )
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[index] = drop_traceback(error)
            else:
                yield task

    def _time_ns(self, taken: QueuedFrame[T]) -> int:
        """When the frame was taken; when it arrived if its stamps do not say."""
        stream, stamp_ns = taken.stream, self._ports.stamp_ns(taken.frame)
        if stamp_ns and stamp_ns == self._stamps.get(stream) and stream not in self._timeless:
            _LOG.warning("%s: the header stamp stands still; times of arrival are used", stream)
            self._timeless.add(stream)
        self._stamps[stream] = stamp_ns
        return taken.arrived_ns if stream in self._timeless else stamp_ns or taken.arrived_ns

    @contextmanager
    def _measure(self, stage: str, num_frames: int, num_persons: int) -> Iterator[None]:
        """Record the time of a stage, once for each frame; learn the time of a person."""
        started_ns = self._clock_ns()
        yield
        duration_ns = self._clock_ns() - started_ns
        for _ in range(num_frames):
            self.stage_latencies.add(stage, duration_ns)
        if stage == "inpaint" and num_persons:
            self._budget.update(num_persons, duration_ns)

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
