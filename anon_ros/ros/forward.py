"""Topics that are mirrored unchanged, byte for byte."""

import re
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from anon_ros.errors import ConfigError
from anon_ros.images import carries_pixels
from anon_ros.live import Gate, Withheld
from anon_ros.ros.qos import matching, publisher_options, subscription_options

_CLOUD = "sensor_msgs/msg/PointCloud2"
# Fields of a PointCloud2 stand before its points: a string "rgb..." or the strings "r", "g", "b".
_COLOUR = re.compile(rb"rgb|\x02\x00\x00\x00[rgb]\x00")
_HEAD_BYTES = 4096
# Late subscribers of latched topics, as /tf_static, are to get the messages of all publishers.
_DEPTH = 100


class Forward:
    """Copies the messages of one topic to its mirrored topic while somebody wants them.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: of the mirrored topic.
        publishers: of the topic; their QoS is copied.
        gate: that every message has to pass.

    Raises:
        ConfigError: if the type carries pixels, or is not installed.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        mirrored: str,
        publishers: Sequence[TopicEndpointInfo],
        gate: Gate,
    ) -> None:
        self._node = node
        self._topic = topic
        self._gate = gate
        self.type_name = str(publishers[0].topic_type)
        self._type = _message_type(self.type_name)
        self._profile, published = matching(publishers, _DEPTH)
        self._subscription: object = None
        self._publisher = node.create_publisher(
            self._type, mirrored, published, **publisher_options(node, mirrored)
        )

    def follow(self, *, lazy: bool) -> None:
        """Subscribe while it is wanted."""
        wanted = not lazy or self._publisher.get_subscription_count() > 0
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                self._type,
                self._topic,
                self._forward,
                self._profile,
                raw=True,
                **subscription_options(self._node, self._topic),
            )
        elif not wanted:
            self._stop()

    def close(self) -> None:
        self._stop()
        self._node.destroy_publisher(self._publisher)

    def _stop(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _forward(self, data: bytes) -> None:
        if self.type_name == _CLOUD and _COLOUR.search(data[:_HEAD_BYTES]):
            self._node.get_logger().error(
                f"{self._topic}: coloured points show what the camera saw; not forwarded",
                throttle_duration_sec=10.0,
            )
            return
        with suppress(Withheld):
            self._gate.run(lambda: self._publisher.publish(data))


def _message_type(type_name: str) -> Any:
    if carries_pixels(type_name):
        message = (
            f"topics.forward: {type_name} carries pixels and is not copied unchanged; "
            f"leave it out, or name it in topics.images if it is an Image or CompressedImage"
        )
        raise ConfigError(message)
    package, kind, name = type_name.split("/")
    try:
        return getattr(import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        message = f"topics.forward: the type {type_name} is not installed here"
        raise ConfigError(message) from error
