"""Which encodings of sensor_msgs/Image are anonymized.

Names and synonyms are those of sensor_msgs/image_encodings.hpp (ros2/common_interfaces).
"""

import re
from collections.abc import Mapping

from anon_ros.errors import ImageFormatError
from anon_ros.images.bayer import Bayer
from anon_ros.images.buffers import Layout
from anon_ros.images.packed import Packed
from anon_ros.images.yuv import SemiPlanar, Yuv422

LAYOUTS: Mapping[str, Layout] = {
    **{
        f"{order}{8 * sample_bytes}": Packed(order, sample_bytes)
        for sample_bytes in (1, 2)
        for order in ("rgb", "bgr", "rgba", "bgra", "mono")
    },
    "8UC1": Packed("mono", 1),
    "8UC3": Packed("bgr", 1),
    "8UC4": Packed("bgra", 1),
    **{
        f"bayer_{pattern}{8 * sample_bytes}": Bayer(pattern, sample_bytes)
        for sample_bytes in (1, 2)
        for pattern in ("rggb", "bggr", "gbrg", "grbg")
    },
    "yuv422": Yuv422(luma_at=1),
    "uyvy": Yuv422(luma_at=1),
    "yuv422_yuy2": Yuv422(luma_at=0),
    "yuyv": Yuv422(luma_at=0),
    "nv12": SemiPlanar(u_at=0, multiple_hw=(2, 2)),
    "nv21": SemiPlanar(u_at=1, multiple_hw=(2, 2)),
    "nv24": SemiPlanar(u_at=0, multiple_hw=(1, 1)),
}


def is_supported(encoding: str) -> bool:
    """Whether images of ``encoding`` can be anonymized."""
    return encoding in LAYOUTS


_MATRIX_TYPE = re.compile(r"(8|16|32|64)[USF]C\d*")


def layout_of(encoding: str) -> Layout:
    """How the pixels of ``encoding`` lie in memory.

    Raises:
        ImageFormatError: if it holds no picture (depth, float) or is not known.
    """
    refuse_matrix(encoding)
    layout = LAYOUTS.get(encoding)
    if layout is None:
        message = f"encoding {encoding!r} is not known; supported are {', '.join(LAYOUTS)}"
        raise ImageFormatError(message)
    return layout


def refuse_matrix(encoding: str) -> None:
    """Refuse the encodings that mean numbers instead of a picture.

    Raises:
        ImageFormatError: for 16UC1, 32FC1 and all other matrix types that are not 8-bit colour.
    """
    if _MATRIX_TYPE.fullmatch(encoding) and encoding not in LAYOUTS:
        message = (
            f"encoding {encoding!r} cannot be anonymized: depth and float images carry no visible "
            f"colour to find persons in; supported are {', '.join(LAYOUTS)}"
        )
        raise ImageFormatError(message)
