"""Topic names derived by the rules of ROS."""


def camera_info_topic(topic: str, *, compressed: bool) -> str:
    """Return the CameraInfo topic of an image topic (image_transport's getCameraInfoTopic).

    Args:
        topic: fully qualified.
        compressed: True for CompressedImage; its name may be that of the raw image and /compressed.
    """
    if compressed:
        topic = topic.removesuffix("/compressed")
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
