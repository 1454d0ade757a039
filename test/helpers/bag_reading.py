"""Reading recordings with other people's readers."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import mcap.reader
import numpy as np
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2 import Reader

from anon_ros.core import RgbImage
from helpers.bags import ROS1_TYPES, ROS2_TYPES


class ReadMessage(NamedTuple):
    topic: str
    type_name: str
    time_ns: int
    data: bytes
    extra: tuple[int, ...] = ()


def read_messages(path: Path) -> list[ReadMessage]:
    """Return all messages, by the reader of rosbags or, for a bare MCAP file, of mcap."""
    if path.suffix == ".mcap":
        return [
            ReadMessage(
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
        return [ReadMessage(c.topic, c.msgtype, t, bytes(data)) for c, t, data in reader.messages()]


def read_channels(path: Path) -> list[tuple[Any, ...]]:
    """Return the metadata of each topic."""
    with (Ros1Reader if path.suffix == ".bag" else Reader)(path) as reader:
        return [
            (c.topic, c.msgtype, c.msgdef, c.digest, c.msgcount, c.ext) for c in reader.connections
        ]


def deserialize(each: ReadMessage, *, ros1: bool = False) -> Any:
    if ros1:
        return ROS1_TYPES.deserialize_ros1(each.data, each.type_name)
    return ROS2_TYPES.deserialize_cdr(each.data, each.type_name)


def get_image_metadata(message: Any) -> tuple[Any, ...]:
    stamp = message.header.stamp
    names = ("height", "width", "encoding", "is_bigendian", "step", "format")
    known = [getattr(message, name, None) for name in names]
    size = len(message.data) if known[0] else 0
    return stamp.sec, stamp.nanosec, message.header.frame_id, *known, size


def decode_image(message: Any) -> RgbImage:
    """Decode an image message by OpenCV alone."""
    if hasattr(message, "format"):
        return cv2.imdecode(np.array(message.data), cv2.IMREAD_COLOR)[..., ::-1]
    rows = np.array(message.data).reshape(message.height, message.step)
    if message.encoding == "bgr8":
        return rows[:, : message.width * 3].reshape(message.height, message.width, 3)[..., ::-1]
    return cv2.cvtColor(rows[:, : message.width], cv2.COLOR_BayerRGGB2RGB)[..., ::-1]
