"""Which messages show what a camera saw, told by the name of their type."""

ANONYMIZED_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
"""Those that anon_ros reads and writes."""

_WORDS = ("image", "video", "theora", "ffmpeg", "h264", "h265", "jpeg", "photo", "picture")


def carries_pixels(type_name: str) -> bool:
    """Whether a type of message, as in "sensor_msgs/msg/Image", is or sounds like pictures.

    A guess on the safe side: Theora and FFMPEG packets, CompressedVideo and unknown types with
    such names count, CameraInfo and point clouds do not (a cloud may be coloured: look inside).
    """
    return any(word in type_name.lower() for word in _WORDS)
