"""Iteration over the decoded images or depth maps of a bag."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from anon_ros.bags.messages import IMAGE_TYPE, deserialize_image
from anon_ros.bags.plan.decisions import TopicAction, TopicRules
from anon_ros.bags.plan.inspect import inspect_bag
from anon_ros.bags.plan.topic_plan import TopicPlan
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import MAX_TIME_NS, Channel, DamageLog, Message
from anon_ros.core import RgbImage
from anon_ros.errors import BagError, ImageFormatError

_DEPTH_TYPES = {"16UC1": "u2", "32FC1": "f4"}
_MM_PER_M = 1000


class BagImage(NamedTuple):
    """A decoded image message.

    Attributes:
        topic: as recorded.
        log_time_ns: time of recording, ns.
        image: (H, W, 3) uint8 RGB.
    """

    topic: str
    log_time_ns: int
    image: RgbImage


class BagDepthMap(NamedTuple):
    """A decoded depth message.

    Attributes:
        log_time_ns: time of recording, ns.
        depth_m: (H, W) float32, m; NaN where it is unknown.
    """

    log_time_ns: int
    depth_m: npt.NDArray[np.float32]


def read_images(bag: Bag, topics: Collection[str], scratch: Path) -> Iterator[BagImage]:
    """Yield the images that ``anon_ros bag`` would anonymize, in the order of the bag.

    Args:
        bag: to read.
        topics: to read; empty for all with images.
        scratch: folder for files that must be decompressed.

    Raises:
        BagError: if there are no images, or none on one of ``topics``.
        BagDamageError: at a damaged place.
        ImageFormatError: if an image cannot be decoded.
        OSError: if a file cannot be read.
    """
    plan = inspect_bag(bag, TopicRules(), 0, 0, salvage=False, scratch=scratch).topics
    image_topics = {d.topic for d in plan.decisions if d.action is TopicAction.ANONYMIZE}
    if not image_topics or set(topics) - image_topics:
        missing = ", ".join(sorted(set(topics) - image_topics)) or "any topic"
        existing = ", ".join(image_topics) or "none"
        message = f"{bag.path}: no images on {missing}; it has some on {existing}"
        raise BagError(message)
    wanted = set(topics) or image_topics
    for record in _iter_messages(bag, scratch):
        if record.channel.topic in wanted and _is_anonymized(plan, record.channel):
            image = deserialize_image(record.channel, bag.decompress(record.data))
            yield BagImage(record.channel.topic, record.log_time_ns, image.decode())


def read_depth_maps(bag: Bag, topic: str, scratch: Path) -> Iterator[BagDepthMap]:
    """Yield the messages of a depth topic (REP 118: 16UC1 in mm, 32FC1 in m), in their order.

    Args:
        bag: to read.
        topic: of sensor_msgs/Image.
        scratch: folder for files that must be decompressed.

    Raises:
        BagError: if there are none.
        BagDamageError: at a damaged place.
        ImageFormatError: if a message is no depth.
        OSError: if a file cannot be read.
    """
    count = 0
    for record in _iter_messages(bag, scratch):
        if record.channel.topic == topic and record.channel.type_name == IMAGE_TYPE:
            image = deserialize_image(record.channel, bag.decompress(record.data))
            yield BagDepthMap(record.log_time_ns, _decode_depth(image.ros_message))
            count += 1
    if not count:
        message = f"{bag.path}: no sensor_msgs/msg/Image on {topic}"
        raise BagError(message)


def _is_anonymized(plan: TopicPlan, channel: Channel) -> bool:
    decision = plan.get(channel.topic, channel.type_name)
    return decision is not None and decision.action is TopicAction.ANONYMIZE


def _iter_messages(bag: Bag, scratch: Path) -> Iterator[Message]:
    for file in bag.files:
        with bag.open_in(scratch, file, DamageLog()) as reader:
            for record in reader.records(DamageLog(), 0, MAX_TIME_NS):
                if isinstance(record, Message):
                    yield record


def _decode_depth(message: Any) -> npt.NDArray[np.float32]:
    """Return depth of a sensor_msgs/Image, (H, W) float32, m; NaN where it is unknown."""
    if message.encoding not in _DEPTH_TYPES:
        problem = f"encoding {message.encoding!r} is no depth; expected 16UC1 or 32FC1 (REP 118)"
        raise ImageFormatError(problem)
    byte_order = ">" if message.is_bigendian else "<"
    sample = np.dtype(f"{byte_order}{_DEPTH_TYPES[message.encoding]}")
    values = _cut_rows(message, message.width * sample.itemsize).view(sample).astype(np.float32)
    unit = _MM_PER_M if sample.kind == "u" else 1
    return np.where(values > 0, values / unit, np.float32(np.nan))


def _cut_rows(message: Any, row_bytes: int) -> npt.NDArray[np.uint8]:
    """Return the data without the padding of rows, (H, ``row_bytes``) uint8."""
    data, num_bytes = np.asarray(message.data, np.uint8), message.height * message.step
    if message.step < row_bytes or len(data) < num_bytes:
        size = f"{message.height} rows of {message.step}, {row_bytes} needed"
        problem = f"{len(data)} bytes for {size}"
        raise ImageFormatError(problem)
    rows = data[:num_bytes].reshape(message.height, message.step)
    return np.ascontiguousarray(rows[:, :row_bytes])
