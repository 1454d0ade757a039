"""Arrays of std_msgs that have the shape of a picture, channels last or first."""

import re
from collections.abc import Iterable
from typing import Any

_TYPE = re.compile(r"std_msgs/msg/(?:Byte|U?Int\d+|Float\d+)MultiArray")
_BYTES = re.compile(r".*/(?:Byte|U?Int8|U?Int16)MultiArray")
_MIN_SIZE_PX, _PICTURE_DIMENSIONS = 16, 2
_NUM_COLOR_CHANNELS = (3, 4)


def is_multi_array(type_name: str) -> bool:
    """Return True for the types whose arrays may be pixels and have a layout."""
    return _TYPE.fullmatch(type_name) is not None


def find_picture_shape(type_name: str, dimensions: Iterable[Any]) -> str:
    """Return why an array looks like a picture; empty if it does not.

    Args:
        type_name: one for which ``is_multi_array`` is True. Numbers of more than 16 bits without
            color channels are taken for maps.
        dimensions: the MultiArrayDimension messages of its layout.
    """
    sizes = [dimension.size for dimension in dimensions if dimension.size > 1]
    has_colors = False
    for place in (-1, 0):
        if len(sizes) == _PICTURE_DIMENSIONS + 1 and sizes[place] in _NUM_COLOR_CHANNELS:
            sizes.pop(place)
            has_colors = True
    is_picture = len(sizes) == _PICTURE_DIMENSIONS and min(sizes) >= _MIN_SIZE_PX
    if is_picture and (has_colors or _BYTES.fullmatch(type_name)):
        return f"numbers in the shape of a picture, {sizes[0]} x {sizes[1]}"
    return ""
