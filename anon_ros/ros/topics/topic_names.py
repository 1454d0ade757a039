"""Topic names checked and derived by the rules of ROS."""

from rclpy.exceptions import InvalidTopicNameException
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.validate_full_topic_name import validate_full_topic_name

PACKED_TRANSPORTS = ("compressedDepth", "zstd", "theora", "ffmpeg")
"""Last parts of names: transports of image_transport other than compressed."""

_UNKNOWN_NAME = "_NODE_NAME_UNKNOWN_"  # of the rmw implementations


def is_valid_topic(topic: str) -> bool:
    """Return True for a fully qualified name by the rules of ROS; DDS peers may use any other."""
    try:
        validate_full_topic_name(topic)
    except (InvalidTopicNameException, UnicodeError, ValueError):
        return False
    return True


def camera_info_topic(topic: str, *, compressed: bool) -> str:
    """Return the CameraInfo topic of an image topic (image_transport's getCameraInfoTopic).

    Args:
        topic: fully qualified.
        compressed: True for CompressedImage; its name may be that of the raw image and a plug-in's.
    """
    raw_topic, _, transport = topic.rpartition("/")
    if compressed and transport in {"compressed", *PACKED_TRANSPORTS}:
        topic = raw_topic
    return topic.rpartition("/")[0] + "/camera_info"


def resolve_pattern(pattern: str, node_name: str) -> str:
    """Return a pattern as an absolute one, by the rules for names, without remapping.

    Args:
        pattern: absolute, relative or private (~).
        node_name: fully qualified.
    """
    if pattern.startswith("~"):
        return node_name + pattern[1:]
    if pattern.startswith("/"):
        return pattern
    return f"{node_name.rpartition('/')[0]}/{pattern}"


def format_node_name(endpoint: TopicEndpointInfo) -> str:
    """Return the fully qualified name of an endpoint's node.

    Empty until the node is announced, and for a peer without ROS.
    """
    if endpoint.node_name == _UNKNOWN_NAME:
        return ""
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
