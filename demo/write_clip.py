"""Video clip of a recording beside its anonymized version."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from camera_frames import PERIOD_NS, BgrImage
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from anon_ros.utils.units import NS_PER_S

_STORE = get_typestore(Stores.ROS2_JAZZY)
_GAP_PX = 8


def write_clip(before: Path, after: Path, clip: Path) -> None:
    """Write the images of two recordings side by side, at their rate."""
    writer = None
    for pair in zip(_iter_images(before), _iter_images(after), strict=True):
        gap = np.full((len(pair[0]), _GAP_PX, 3), 255, np.uint8)
        side_by_side = np.hstack([pair[0], gap, pair[1]])
        if writer is None:
            codec = cv2.VideoWriter_fourcc(*"mp4v")
            size_wh = side_by_side.shape[1], side_by_side.shape[0]
            writer = cv2.VideoWriter(str(clip), codec, NS_PER_S / PERIOD_NS, size_wh)
        writer.write(side_by_side)
    if writer is not None:
        writer.release()


def _iter_images(bag: Path) -> Iterator[BgrImage]:
    with Reader(bag) as reader:
        connections = [c for c in reader.connections if c.msgtype == "sensor_msgs/msg/Image"]
        for connection, _, data in reader.messages(connections):
            message = _STORE.deserialize_cdr(data, connection.msgtype)
            yield message.data.reshape(message.height, message.width, 3)
