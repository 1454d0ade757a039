"""The node ``anonymizer``: image topics in, anonymized mirrored topics out."""

import logging
import time
from collections.abc import Sequence
from functools import partial

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from anon_ros.core import Anonymized, Anonymizer, OutcomeKind
from anon_ros.errors import ConfigError, describe
from anon_ros.live import Inbox, Process, Worker
from anon_ros.models import build_anonymizer
from anon_ros.ros.log import NodeLogHandler
from anon_ros.ros.messages import ImageMessage, decode, encode
from anon_ros.ros.parameters import declare_parameters
from anon_ros.ros.stream import ImageStream
from anon_ros.ros.topics import mirrored_topic

_MESSAGE_TYPES: dict[str, type[ImageMessage]] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
}
_FRAMES_AT_ONCE = 8
_FOLLOW_PERIOD_S = 0.5
_REPORT_PERIOD_S = 10.0


class AnonymizerNode(Node):  # type: ignore[misc]  # rclpy is not typed
    """Publishes an image only after ``Anonymizer`` has returned it; there is no other path.

    Raises:
        ConfigError: if a parameter is not allowed.
    """

    def __init__(self) -> None:
        super().__init__("anonymizer")
        library = logging.getLogger("anon_ros")
        library.setLevel(logging.INFO)
        library.addHandler(NodeLogHandler(self.get_logger()))
        self._config = declare_parameters(self)
        self._streams: dict[str, ImageStream] = {}
        self._missing = self._resolve_topics()
        self._inbox: Inbox[ImageMessage] = Inbox(self._config.skip)
        # Only diffusion is faster for several at once; anything else would only delay the first.
        most_frames = _FRAMES_AT_ONCE if self._config.inpaint.kind == "sdxl" else 1
        self.worker = Worker(self._inbox, self._load, self._on_failure, most_frames)
        # A steady clock: with use_sim_time and no /clock a ROS timer would never fire.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_FOLLOW_PERIOD_S, self._follow_topics, clock=steady)
        self.create_timer(_REPORT_PERIOD_S, self.report, clock=steady)

    def report(self) -> None:
        """Log the counters of every stream."""
        for topic, counts in self._inbox.counts().items():
            self.get_logger().info(f"{topic}: {counts}")

    def _resolve_topics(self) -> dict[str, str]:
        """The configured topics by fully qualified name."""
        try:
            topics = {self.resolve_topic_name(name): name for name in self._config.topics.images}
        except RuntimeError as error:  # what rclpy raises for a name that is none
            names = ", ".join(self._config.topics.images)
            message = f"parameter topics.images: {names}: {error}"
            raise ConfigError(message) from error
        prefix = self._config.topics.prefix
        # Remapping applies to them too, and could lead one onto a camera's topic.
        mirrored = {self.resolve_topic_name(mirrored_topic(name, prefix)) for name in topics}
        if clash := mirrored & topics.keys():
            message = (
                f"parameter topics.images: {', '.join(sorted(clash))} is the mirrored topic of "
                f"this or another one; leave it out, or do not remap it"
            )
            raise ConfigError(message)
        return topics

    def _follow_topics(self) -> None:
        """Open a stream for each configured topic once its publisher tells its type."""
        absent, wrong = [], []
        for name in sorted(self._missing):
            # Of the publishers alone: a subscriber may have asked for the wrong type.
            publishers = self.get_publishers_info_by_topic(name)
            types = sorted({publisher.topic_type for publisher in publishers})
            if not types:
                absent.append(name)
            elif len(types) == 1 and types[0] in _MESSAGE_TYPES:
                self._open(name, self._missing.pop(name), types[0])
            else:
                wrong.append(f"{name} ({', '.join(types)})")
        if absent:
            self.get_logger().warning(
                f"nobody publishes {', '.join(absent)} yet",
                throttle_duration_sec=_REPORT_PERIOD_S,
            )
        if wrong:
            self.get_logger().error(
                f"not anonymized, not {' or '.join(_MESSAGE_TYPES)}: {', '.join(wrong)}",
                throttle_duration_sec=_REPORT_PERIOD_S,
            )

    def _open(self, name: str, topic: str, type_name: str) -> None:
        self._streams[name] = ImageStream(
            self,
            topic,
            _MESSAGE_TYPES[type_name],
            self._config.topics.prefix,
            partial(self._inbox.offer, name),
        )
        self.get_logger().info(f"{name} ({type_name}) -> {self._streams[name].mirrored}")

    def _load(self) -> Process[ImageMessage]:
        self.get_logger().info(f"loading models for inpaint.kind = {self._config.inpaint.kind}")
        start_s = time.monotonic()
        anonymizer = build_anonymizer(self._config)
        self.get_logger().info(f"models loaded in {time.monotonic() - start_s:.1f} s")
        return partial(self._process, anonymizer)

    def _process(
        self, anonymizer: Anonymizer, frames: Sequence[tuple[str, ImageMessage]]
    ) -> list[Exception | None]:
        """Publish the frames of several topics; returns what went wrong with each."""
        errors: list[Exception | None] = [None] * len(frames)
        images = {}
        for index, (_, message) in enumerate(frames):
            try:
                images[index] = decode(message)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[index] = error
        seed = self._config.inpaint.seed
        results = anonymizer.anonymize_batch([(image, seed) for image in images.values()])
        for index, result in zip(images, results, strict=True):
            try:
                self._publish(*frames[index], result)
            except Exception as error:  # noqa: BLE001 - of this frame alone
                errors[index] = error
        return errors

    def _publish(self, name: str, message: ImageMessage, result: Anonymized | Exception) -> None:
        if isinstance(result, Exception):
            raise result
        self._streams[name].publish(encode(message, result, self._config.output.jpeg_quality))
        self._warn_of_covered(name, result)

    def _warn_of_covered(self, name: str, result: Anonymized) -> None:
        reasons = [o.reason for o in result.outcomes if o.kind is OutcomeKind.COVERED]
        if reasons:
            self.get_logger().warning(
                f"{name}: {len(reasons)} of {len(result.outcomes)} persons covered, not inpainted: "
                f"{reasons[0]}",
                throttle_duration_sec=_REPORT_PERIOD_S,
            )

    def _on_failure(self, name: str, error: Exception) -> None:
        self.get_logger().error(
            f"{name}: a frame failed and is not published: {describe(error)}",
            throttle_duration_sec=1.0,
        )
