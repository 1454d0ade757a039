"""Worker, mailbox and topics of an active node."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sensor_msgs.msg import CompressedImage, Image

from anon_ros.config import PERSON, Config, configure_camera
from anon_ros.core import AnonymizedFrame, OutcomeKind, RgbImage
from anon_ros.errors import UnsupportedFormatError, format_error
from anon_ros.live import (
    Cover,
    FrameCounts,
    FrameIO,
    FramePipeline,
    GateClosed,
    InferenceWorker,
    Mailbox,
    ModelProvider,
    OutputGate,
    QueuedFrame,
)
from anon_ros.ros.debug_topics import DebugTopics
from anon_ros.ros.node_logging import LogThrottle
from anon_ros.ros.topics.camera_info import MIN_IMAGES
from anon_ros.ros.topics.image_messages import (
    ImageMessage,
    decode_message,
    encode_message,
    stamp_ns,
)
from anon_ros.ros.topics.image_publisher import compressed_topic, make_jpeg_message
from anon_ros.ros.topics.topic_manager import TopicManager

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_WARNING_PERIOD_S = 10.0
_MAX_UNSUPPORTED = 3


@dataclass(frozen=True)
class StreamSnapshot:
    """State of an image topic at a moment.

    Attributes:
        name: of the topic, fully qualified.
        mirrored_topic: name of the mirrored topic.
        is_subscribed: True while the image topic is subscribed.
        has_publisher: False if no node publishes the image topic.
        num_time_jumps: number of times that the stamps jumped back.
        counts: of frames.
        queue_age_s: age of the oldest frame in the mailbox; 0 for none.
        latency_ms: 50th and 99th percentile from arrival to publication.
        cover_counts: covered persons, and targets whose inpainting failed, by reason.
        cover_details: text of the last cover by reason.
        consecutive_failures: number of failed frames since the last success.
        last_error: text of the last failure; empty after a success.
        untrusted_subscribers: nodes that receive the original images and are not trusted.
        feeder: topic whose frames it shows; empty for its own.
        subscribers: nodes that receive the mirrored images.
        calibration_problem: reason why its CameraInfo is missing; empty if it is not.
    """

    name: str
    mirrored_topic: str
    is_subscribed: bool
    has_publisher: bool
    num_time_jumps: int
    counts: FrameCounts
    queue_age_s: float
    latency_ms: tuple[float, float]
    cover_counts: Mapping[Cover, int]
    cover_details: Mapping[Cover, str]
    consecutive_failures: int
    last_error: str
    untrusted_subscribers: Sequence[str]
    feeder: str
    subscribers: Sequence[str]
    calibration_problem: str


@dataclass(frozen=True)
class SessionSnapshot:
    """State of a session at a moment.

    Attributes:
        busy_s: age of the frames in work; 0 for none.
        missing_publishers: configured topics without a publisher.
        stage_latencies_ms: 50th and 99th percentile by stage.
        gpu_memory: reserved and total bytes; None without a GPU.
        streams: open image topics.
        foreign_publishers: by topic below the prefix, nodes that publish it and are not trusted.
        not_mirrored: topics that are named or match, but are not mirrored, with the reason.
        twin_topics: mirrored topics that a second node of this name publishes.
    """

    busy_s: float
    missing_publishers: Sequence[str]
    stage_latencies_ms: Mapping[str, tuple[float, float]]
    gpu_memory: tuple[int, int] | None
    streams: Sequence[StreamSnapshot]
    not_mirrored: Mapping[str, str]
    foreign_publishers: Mapping[str, Sequence[str]]
    twin_topics: Sequence[str]


class ActiveSession:
    """Session from activation to deactivation. Its gate passes every published frame.

    Args:
        config: at activation.
        models: models of the worker, released when it ends.
        topics: not open yet.
        debug: topics for mask and detections.
        on_failure: called with the stream and the error of every failed frame.
        after: session whose worker must end first.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a join of all parts
        self,
        config: Config,
        models: ModelProvider,
        topics: TopicManager,
        debug: DebugTopics,
        on_failure: Callable[[str, Exception], None],
        after: "ActiveSession | None",
    ) -> None:
        self._debug = debug
        self._on_failure = on_failure
        self._warnings = LogThrottle(_WARNING_PERIOD_S)
        self._calibration_log = LogThrottle(_WARNING_PERIOD_S)
        self.topics = topics
        self.gate = OutputGate()
        self.mailbox: Mailbox[ImageMessage] = Mailbox(
            config.skip, choose_skip=lambda name: configure_camera(config, name).skip
        )
        max_pixels = config.fail.max_pixels

        def decode(queued: QueuedFrame[ImageMessage]) -> RgbImage:
            return decode_message(queued.frame, queued.stream, max_pixels)

        ports = FrameIO(stamp_ns, decode, encode_message, self._publish)
        self.pipeline: FramePipeline[ImageMessage] = FramePipeline(config, models, ports)
        self.worker: InferenceWorker[ImageMessage] = InferenceWorker(
            self.mailbox,
            self.pipeline,
            self._handle_failure,
            max_consecutive=config.fail.max_consecutive,
            wait_for=None if after is None else after.worker,
        )

    def start(self) -> None:
        """Load the models, and subscribe."""
        self.worker.start()
        self.topics.open(self.mailbox.put, self.gate)

    def set_enabled(self, *, enabled: bool) -> None:
        """Enable or disable publication; a disabled session publishes nothing after the return."""
        self.mailbox.pause(paused=not enabled)
        self.gate.set_open(is_open=enabled)

    def reconfigure(self, config: Config) -> None:
        """Use ``config`` from the next frame on."""
        self.mailbox.reconfigure(config.skip, lambda name: configure_camera(config, name).skip)
        self.pipeline.reconfigure(config)

    def discover(self) -> None:
        """Open and close topics, and forget the streams of those that are closed."""
        self.topics.discover()
        names = {stream.name for stream in self.topics}
        self.mailbox.retain(names)
        self.pipeline.retain(names)
        self.worker.retain(self.mailbox.counts())  # with those that have a frame in work
        self._warn_of_calibration()

    def stop(self) -> None:
        """Publish nothing more and take no further frame; a frame in work is finished silently."""
        self.gate.close()
        self.mailbox.close()
        self.topics.close()

    def snapshot(self) -> SessionSnapshot:
        """Return the state of the session, for diagnostics."""
        counts, ages_s = self.mailbox.counts(), self.mailbox.queue_age_s()
        latencies_ms = self.pipeline.stream_latencies.quantiles_ms()
        untrusted = self.topics.leak_guard.untrusted_subscribers
        zero = FrameCounts(0, 0, 0, 0, 0)
        covers = {stream.name: self.pipeline.cover_counts(stream.name) for stream in self.topics}
        return SessionSnapshot(
            busy_s=self.worker.busy_s,
            missing_publishers=tuple(self.topics.missing_publishers),
            stage_latencies_ms=self.pipeline.stage_latencies.quantiles_ms(),
            gpu_memory=self.pipeline.gpu_memory,
            streams=[
                StreamSnapshot(
                    name=stream.name,
                    mirrored_topic=stream.mirrored_topic,
                    is_subscribed=stream.is_subscribed,
                    has_publisher=stream.name not in self.topics.missing_publishers,
                    num_time_jumps=stream.num_time_jumps,
                    counts=counts.get(stream.name, zero),
                    queue_age_s=ages_s.get(stream.name, 0.0),
                    latency_ms=latencies_ms.get(stream.name, (0.0, 0.0)),
                    cover_counts=covers[stream.name].counts(),
                    cover_details=covers[stream.name].details(),
                    consecutive_failures=self.worker.consecutive_failures.get(stream.name, 0),
                    last_error=self.worker.last_error.get(stream.name, ""),
                    untrusted_subscribers=untrusted.get(stream.name, ()),
                    feeder=stream.feeder,
                    subscribers=stream.find_subscribers(),
                    calibration_problem=stream.infos.find_problem(
                        counts.get(stream.name, zero).received
                    ),
                )
                for stream in self.topics
            ],
            not_mirrored=dict(self.topics.not_mirrored),
            foreign_publishers=self.topics.prefix_guard.foreign_publishers,
            twin_topics=self.topics.prefix_guard.twin_topics,
        )

    def _warn_of_calibration(self) -> None:
        for name, counts in self.mailbox.counts().items():
            stream = self.topics.get(name)
            if stream is None or counts.received <= MIN_IMAGES:
                continue
            problem = stream.infos.find_problem(counts.received)
            if problem and self._calibration_log.allows(name, problem):
                _LOG.warning("%s: no calibration: %s", name, problem)

    def _handle_failure(self, name: str, error: Exception) -> None:
        """Close a stream that never had a picture; the worker's thread calls it."""
        is_new = not self.mailbox.counts()[name].processed
        if not (is_new and isinstance(error, UnsupportedFormatError)):
            self._on_failure(name, error)
        elif self.worker.consecutive_failures[name] >= _MAX_UNSUPPORTED:
            self.topics.refuse(name, format_error(error))

    def _send(
        self,
        queued: QueuedFrame[ImageMessage],
        message: ImageMessage,
        jpeg: CompressedImage | None,
        result: AnonymizedFrame,
    ) -> None:
        stream = self.topics.get(queued.stream)
        if stream is None or queued.epoch != self.mailbox.epoch:
            raise GateClosed  # the publisher is gone, or the frame is older than a pause
        if stream.feeder:
            raise GateClosed  # since it arrived, the raw topic of the camera serves this one, too
        stream.publish(message, result.drawn_beta_d)
        if jpeg is not None:
            self._attempt_jpeg(stream.name, lambda: stream.publish_jpeg(jpeg, result.drawn_beta_d))
        self._debug.publish(message.header, result)

    def _make_jpeg(
        self, queued: QueuedFrame[ImageMessage], result: AnonymizedFrame
    ) -> CompressedImage | None:
        """Return the frame for the compressed topic, None if nobody subscribes to that."""
        stream, message = self.topics.get(queued.stream), queued.frame
        if stream is None or not isinstance(message, Image):
            return None
        output, needs_jpeg = self.pipeline.output, stream.needs_jpeg
        return self._attempt_jpeg(
            stream.name,
            lambda: make_jpeg_message(message, result, output) if needs_jpeg() else None,
        )

    def _attempt_jpeg(self, name: str, work: Callable[[], T]) -> T | None:
        """Return the result of ``work``, or log its failure: the raw image is none the worse."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - see above
            if self._warnings.allows(compressed_topic(name)):
                _LOG.warning("%s: not published as JPEG: %s", name, format_error(error))
            return None

    def _publish(
        self, queued: QueuedFrame[ImageMessage], message: ImageMessage, result: AnonymizedFrame
    ) -> None:
        """Publish a frame through the gate; the worker's thread calls it."""
        name = queued.stream
        jpeg = self._make_jpeg(queued, result)  # takes too long to hold the gate
        self.gate.send(lambda: self._send(queued, message, jpeg, result))
        persons = [outcome for outcome in result.outcomes if outcome.target == PERSON]
        covered = [o.reason_text for o in persons if o.kind is OutcomeKind.COVERED]
        self._warn_of_covers(name, "persons", len(persons), covered)
        targets = [outcome for outcome in result.outcomes if outcome.target != PERSON]
        failed = [
            o.reason_text for o in targets if o.cover_reason and not o.cover_reason.is_expected
        ]
        self._warn_of_covers(name, "targets", len(targets), failed)

    def _warn_of_covers(self, name: str, group: str, total: int, reasons: Sequence[str]) -> None:
        if reasons and self._warnings.allows(f"{name} {group}"):
            text = "%s: %d of %d %s covered, not inpainted: %s"
            _LOG.warning(text, name, len(reasons), total, group, reasons[0])
