"""Names of topics."""


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
