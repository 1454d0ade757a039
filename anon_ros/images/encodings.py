"""Encodings of sensor_msgs/Image that are anonymized.

Names and synonyms are those of sensor_msgs/image_encodings.hpp (ros2/common_interfaces).
"""

import re
from collections.abc import Mapping

from anon_ros.errors import UnsupportedFormatError
from anon_ros.images.bayer import BayerLayout
from anon_ros.images.layout import PixelLayout
from anon_ros.images.packed import PackedLayout
from anon_ros.images.pixel_content import is_thermal_topic
from anon_ros.images.yuv import SemiPlanarLayout, Yuv422Layout

LAYOUTS: Mapping[str, PixelLayout] = {
    **{
        f"{order}{8 * sample_bytes}": PackedLayout(order, sample_bytes)
        for sample_bytes in (1, 2)
        for order in ("rgb", "bgr", "rgba", "bgra", "mono")
    },
    "8UC1": PackedLayout("mono", 1),
    "8UC3": PackedLayout("bgr", 1),
    "8UC4": PackedLayout("bgra", 1),
    **{
        f"bayer_{pattern}{8 * sample_bytes}": BayerLayout(pattern, sample_bytes)
        for sample_bytes in (1, 2)
        for pattern in ("rggb", "bggr", "gbrg", "grbg")
    },
    "yuv422": Yuv422Layout(luma_index=1),
    "uyvy": Yuv422Layout(luma_index=1),
    "yuv422_yuy2": Yuv422Layout(luma_index=0),
    "yuyv": Yuv422Layout(luma_index=0),
    "nv12": SemiPlanarLayout(u_at=0, size_multiple_hw=(2, 2)),
    "nv21": SemiPlanarLayout(u_at=1, size_multiple_hw=(2, 2)),
    "nv24": SemiPlanarLayout(u_at=0, size_multiple_hw=(1, 1)),
}


THERMAL_ENCODING = "16UC1"
"""Gray values of a thermal camera, as mono16, or depth: the topic's name decides."""


def is_supported_encoding(encoding: str) -> bool:
    """Return True if images of ``encoding`` can be anonymized."""
    return encoding in LAYOUTS


def is_gray_encoding(encoding: str) -> bool:
    """Return True for the encodings of one gray channel."""
    return encoding.startswith("mono") or encoding in {"8UC1", THERMAL_ENCODING}


_MATRIX_TYPE = re.compile(r"(8|16|32|64)[USF]C\d*")


def get_layout(encoding: str) -> PixelLayout:
    """Return the layout of the pixels of ``encoding`` in memory.

    Raises:
        UnsupportedFormatError: if it holds no picture (depth, float) or is not known.
    """
    reject_non_picture(encoding)
    layout = LAYOUTS.get(encoding)
    if layout is None:
        message = f"encoding {encoding!r} is not known; supported are {', '.join(LAYOUTS)}"
        raise UnsupportedFormatError(message)
    return layout


def reject_non_picture(encoding: str) -> None:
    """Reject the encodings that mean numbers instead of a picture.

    Raises:
        UnsupportedFormatError: for 16UC1, 32FC1 and all matrix types but those of 8-bit color.
    """
    if _MATRIX_TYPE.fullmatch(encoding) and encoding not in LAYOUTS:
        message = (
            f"encoding {encoding!r} cannot be anonymized: depth and float images carry no visible "
            f"color to find persons in; supported are {', '.join(LAYOUTS)}"
        )
        raise UnsupportedFormatError(message)


def take_as_gray(declared: str) -> str:
    """Return an encoding or format as that of gray if it is a thermal camera's; others stay."""
    encoding, separator, rest = declared.partition(";")
    is_thermal = encoding.strip() == THERMAL_ENCODING and "compressedDepth" not in rest
    return f"mono16{separator}{rest}" if is_thermal else declared


def reject_depth(topic: str, encoding: str) -> None:
    """Reject 16UC1 on a topic that is not named like a thermal camera.

    Raises:
        UnsupportedFormatError: names topic and remedy.
    """
    if encoding == THERMAL_ENCODING and not is_thermal_topic(topic):
        message = (
            f"encoding {encoding!r} on {topic} may be depth: a thermal camera's gray is taken "
            "only on a topic named so (thermal, lwir, flir and the like); publish mono16 otherwise"
        )
        raise UnsupportedFormatError(message)
