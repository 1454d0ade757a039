"""Reading recordings with other people's readers."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import mcap.reader
import numpy as np
from recordings import TYPES, TYPES_1
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader

from anon_ros.core import RgbImage


class Read(NamedTuple):
    topic: str
    type_name: str
    time_ns: int
    data: bytes
    extra: tuple[int, ...] = ()


def read(path: Path) -> list[Read]:
    """All messages, by the reader of rosbags or, for a bare MCAP file, of mcap."""
    if path.suffix == ".mcap":
        return [
            Read(
                channel.topic,
                schema.name,
                message.log_time,
                message.data,
                (message.publish_time, message.sequence),
            )
            for schema, channel, message in mcap.reader.make_reader(
                path.open("rb"), validate_crcs=True
            ).iter_messages()
        ]
    with (Ros1Reader if path.suffix == ".bag" else Reader)(path) as reader:
        return [Read(c.topic, c.msgtype, t, bytes(data)) for c, t, data in reader.messages()]


def channels(path: Path) -> list[tuple[Any, ...]]:
    """What is known of each topic beside its messages."""
    with (Ros1Reader if path.suffix == ".bag" else Reader)(path) as reader:
        return [
            (c.topic, c.msgtype, c.msgdef, c.digest, c.msgcount, c.ext) for c in reader.connections
        ]


def fields(each: Read, *, ros1: bool = False) -> Any:
    if ros1:
        return TYPES_1.deserialize_ros1(each.data, each.type_name)
    return TYPES.deserialize_cdr(each.data, each.type_name)


def everything_but_pixels(message: Any) -> tuple[Any, ...]:
    stamp = message.header.stamp
    names = ("height", "width", "encoding", "is_bigendian", "step", "format")
    known = [getattr(message, name, None) for name in names]
    size = len(message.data) if known[0] else 0
    return stamp.sec, stamp.nanosec, message.header.frame_id, *known, size


def picture(message: Any) -> RgbImage:
    """What an image message shows, by OpenCV alone."""
    if hasattr(message, "format"):
        return cv2.imdecode(np.array(message.data), cv2.IMREAD_COLOR)[..., ::-1]
    rows = np.array(message.data).reshape(message.height, message.step)
    if message.encoding == "bgr8":
        return rows[:, : message.width * 3].reshape(message.height, message.width, 3)[..., ::-1]
    return cv2.cvtColor(rows[:, : message.width], cv2.COLOR_BayerRGGB2RGB)[..., ::-1]
