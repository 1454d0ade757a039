"""Cameras and recorders of mirrored topics."""

from typing import Any

from rclpy.qos import DurabilityPolicy

from anon_ros.ros.topics.image_messages import decode_message
from helpers.fake_models import find_sentinel_pixels, make_street_image
from helpers.ros_images import make_raw_message

TOPIC, MIRRORED = "/cam/image_raw", "/anon/cam/image_raw"
RAW_SCENE = make_street_image(320, 240)
LASTING = {"durability": DurabilityPolicy.TRANSIENT_LOCAL}


def record_mirror(peer: Any, topic: str, message_type: type, **qos: Any) -> list[Any]:
    peer.advertise(topic, message_type, **qos)
    peer.record(f"/anon{topic}", message_type)
    return peer.received[f"/anon{topic}"]


def publish_frames(
    peer: Any,
    topic: str,
    since: int = 0,
    count: int = 5,
    make: Any = make_raw_message,
    period_s: float = 0.05,
) -> None:
    for index in range(since, since + count):
        peer.publish(topic, make(RAW_SCENE, index))
        peer.spin(period_s)


def count_received(node: Any, topic: str) -> int:
    """Return how many frames of a topic have arrived in the mailbox of a LiveNode."""
    counts = node.node._session.mailbox.counts()  # noqa: SLF001 - exact, at one moment
    return counts[topic].received if topic in counts else 0


def list_stamps_s(messages: list[Any]) -> list[int]:
    return [message.header.stamp.sec - 1000 for message in messages]


def hides_everybody(messages: list[Any]) -> bool:
    return bool(messages) and not any(
        find_sentinel_pixels(decode_message(message)).any() for message in messages
    )
