"""Texts of relayed messages that nobody looks at, and in which a picture may hide."""

import struct
from typing import Any

from anon_ros.images import reject_long_text

_FRAME_ID_OFFSET = 12  # behind encapsulation and stamp
_HEADER = "std_msgs/Header"


def reject_long_frame_ids(message: Any) -> None:
    """Reject a message with a frame_id, however deep in it, that is too long.

    Raises:
        TextLengthError: names the field.
    """
    for name in message.get_fields_and_field_types():
        value = getattr(message, name)
        if isinstance(value, str) and name.endswith("frame_id"):
            reject_long_text(name, value)
        for item in value if isinstance(value, list | tuple) else (value,):
            if hasattr(item, "get_fields_and_field_types"):
                reject_long_frame_ids(item)


def reject_long_header(message_type: Any, data: bytes) -> None:
    """Reject a serialized message whose header has a frame_id that is too long.

    Raises:
        TextLengthError: names the field.
    """
    kinds = list(message_type.get_fields_and_field_types().values())
    if kinds[:1] != [_HEADER] or len(data) < _FRAME_ID_OFFSET + 4:
        return
    order = "<" if data[1] & 1 else ">"
    (num_bytes,) = struct.unpack_from(f"{order}I", data, _FRAME_ID_OFFSET)
    reject_long_text("frame_id", data[_FRAME_ID_OFFSET + 4 :][: num_bytes - 1])
