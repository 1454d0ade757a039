"""Recognition of messages that show a camera's view, by names."""

import re
from collections.abc import Iterable

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
"""The types that anon_ros reads and writes."""

POINT_CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
"""The type that shows a camera's view if its fields say that its points have colors."""

_COLOUR = re.compile(
    r"rgb|bgr|colou?r|gr[ae]y|texture|(?:^|_)(?:red|green|blue)(?:$|_)|^[rgba]\d*$", re.IGNORECASE
)
# Clouds whose colors we cannot see: in channels, or compressed.
_OTHER_CLOUD = re.compile(r".*[/.](PointCloud|CompressedPointCloud\w*)")
_THERMAL_WORDS = ("therm", "lwir", "mwir", "flir", "lepton", "boson", "radiometr")
_WORDS = ("image", "video", "theora", "ffmpeg", "h264", "h265", "jpeg", "photo", "picture")


def may_carry_pixels(type_name: str) -> bool:
    """Return True if a type, as in "sensor_msgs/msg/Image", is or sounds like pictures.

    A guess on the safe side: Theora and FFMPEG packets, CompressedVideo, unknown types with such
    names and clouds in old or compressed forms count. CameraInfo does not, nor does PointCloud2
    (see ``has_color_fields``).
    """
    return has_image_keyword(type_name) or _OTHER_CLOUD.fullmatch(type_name) is not None


def has_image_keyword(name: str) -> bool:
    """Return True if the name of a type, topic or field has a word for pictures in it."""
    return any(word in name.lower() for word in _WORDS)


def has_color_fields(field_names: Iterable[str]) -> bool:
    """Return True if the points of a PointCloud2 with these fields have colors."""
    return any(_COLOUR.search(name) for name in field_names)


def is_thermal_topic(name: str) -> bool:
    """Return True if the name of a topic has a word for thermal cameras in it.

    It decides about 16UC1, which may also be depth, in recordings and live: the data look the same.
    """
    return any(word in name.lower() for word in _THERMAL_WORDS)
