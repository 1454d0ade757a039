"""The way of a live frame: decode, cover, inpaint, encode, publish."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

from anon_ros.config import Config, OutputConfig
from anon_ros.core import AnonymizedFrame, Anonymizer, CoverReason, OutcomeKind, RgbImage, Tier
from anon_ros.errors import ModelError, drop_traceback, format_error
from anon_ros.images import describe_reduction
from anon_ros.live.camera_state import CameraState
from anon_ros.live.cover_counter import CoverCounter
from anon_ros.live.frame_io import FrameIO, ModelProvider
from anon_ros.live.latency_budget import LatencyBudget
from anon_ros.live.latency_stats import LatencyStats
from anon_ros.live.mailbox import QueuedFrame
from anon_ros.tracking import FrameProcessor, FrameTask
from anon_ros.utils.units import NS_PER_MS, NS_PER_S

T = TypeVar("T")

_LOG = logging.getLogger(__name__)


class FramePipeline(Generic[T]):
    """A BatchProcessor: publishes a frame only after the FrameProcessor has returned it.

    Attributes:
        stage_latencies: latencies of wait, decode, segment, track, cover, inpaint, encode, publish.
        stream_latencies: latencies from arrival to publication, by stream.
        gpu_memory: reserved and total bytes of the GPU after the last frames; None without a GPU.
    """

    def __init__(
        self,
        config: Config,
        models: ModelProvider,
        frame_io: FrameIO[T],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._config = config
        self._models = models
        self._frame_io = frame_io
        self._clock_ns = clock_ns
        self._anonymizer: Anonymizer | None = None
        self._problem = ""
        self._built_for: Config | None = None
        self._budget = LatencyBudget()
        self._processor = FrameProcessor(config, models.tracker, self._measure)
        self.stage_latencies = LatencyStats()
        self.stream_latencies = LatencyStats()
        self.gpu_memory: tuple[int, int] | None = None
        self._cameras: dict[str, CameraState] = {}
        self._cameras_lock = Lock()
        self._size_warnings: dict[str, str] = {}
        self._retained: frozenset[str] | None = None

    @property
    def max_batch(self) -> int:
        """The number of frames that the inpainter gains from; 1 without models."""
        return self._anonymizer.inpainter.max_batch if self._anonymizer else 1

    @property
    def output(self) -> OutputConfig:
        """The encoding of the frames. Any thread may call this."""
        return self._config.output

    def cover_counts(self, stream: str) -> CoverCounter:
        """Return the counts of a stream's covers. Any thread may call this."""
        return self._find_camera(stream).covers

    def retain(self, streams: Collection[str]) -> None:
        """Forget all streams but these. Any thread may call this."""
        self.stream_latencies.retain(streams)
        with self._cameras_lock:
            for name in self._cameras.keys() - set(streams):
                del self._cameras[name]
        self._retained = frozenset(streams)

    def reconfigure(self, config: Config) -> None:
        """Use ``config`` from the next frames on. Any thread may call this."""
        self._config = config

    def load(self) -> None:
        """Load the models."""
        started_ns = self._clock_ns()
        self._prepare(self._config)
        _LOG.info("models loaded in %.1f s", (self._clock_ns() - started_ns) / NS_PER_S)

    def close(self) -> None:
        """Release the models."""
        self._anonymizer = self._built_for = self.gpu_memory = None
        self._processor.clear()
        self._models.release()

    def process(self, frames: Sequence[QueuedFrame[T]]) -> list[Exception | None]:
        """Publish the frames; those to be covered only, and those without time, go first."""
        config = self._config  # one for all of them
        if (retained := self._retained) is not None:
            self._processor.retain(retained | {queued.stream for queued in frames})
        anonymizer = self._prepare(config)
        errors: list[Exception | None] = [None] * len(frames)

        def decide(index: int, num_persons: Counter[Tier]) -> CoverReason | None:
            passed_ns = self._clock_ns() - frames[index].arrived_ns
            budget_ms = config.skip.latency_budget_ms
            is_allowed = self._budget.allows(num_persons, passed_ns, budget_ms)
            return None if is_allowed else CoverReason.OVER_BUDGET

        tasks = self._decode_all(frames, errors)
        for result in self._processor.process(anonymizer, tasks, decide):
            try:
                if isinstance(result.frame, Exception):
                    raise result.frame
                self._publish(frames[result.source], result.frame, config)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[result.source] = drop_traceback(error)
        self._models.run_idle_work()
        self.gpu_memory = self._models.gpu_memory()
        return errors

    def _prepare(self, config: Config) -> Anonymizer:
        """Return the models of ``config``.

        Raises:
            ModelError: if they could not be loaded, with every call until the next change.
        """
        if self._built_for is not config:
            if self._built_for is None or self._built_for.inpaint != config.inpaint:
                self._budget = LatencyBudget()
            self._processor.reconfigure(config)
            # A change that fails must not leave the old models in charge.
            self._anonymizer, self._built_for = None, config
            try:
                self._anonymizer = self._models.anonymizer(config)
            except Exception as error:  # noqa: BLE001 - raised below
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
                image = self._frame_io.decode(queued)
                self._record_stage("decode", started_ns)
                self._warn_of_reduction(queued.stream, image)
                stamp_ns = self._frame_io.stamp_ns(queued.frame)
                camera = self._find_camera(queued.stream)
                time_ns = camera.choose_time_ns(stamp_ns, queued.arrived_ns)
                task = FrameTask(index, queued.stream, image, time_ns, queued.cover_reason)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[index] = drop_traceback(error)
            else:
                yield task

    def _warn_of_reduction(self, stream: str, image: RgbImage) -> None:
        """Log once per stream and text that the detector sees its images much reduced."""
        height_px, width_px = image.shape[:2]
        inference_px = self._config.detect.inference_px
        warning = describe_reduction(width_px, height_px, inference_px)
        if warning != self._size_warnings.get(stream, ""):
            self._size_warnings[stream] = warning
            if warning:
                _LOG.warning("%s: %s", stream, warning)

    def _find_camera(self, stream: str) -> CameraState:
        with self._cameras_lock:
            return self._cameras.setdefault(stream, CameraState(stream))

    @contextmanager
    def _measure(self, stage: str, num_frames: int, num_persons: Counter[Tier]) -> Iterator[None]:
        """Record the time of a stage, once for each frame; learn the time of a person."""
        started_ns = self._clock_ns()
        yield
        duration_ns = self._clock_ns() - started_ns
        for _ in range(num_frames):
            self.stage_latencies.add(stage, duration_ns)
        if stage == "inpaint" and num_persons:
            self._budget.update(num_persons, duration_ns)

    def _publish(self, queued: QueuedFrame[T], result: AnonymizedFrame, config: Config) -> None:
        started_ns = self._clock_ns()
        message = self._frame_io.encode(queued.frame, result, config.output)
        encoded_ns = self._record_stage("encode", started_ns)
        self._frame_io.publish(queued, message, result)
        published_ns = self._record_stage("publish", encoded_ns)
        self.stream_latencies.add(queued.stream, published_ns - queued.arrived_ns)
        self.cover_counts(queued.stream).add(result)
        _LOG.debug(
            "%s: published after %.0f ms: %d persons, %d of them inpainted",
            queued.stream,
            (published_ns - queued.arrived_ns) / NS_PER_MS,
            len(result.outcomes),
            sum(outcome.kind is OutcomeKind.INPAINTED for outcome in result.outcomes),
        )

    def _record_stage(self, stage: str, since_ns: int) -> int:
        """Record the time since ``since_ns`` and return the current one."""
        now_ns = self._clock_ns()
        self.stage_latencies.add(stage, now_ns - since_ns)
        return now_ns
