"""Images and clouds inside of messages of other types, such as the texture of a Marker."""

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from anon_ros.bags.messages import deserialize, deserialize_with
from anon_ros.bags.storage.records import Channel
from anon_ros.bags.storage.type_definitions import get_definition, ros2_typestore
from anon_ros.errors import ImageFormatError, TextLengthError
from anon_ros.images import (
    IMAGE_TYPES,
    MAX_TEXT_CHARACTERS,
    POINT_CLOUD_TYPE,
    has_color_fields,
    reject_long_text,
)
from anon_ros.images.content.multi_arrays import find_picture_shape, is_multi_array

_NESTED_TYPE = re.compile(r"\bsensor_msgs/(?:msg/)?(?:Image|CompressedImage|PointCloud2)\b")
_SEPARATOR = re.compile(r"^={80}\s*$", re.MULTILINE)
_MAX_DEPTH = 32
_MIN_CLOUD_COLORS = 1000  # per marker; a legend or a path has fewer
_MARKER_TYPE = "visualization_msgs/msg/Marker"


def omit_nested(definition: str) -> str:
    """Return a definition without the images and clouds that ``find_nested_problem`` looks into."""
    head, *blocks = _SEPARATOR.split(definition)
    rest = [block for block in blocks if not _is_nested(block)]
    return _NESTED_TYPE.sub("nested_message", "\n".join([head, *rest]))


def holds_nested(channel: Channel, definition: str) -> bool:
    """Return True if messages of a type can be looked into for images and clouds."""
    if is_multi_array(channel.type_name):
        return True
    return bool(_NESTED_TYPE.search(definition)) and _is_readable(channel.type_name, definition)


def find_nested_problem(channel: Channel, data: bytes) -> str:
    """Return the nested message that shows a camera's view; empty if there is none.

    Args:
        channel: one for which ``holds_nested`` is True.
        data: of a message, decompressed.

    Raises:
        ImageFormatError: if the message is damaged.
    """
    if is_multi_array(channel.type_name):
        return find_picture_shape(channel.type_name, deserialize(channel, data).layout.dim)
    problems = map(_find_problem, _iter_nested(_deserialize(channel, data), 0))
    return next(filter(None, problems), "")


def has_colored_markers(channel: Channel, data: bytes) -> bool:
    """Return True if a marker has so many colored points that it may be a colored cloud.

    Raises:
        ImageFormatError: if the message is damaged.
    """
    nested = _iter_nested(_deserialize(channel, data), 0)
    markers = (item for item in nested if item.__msgtype__ == _MARKER_TYPE)
    return any(len(getattr(marker, "colors", ())) >= _MIN_CLOUD_COLORS for marker in markers)


def find_long_frame_id(channel: Channel, data: bytes) -> str:
    """Return the frame_id of a message in which a picture may hide; empty if there is none.

    Args:
        channel: of any type.
        data: of a message, decompressed; if it cannot be read, nothing is found.
    """
    if not _may_hold_long_text(data, channel.serialization) or not _has_frame_ids(channel):
        return ""
    try:
        for message in _iter_nested(_deserialize(channel, data), 0):
            for name, value in vars(message).items():
                if name.endswith("frame_id") and isinstance(value, str):
                    reject_long_text(name, value)
    except TextLengthError as error:
        return f"holds {error}"
    except ImageFormatError:
        return ""
    return ""


def _may_hold_long_text(data: bytes, serialization: str) -> bool:
    """Return True if a number stands where it may be the length of a long text.

    Most messages have none: it costs far less than to read them.
    """
    is_ros1 = serialization == "ros1"
    kind = "<u4" if is_ros1 or data[1:2] == b"\1" else ">u4"
    for start in range(4) if is_ros1 else (4,):  # CDR aligns numbers, ROS 1 does not
        count = (len(data) - start) // 4
        if count > MAX_TEXT_CHARACTERS // 4:
            lengths = np.frombuffer(data, kind, count, start)
            num_left = len(data) - start - 4 * np.arange(1, count + 1)
            if ((lengths > MAX_TEXT_CHARACTERS) & (lengths <= num_left)).any():
                return True
    return False


@lru_cache(maxsize=4096)
def _has_frame_ids(channel: Channel) -> bool:
    """Return True if messages have a frame_id, and a definition by which they can be read."""
    if channel.definition_encoding not in {"", "ros1msg", "ros2msg"}:
        return False
    definition = channel.definition or get_definition(channel)
    has_names = "frame_id" in definition or "Header" in definition
    return has_names and _is_readable(channel.type_name, definition)


def _deserialize(channel: Channel, data: bytes) -> Any:
    store = _build_typestore(channel.type_name, channel.definition or get_definition(channel))
    return deserialize_with(store, channel, data)


def _is_readable(type_name: str, definition: str) -> bool:
    try:
        _build_typestore(type_name, definition)
    except Exception:  # noqa: BLE001 - a definition from outside raises anything
        return False
    return True


@lru_cache(maxsize=256)
def _build_typestore(type_name: str, definition: str) -> Typestore:
    """Return the types of a definition alone: those of another ROS may have other fields."""
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, type_name))
    store.generate_msgdef(type_name)  # raises KeyError if a nested type is missing
    for name in store.fielddefs.keys() & {*IMAGE_TYPES, POINT_CLOUD_TYPE}:
        if store.fielddefs[name][1] != ros2_typestore().fielddefs[name][1]:
            message = f"{name} is defined in another way than in ROS"
            raise ValueError(message)
    return store


def _iter_nested(value: Any, depth: int) -> Iterator[Any]:
    """Yield a message and all messages in its fields."""
    if depth > _MAX_DEPTH:
        problem = "messages nested too deeply"
        raise ImageFormatError(problem)
    if isinstance(value, list):
        for item in value:
            yield from _iter_nested(item, depth + 1)
    elif is_dataclass(value):
        yield value
        for field in vars(value).values():
            yield from _iter_nested(field, depth + 1)


def _find_problem(message: Any) -> str:
    if message.__msgtype__ in IMAGE_TYPES:
        return f"holds {message.__msgtype__}" if len(message.data) else ""
    if message.__msgtype__ != POINT_CLOUD_TYPE:
        return ""
    is_colored = has_color_fields(field.name for field in message.fields)
    return "holds points with the colours of a camera" if is_colored else ""


def _is_nested(block: str) -> bool:
    first_line = block.lstrip().partition("\n")[0]
    return first_line.startswith("MSG:") and _NESTED_TYPE.search(first_line) is not None
