"""Relay of topics that are mirrored unchanged, byte for byte."""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import PointCloud2

from anon_ros.errors import ConfigError, format_error
from anon_ros.images import POINT_CLOUD_TYPE, has_color_fields, may_carry_pixels
from anon_ros.live import GateClosed, OutputGate
from anon_ros.ros.qos import matched_profiles, publisher_options, subscription_options

# Late subscribers of latched topics such as /tf_static need the messages of all publishers.
_DEPTH = 100


class TopicRelay:
    """Relay from a topic to its mirrored topic while that has subscribers.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: name of the mirrored topic.
        publishers: of the topic; their QoS is copied.
        gate: passed by every message.

    Raises:
        ConfigError: if the type carries pixels, or is not installed.
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
        self._type = _import_pixel_free(self.type_name)
        self._profile, published = matched_profiles(publishers, _DEPTH)
        self._subscription: object = None
        self._publisher = node.create_publisher(
            self._type, mirrored, published, **publisher_options(node, mirrored)
        )

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
            if self.type_name == POINT_CLOUD_TYPE and _has_color(
                deserialize_message(data, self._type)
            ):
                message = "colored points show the camera's view"
                raise ConfigError(message)
            self._gate.send(lambda: self._publisher.publish(data))
        except GateClosed:
            pass
        except Exception as error:  # noqa: BLE001 - a message's failure must not end the node
            self._node.get_logger().error(
                f"{self._topic}: not relayed: {format_error(error)}", throttle_duration_sec=10.0
            )


def _has_color(cloud: PointCloud2) -> bool:
    return has_color_fields(field.name for field in cloud.fields)


def _import_pixel_free(type_name: str) -> Any:
    """Return the class of a message type without pixels in any field, however deep.

    Raises:
        ConfigError: if a field carries pixels, or the type is not installed.
    """
    message_type = _import(type_name)
    if inside := _find_pixel_type(type_name, message_type):
        message = (
            f"topics.passthrough: {type_name} carries pixels ({inside}) and is not copied "
            "unchanged; "
            f"leave it out, or name it in topics.images if it is an Image or CompressedImage"
        )
        raise ConfigError(message)
    return message_type


def _find_pixel_type(type_name: str, message_type: Any) -> str:
    """Return the name of the type, this or a nested one, that carries pixels; empty without one."""
    if may_carry_pixels(type_name):
        return type_name
    for field in message_type.get_fields_and_field_types().values():
        for package, name in re.findall(r"(\w+)/(\w+)", field):
            nested = f"{package}/msg/{name}"
            if inside := _find_pixel_type(nested, _import(nested)):
                return inside
    return ""


def _import(type_name: str) -> Any:
    package, kind, name = type_name.split("/")
    try:
        return getattr(import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        message = f"topics.passthrough: the type {type_name} is not installed here"
        raise ConfigError(message) from error
