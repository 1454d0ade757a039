"""The images of a recording, for who wants nothing else of it."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from anon_ros.bags.messages import IMAGE_TYPE, deserialize_image
from anon_ros.bags.plan.decisions import TopicAction, TopicRules
from anon_ros.bags.plan.inspect import inspect_bag
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import MAX_TIME_NS, Channel, DamageLog, Message
from anon_ros.core import RgbImage
from anon_ros.errors import BagError, ImageFormatError


class BagImage(NamedTuple):
    """One image message, decoded.

    Attributes:
        topic: it was recorded on.
        log_time_ns: when.
        image: (H, W, 3) uint8 RGB.
    """

    topic: str
    log_time_ns: int
    image: RgbImage


def read_images(bag: Bag, topics: Collection[str], scratch: Path) -> Iterator[BagImage]:
    """Every image that ``anon_ros bag`` would anonymize, in the order of the recording.

    Args:
        bag: the recording.
        topics: of these alone; empty for all.
        scratch: folder in which files may be decompressed for the moment.

    Raises:
        BagError: if there are none, or a topic has none.
        BagDamageError: at a damaged place.
        ImageFormatError: if one cannot be decoded.
        OSError: if a file cannot be read.
    """
    plan = inspect_bag(bag, TopicRules(), 0, 0, salvage=False, scratch=scratch).topics
    found = {entry.topic for entry in plan.decisions if entry.action is TopicAction.ANONYMIZE}
    if not found or set(topics) - found:
        asked = ", ".join(sorted(set(topics) - found)) or "any topic"
        message = f"{bag.path}: no images on {asked}; it has some on {', '.join(found) or 'none'}"
        raise BagError(message)
    wanted = set(topics) or found

    def is_wanted(channel: Channel) -> bool:
        entry = plan.get(channel.topic, channel.type_name)
        is_image = entry is not None and entry.action is TopicAction.ANONYMIZE
        return is_image and channel.topic in wanted

    for record in _messages(bag, scratch):
        if is_wanted(record.channel):
            frame = deserialize_image(record.channel, bag.decompress(record.data))
            yield BagImage(record.channel.topic, record.log_time_ns, frame.decode())


class BagDepthMap(NamedTuple):
    """One depth message, decoded.

    Attributes:
        log_time_ns: when it was recorded.
        depth_m: (H, W) float32, NaN where it is not known.
    """

    log_time_ns: int
    depth_m: npt.NDArray[np.float32]


def read_depth_maps(bag: Bag, topic: str, scratch: Path) -> Iterator[BagDepthMap]:
    """The messages of a depth topic (REP 118: 16UC1 in mm, 32FC1 in m), in their order.

    Args:
        bag: the recording.
        topic: of sensor_msgs/Image.
        scratch: folder in which files may be decompressed for the moment.

    Raises:
        BagError: if there are none.
        BagDamageError: at a damaged place.
        ImageFormatError: if one is no depth.
        OSError: if a file cannot be read.
    """
    count = 0
    for record in _messages(bag, scratch):
        if record.channel.topic == topic and record.channel.type_name == IMAGE_TYPE:
            frame = deserialize_image(record.channel, bag.decompress(record.data))
            yield BagDepthMap(record.log_time_ns, _depth_m(frame.ros_message))
            count += 1
    if not count:
        message = f"{bag.path}: no sensor_msgs/msg/Image on {topic}"
        raise BagError(message)


def _messages(bag: Bag, scratch: Path) -> Iterator[Message]:
    for file in bag.files:
        with ExitStack() as stack:
            unpacked_to = stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".anon_ros-"))
            opened = stack.enter_context(closing(bag.open(file, DamageLog(), Path(unpacked_to))))
            for record in opened.records(DamageLog(), 0, MAX_TIME_NS):
                if isinstance(record, Message):
                    yield record


def _depth_m(fields: Any) -> npt.NDArray[np.float32]:
    kinds = {"16UC1": "u2", "32FC1": "f4"}
    if fields.encoding not in kinds:
        message = f"encoding {fields.encoding!r} is no depth; expected 16UC1 or 32FC1 (REP 118)"
        raise ImageFormatError(message)
    sample = np.dtype(f"{'>' if fields.is_bigendian else '<'}{kinds[fields.encoding]}")
    data, row_bytes = np.asarray(fields.data, np.uint8), fields.width * sample.itemsize
    if fields.step < row_bytes or len(data) < fields.height * fields.step:
        message = f"{len(data)} bytes for {fields.height} rows of {fields.step}, {row_bytes} needed"
        raise ImageFormatError(message)
    rows = data[: fields.height * fields.step].reshape(fields.height, fields.step)
    values = np.ascontiguousarray(rows[:, :row_bytes]).view(sample).astype(np.float32)
    return np.where(values > 0, values / (1000 if sample.kind == "u" else 1), np.float32(np.nan))
