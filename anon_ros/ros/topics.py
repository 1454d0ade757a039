"""Names of topics, and patterns of them."""

import re
from functools import cache


def mirrored_topic(topic: str, prefix: str) -> str:
    """The topic on which the anonymized ``topic`` (fully qualified) is published.

    A prefix, not a suffix: image_transport derives the camera_info topic from all but the last
    part of an image topic's name.
    """
    return f"/{prefix.strip('/')}{topic}"


def camera_info_topic(topic: str, *, compressed: bool) -> str:
    """The CameraInfo topic that belongs to an image topic (image_transport's getCameraInfoTopic).

    Args:
        topic: fully qualified.
        compressed: the topic carries CompressedImage, whose name may end in /compressed below that
            of the raw image.
    """
    if compressed:
        topic = topic.removesuffix("/compressed")
    return topic.rpartition("/")[0] + "/camera_info"


def is_pattern(name: str) -> bool:
    """Whether a name of the configuration stands for several topics or nodes."""
    return "*" in name or "?" in name


def qualify(pattern: str, node_name: str) -> str:
    """A pattern made absolute, as ROS does it with names; remapping does not apply.

    Args:
        pattern: absolute, relative or private (~).
        node_name: fully qualified.
    """
    if pattern.startswith("~"):
        return node_name + pattern[1:]
    if pattern.startswith("/"):
        return pattern
    return f"{node_name.rpartition('/')[0]}/{pattern}"


def matches(name: str, pattern: str) -> bool:
    """Whether a fully qualified name fits: ? is a character, * a part or less, ** anything."""
    return _expression(pattern).fullmatch(name) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(token) or re.escape(token) for token in tokens))
