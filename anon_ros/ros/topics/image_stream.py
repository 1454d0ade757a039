"""Image topic and its mirrored topic."""

import time
from collections.abc import Callable, Sequence

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

from anon_ros.config import Config, mirrored_topic
from anon_ros.ros.node_logging import LogThrottle
from anon_ros.ros.topics.camera_info import TIME_JUMP_NS, CameraInfoMirror
from anon_ros.ros.topics.image_messages import ImageMessage, stamp_ns
from anon_ros.ros.topics.image_publisher import ImagePublisher, compressed_topic
from anon_ros.ros.topics.leak_guard import find_subscribers
from anon_ros.ros.topics.qos import default_profiles, matched_profiles, subscription_options
from anon_ros.utils.units import NS_PER_S

_YIELD_S = 5e-5
_JUMP_LOG_PERIOD_S = 10.0

MESSAGE_TYPES: dict[str, type[ImageMessage]] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
}


class ImageStream:
    """Subscription to an image topic and publisher of its mirrored topic.

    Args:
        node: owner of subscription and publisher.
        topic: as configured, where remapping applies, or fully qualified.
        publishers: of the topic, for its type and, with ``qos.match_publisher``, its QoS.
        infos: CameraInfo of the camera.
        config: prefix, QoS and mark.
        on_image: called in the executor's thread with name and image.

    Attributes:
        name: of the topic, fully qualified.
        type_name: of the messages.
        mirrored_topic: name of the mirrored topic.
        is_raw: False for compressed images.
        compressed: of a raw image topic, the compressed one of the same camera; None without one.
        feeder: of a compressed image topic, the raw one whose frames it shows; empty while its own
            are anonymized.
        num_time_jumps: number of times that the stamps jumped back.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a join of two topics
        self,
        node: Node,
        topic: str,
        publishers: Sequence[TopicEndpointInfo],
        infos: CameraInfoMirror,
        config: Config,
        on_image: Callable[[str, ImageMessage], None],
    ) -> None:
        self._node = node
        self._topic = topic
        self._on_image = on_image
        self._subscription: object = None
        self._newest_ns = 0
        self._jump_log = LogThrottle(_JUMP_LOG_PERIOD_S)
        self.infos = infos
        self.num_time_jumps = 0
        self.name = str(node.resolve_topic_name(topic))
        self.type_name = str(publishers[0].topic_type)
        self._config = config
        self._publishers = publishers
        self._profile = self._choose_profiles()[0]
        mirrored = mirrored_topic(self.name, config.topics.prefix, node.get_namespace())
        self._images = self._advertise(MESSAGE_TYPES[self.type_name], mirrored)
        self._jpegs: ImagePublisher | None = None
        self.is_raw = MESSAGE_TYPES[self.type_name] is Image
        self.compressed: ImageStream | None = None
        self.feeder = ""
        self.mirrored_topic = self._images.topic

    @property
    def is_subscribed(self) -> bool:
        """True while the image topic is subscribed."""
        return self._subscription is not None

    @property
    def num_subscribers(self) -> int:
        """Number of subscribers of the mirrored topic, and of the JPEG beside it."""
        return self._images.num_subscribers + (self._jpegs.num_subscribers if self._jpegs else 0)

    @property
    def published_topics(self) -> Sequence[str]:
        """The mirrored topic and those beside it."""
        return *self._images.topics, *(self._jpegs.topics if self._jpegs else ())

    def needs_jpeg(self) -> bool:
        """Return True while somebody wants the JPEG of these raw images. Any thread may call it."""
        output = self._find_jpeg_output()
        return output is not None and output.num_subscribers > 0

    @property
    def wants_jpegs(self) -> bool:
        """True for a raw image topic that offers JPEG of its own: it has no compressed one."""
        return self.is_raw and self.compressed is None and self._config.output.compressed

    def offer_jpegs(self, *, wanted: bool) -> None:
        """Advertise the JPEG topic beside the mirrored one, or end that."""
        if wanted and self._jpegs is None:
            topic = compressed_topic(self.mirrored_topic)
            self._jpegs = self._advertise(CompressedImage, topic)
        elif not wanted and self._jpegs is not None:
            jpegs, self._jpegs = self._jpegs, None
            jpegs.close()

    def find_subscribers(self) -> list[str]:
        """Return the names of the nodes that subscribe to the mirrored topic."""
        return find_subscribers(self._node, self.mirrored_topic)

    def set_subscribed(self, *, wanted: bool) -> None:
        """Subscribe, or end the subscription."""
        if wanted != self.is_subscribed:
            verb = "subscribed" if wanted else "no longer subscribed"
            self._node.get_logger().debug(f"{self.name}: {verb}")
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                MESSAGE_TYPES[self.type_name],
                self._topic,
                self._receive,
                self._profile,
                **subscription_options(self._node, self.name),
            )
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def publish(self, image: ImageMessage, drawn_beta_d: float | None) -> None:
        """Publish an anonymized image, its mark before it and its CameraInfo behind it.

        Any thread may call it.

        Args:
            image: to publish.
            drawn_beta_d: lowest noise level of the model that drew in it; None if none did.
        """
        self._images.publish(image, drawn_beta_d)
        self.infos.on_image(image)

    def publish_jpeg(self, jpeg: CompressedImage, drawn_beta_d: float | None) -> None:
        """Publish a raw image that was just published as JPEG, too; arguments as of ``publish``."""
        output = self._find_jpeg_output()
        if output is not None:
            output.publish(jpeg, drawn_beta_d)

    def close(self) -> None:
        self._node.get_logger().debug(f"{self.name}: closed")
        self.set_subscribed(wanted=False)
        self.offer_jpegs(wanted=False)
        self._images.close()

    def _find_jpeg_output(self) -> ImagePublisher | None:
        partner = self.compressed
        return self._jpegs if partner is None else partner._images  # noqa: SLF001 - of this class

    def _choose_profiles(self) -> tuple[QoSProfile, QoSProfile]:
        """Return profiles for the subscription and for a publisher, new in every call."""
        if self._config.qos.match_publisher:
            return matched_profiles(self._publishers)
        return default_profiles()

    def _advertise(self, message_type: type[ImageMessage], topic: str) -> ImagePublisher:
        profile, has_mark = self._choose_profiles()[1], self._config.output.mark
        return ImagePublisher(self._node, message_type, topic, profile, has_mark=has_mark)

    def _receive(self, image: ImageMessage) -> None:
        stamp = stamp_ns(image)
        back_ns = self._newest_ns - stamp
        if back_ns > TIME_JUMP_NS:
            self.num_time_jumps += 1
            self.infos.pairing.on_jump(stamp)
            if self._jump_log.allows(self.name):
                self._node.get_logger().warning(
                    f"{self.name}: the stamps jumped back by {back_ns / NS_PER_S:.1f} s; "
                    "starting again"
                )
            self._newest_ns = stamp
        self._newest_ns = max(self._newest_ns, stamp)
        self._on_image(self.name, image)
        # Let the worker have Python's lock; else this thread holds it during rclpy's bookkeeping.
        time.sleep(_YIELD_S)
