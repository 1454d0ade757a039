"""Relay of topics that are mirrored unchanged, byte for byte."""

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.topic_endpoint_info import TopicEndpointInfo

from anon_ros.errors import ConfigError, format_error
from anon_ros.images import MAX_TEXT_CHARACTERS, POINT_CLOUD_TYPE
from anon_ros.images.content.definitions import inspect_definition
from anon_ros.images.content.media import find_media
from anon_ros.images.content.multi_arrays import find_picture_shape, is_multi_array
from anon_ros.images.content.point_clouds import find_cloud_problem
from anon_ros.live import GateClosed, OutputGate
from anon_ros.ros.message_types import describe_type, find_pixel_type, import_message_type
from anon_ros.ros.node_logging import LogThrottle
from anon_ros.ros.topics.frame_ids import reject_long_frame_ids, reject_long_header
from anon_ros.ros.topics.qos import matched_profiles, publisher_options, subscription_options

# Late subscribers of latched topics such as /tf_static need the messages of all publishers.
_DEPTH = 100
_NUM_WHOLE_MESSAGES = 10
_MAX_CHECKED_BYTES = 2**20
_LOG_PERIOD_S = 10.0


class TopicRelay:
    """Relay from a topic to its mirrored topic while that has subscribers.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: name of the mirrored topic.
        publishers: of the topic; their QoS is copied.
        gate: passed by every message.

    Raises:
        ConfigError: if the type carries pixels or voices, or is not installed.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        mirrored: str,
        publishers: Sequence[TopicEndpointInfo],
        gate: OutputGate,
    ) -> None:
        self._node = node
        self._topic = topic
        self._gate = gate
        self.type_name = str(publishers[0].topic_type)
        self._type = import_pixel_free(topic, self.type_name, node.get_logger().warning)
        self._has_frame_ids = "frame_id" in describe_type(self._type)
        self._num_messages = 0
        self._throttle = LogThrottle(_LOG_PERIOD_S)
        self._profile, published = matched_profiles(publishers, _DEPTH)
        self._subscription: object = None
        self._publisher = node.create_publisher(
            self._type, mirrored, published, **publisher_options(node, mirrored)
        )

    @property
    def mirrored_topic(self) -> str:
        """Name of the mirrored topic."""
        return str(self._publisher.topic_name)

    @property
    def num_subscribers(self) -> int:
        """Number of subscribers of the mirrored topic."""
        return int(self._publisher.get_subscription_count())

    def update_subscription(self, *, lazy: bool) -> None:
        """Subscribe if the mirrored topic has subscribers, or always unless ``lazy``.

        Not while the gate is closed: the last message of a latched topic would be lost for good.
        """
        wanted = self._gate.is_open
        wanted = wanted and (not lazy or self.num_subscribers > 0)
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
        try:
            if problem := self._find_problem(data):
                raise ConfigError(problem)
            self._gate.send(lambda: self._publisher.publish(data))
        except GateClosed:
            pass
        except Exception as error:  # noqa: BLE001 - a message's failure must not end the node
            if self._throttle.allows(self._topic):
                self._node.get_logger().error(f"{self._topic}: not relayed: {format_error(error)}")

    def _find_problem(self, data: bytes) -> str:
        """Return why a message must not be relayed; empty if it may.

        Raises:
            TextLengthError: if a frame_id is too long.
        """
        if self.type_name == POINT_CLOUD_TYPE:
            cloud = deserialize_message(data, self._type)
            reject_long_frame_ids(cloud)
            return find_cloud_problem(cloud)
        if is_multi_array(self.type_name):
            layout = deserialize_message(data, self._type).layout
            if shape := find_picture_shape(self.type_name, layout.dim):
                return shape
        # Large messages at a high rate would hold up the other topics.
        self._num_messages += 1
        is_whole = self._num_messages <= _NUM_WHOLE_MESSAGES
        if is_whole or len(data) <= _MAX_CHECKED_BYTES:
            self._reject_long_frame_ids(data)
        else:
            reject_long_header(self._type, data)
        media = find_media(data if is_whole else data[:_MAX_CHECKED_BYTES])
        return f"holds {media}" if media else ""

    def _reject_long_frame_ids(self, data: bytes) -> None:
        if self._has_frame_ids and len(data) > MAX_TEXT_CHARACTERS:
            reject_long_frame_ids(deserialize_message(data, self._type))


def import_pixel_free(topic: str, type_name: str, notify: Callable[[str], object]) -> Any:
    """Return the class of a message type without pixels or voices in any field, however deep.

    Raises:
        ConfigError: if a field carries them, or the type is not installed.
    """
    message_type = import_message_type(type_name)
    inside = find_pixel_type(type_name, message_type)
    problem = f"carries pixels ({inside})" if inside else ""
    if not problem and type_name != POINT_CLOUD_TYPE:
        finding = inspect_definition(topic, type_name, describe_type(message_type))
        problem = "" if finding.is_notice else finding.reason
        if finding.is_notice and finding.reason:
            notify(f"{topic} is copied: {finding.reason}")
    if problem:
        message = (
            f"topics.passthrough: {type_name}: {problem}; it is not copied unchanged: leave it "
            f"out, or name it in topics.images if it is an Image or CompressedImage"
        )
        raise ConfigError(message)
    return message_type
