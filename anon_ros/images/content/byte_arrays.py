"""Arrays of std_msgs that have the shape of a picture."""

import re
from collections.abc import Iterable
from typing import Any

_TYPE = re.compile(r"std_msgs/msg/(?:Byte|U?Int8|U?Int16)MultiArray")
_MIN_SIZE_PX, _PICTURE_DIMENSIONS = 16, 2
_MAX_COLOR_CHANNELS = 4


def is_byte_array(type_name: str) -> bool:
    """Return True for the types whose arrays may be pixels and have a layout."""
    return _TYPE.fullmatch(type_name) is not None


def find_picture_shape(dimensions: Iterable[Any]) -> str:
    """Return why an array's MultiArrayDimension fields look like a picture; empty if not so."""
    sizes = [dimension.size for dimension in dimensions if dimension.size > 1]
    if len(sizes) == _PICTURE_DIMENSIONS + 1 and sizes[-1] <= _MAX_COLOR_CHANNELS:
        sizes.pop()
    is_picture = len(sizes) == _PICTURE_DIMENSIONS and min(sizes) >= _MIN_SIZE_PX
    return f"bytes in the shape of a picture, {sizes[0]} x {sizes[1]}" if is_picture else ""
