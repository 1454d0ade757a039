"""Comparison of recorded frames with the camera's frames."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from camera_frames import BgrImage, Panning, Video, index_of
from rosbags.highlevel import AnyReader

from anon_ros.core import RgbImage, Segmenter
from anon_ros.utils.units import NS_PER_S

TOPIC = "/anon/camera/image_raw"
_MAX_SAME_RATIO = 0.25


def iter_recorded_frames(bag: Path) -> Iterator[tuple[int, BgrImage]]:
    """Yield index and image of the recorded frames."""
    with AnyReader([bag]) as reader:
        connections = [c for c in reader.connections if c.topic == TOPIC]
        for connection, _, data in reader.messages(connections):
            message = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp
            index = index_of(stamp.sec * NS_PER_S + stamp.nanosec)
            yield index, message.data.reshape(message.height, message.width, 3)


def check_bag(bag: Path, camera: Panning | Video, segmenter: Segmenter) -> Counter[str]:
    """Count recorded frames and persons, and persons of whom a quarter or more is unchanged.

    The persons are looked for in what the camera saw, not taken from the node.
    """
    counts: Counter[str] = Counter(frames=0, persons=0, left=0)
    for index, recorded in iter_recorded_frames(bag):
        original = camera.frame(index)
        masks = segmenter.segment(_convert_to_rgb(original)).masks
        same = cv2.absdiff(recorded, original).max(axis=2) <= 1
        left = [bool(same[mask].mean() >= _MAX_SAME_RATIO) for mask in masks]
        counts.update(frames=1, persons=len(masks), left=sum(left))
    return counts


def _convert_to_rgb(image: BgrImage) -> RgbImage:
    return np.ascontiguousarray(image[..., ::-1])
