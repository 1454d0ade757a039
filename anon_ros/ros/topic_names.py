"""Names that ROS derives from others."""


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


def resolve_pattern(pattern: str, node_name: str) -> str:
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
