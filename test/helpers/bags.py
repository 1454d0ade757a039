"""Recordings with cameras and other sensors, by two authors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import mcap.writer
import numpy as np
import yaml
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.core import RgbImage
from helpers.fake_models import make_street_image

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
RAW_TOPIC, JPEG_TOPIC, BAYER_TOPIC = (
    "/cam/image_raw",
    "/cam/image_raw/compressed",
    "/rear/image_raw",
)
CAMERA_INFO_TOPIC, IMU_TOPIC, CUSTOM_TOPIC, LATCHED_TOPIC = (
    "/cam/camera_info",
    "/imu/data",
    "/odd",
    "/tf_static",
)
IMAGE_TOPICS = (RAW_TOPIC, JPEG_TOPIC, BAYER_TOPIC)
COPIED_TOPICS = (CAMERA_INFO_TOPIC, IMU_TOPIC, CUSTOM_TOPIC, LATCHED_TOPIC)
CUSTOM_TYPE = "strange_msgs/msg/Odd"

ROS2_TYPES = get_typestore(Stores.ROS2_JAZZY)
ROS2_TYPES.register(get_types_from_msg("float64[3] values\nstring note\nuint8[] blob", CUSTOM_TYPE))
ROS1_TYPES = get_typestore(Stores.ROS1_NOETIC)
ROS1_TYPES.register(get_types_from_msg("float64[3] values\nstring note\nuint8[] blob", CUSTOM_TYPE))
_T = ROS2_TYPES.types


class BagMessage(NamedTuple):
    topic: str
    type_name: str
    time_ns: int
    message: Any


def make_qos(topic: str) -> list[Qos]:
    latched = topic == LATCHED_TOPIC
    return [
        Qos(
            QosHistory.KEEP_LAST,
            7,
            QosReliability.RELIABLE if latched else QosReliability.BEST_EFFORT,
            QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
            QosTime(0, 0),
            QosTime(0, 0),
            QosLiveliness.AUTOMATIC,
            QosTime(0, 0),
            False,
        )
    ]


def make_header(index: int, frame_id: str = "camera", types: Any = ROS2_TYPES) -> Any:
    time = types.types["builtin_interfaces/msg/Time"](1000 + index, 7 * index)
    make = types.types["std_msgs/msg/Header"]
    return make(index, time, frame_id) if types is ROS1_TYPES else make(time, frame_id)


def make_raw_image(image: RgbImage, index: int, types: Any = ROS2_TYPES, padding: int = 5) -> Any:
    height_px, width_px = image.shape[:2]
    rows = np.full((height_px, width_px * 3 + padding), 9, np.uint8)
    rows[:, : width_px * 3] = image[..., ::-1].reshape(height_px, -1)
    make = types.types["sensor_msgs/msg/Image"]
    stamp = make_header(index, types=types)
    return make(stamp, height_px, width_px, "bgr8", 0, rows.shape[1], rows.reshape(-1))


def make_bayer_image(image: RgbImage, index: int, types: Any = ROS2_TYPES) -> Any:
    height_px, width_px = image.shape[:2]
    mosaic = image[..., 1].copy()
    mosaic[0::2, 0::2] = image[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = image[1::2, 1::2, 2]
    make = types.types["sensor_msgs/msg/Image"]
    stamp = make_header(index, "rear", types)
    return make(stamp, height_px, width_px, "bayer_rggb8", 0, width_px, mosaic.reshape(-1))


def make_jpeg_image(image: RgbImage, index: int, types: Any = ROS2_TYPES) -> Any:
    data = cv2.imencode(".jpg", image[..., ::-1])[1].reshape(-1)
    make = types.types["sensor_msgs/msg/CompressedImage"]
    return make(make_header(index, types=types), "bgr8; jpeg compressed bgr8", data)


def make_other_message(topic: str, index: int, types: Any = ROS2_TYPES) -> tuple[str, Any]:
    get = types.types
    if topic == CUSTOM_TOPIC:
        blob = np.arange(index % 50, dtype=np.uint8)
        return CUSTOM_TYPE, get[CUSTOM_TYPE](np.array([index, 0.5, 2.0]), f"note {index}", blob)
    if topic == LATCHED_TOPIC:
        return "std_msgs/msg/String", get["std_msgs/msg/String"]("latched")
    if topic == IMU_TOPIC:
        vector, turn = get["geometry_msgs/msg/Vector3"], get["geometry_msgs/msg/Quaternion"]
        nine, zero = np.zeros(9), vector(0.0, 0.0, float(index))
        stamp = make_header(index, "imu", types)
        make = get["sensor_msgs/msg/Imu"]
        return "sensor_msgs/msg/Imu", make(stamp, turn(0, 0, 0, 1), nine, zero, nine, zero, nine)
    make, roi = get["sensor_msgs/msg/CameraInfo"], get["sensor_msgs/msg/RegionOfInterest"]
    region = roi(0, 0, 0, 0, False)
    size, model = (48, 64), "plumb_bob"
    matrices = np.zeros(5), np.eye(3).reshape(-1), np.eye(3).reshape(-1), np.zeros(12)
    return "sensor_msgs/msg/CameraInfo", make(
        make_header(index, types=types), *size, model, *matrices, 0, 0, region
    )


def generate_messages(
    frames: int = 6, width_px: int = 64, height_px: int = 48, types: Any = ROS2_TYPES
) -> Iterator[BagMessage]:
    """A camera raw and as JPEG, a bayer camera, its info, an IMU, a type nobody knows, a latch."""
    pictures = {
        RAW_TOPIC: make_raw_image,
        JPEG_TOPIC: make_jpeg_image,
        BAYER_TOPIC: make_bayer_image,
    }
    kinds = {
        RAW_TOPIC: "sensor_msgs/msg/Image",
        JPEG_TOPIC: "sensor_msgs/msg/CompressedImage",
        BAYER_TOPIC: "sensor_msgs/msg/Image",
    }
    yield BagMessage(
        LATCHED_TOPIC, *_insert_time(make_other_message(LATCHED_TOPIC, 0, types), START_NS)
    )
    for index in range(frames):
        time_ns = START_NS + index * STEP_NS
        image = make_street_image(width_px, height_px, index)
        yield BagMessage(
            CAMERA_INFO_TOPIC,
            *_insert_time(make_other_message(CAMERA_INFO_TOPIC, index, types), time_ns),
        )
        for offset, topic in enumerate(IMAGE_TOPICS):
            message = pictures[topic](image, index, types)
            yield BagMessage(topic, kinds[topic], time_ns + offset, message)
        for turn in range(3):
            yield BagMessage(
                IMU_TOPIC,
                *_insert_time(
                    make_other_message(IMU_TOPIC, 3 * index + turn, types), time_ns + 10 + turn
                ),
            )
        yield BagMessage(
            CUSTOM_TOPIC,
            *_insert_time(make_other_message(CUSTOM_TOPIC, index, types), time_ns + 20),
        )


def generate_walking_messages(frames: int = 18) -> Iterator[BagMessage]:
    """A camera at 10 Hz whose persons move to the right, and an IMU."""
    for index in range(frames):
        time_ns = START_NS + index * STEP_NS
        image = np.ascontiguousarray(np.roll(make_street_image(320, 240), 2 * index, axis=1))
        message = make_raw_image(image, index)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns - 5, 10**9)
        yield BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", time_ns, message)
        yield BagMessage(
            IMU_TOPIC, *_insert_time(make_other_message(IMU_TOPIC, index), time_ns + 10)
        )


def _insert_time(made: tuple[str, Any], time_ns: int) -> tuple[str, int, Any]:
    return made[0], time_ns, made[1]


def serialize(each: BagMessage, types: Any = ROS2_TYPES) -> bytes:
    if types is ROS1_TYPES:
        return bytes(types.serialize_ros1(each.message, each.type_name))
    return bytes(types.serialize_cdr(each.message, each.type_name))


def write_rosbag2(
    path: Path, storage: str = "mcap", compression: str = "none", messages: Any = None
) -> Path:
    """A rosbag2 folder."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    mode = CompressionMode[compression.upper()]
    writer.set_compression(mode, CompressionFormat.ZSTD)
    writer.set_custom_data("vehicle", "number 5")
    with writer:
        connections: dict[str, Any] = {}
        for each in generate_messages() if messages is None else messages:
            if each.topic not in connections:
                connections[each.topic] = writer.add_connection(
                    each.topic,
                    each.type_name,
                    typestore=ROS2_TYPES,
                    offered_qos_profiles=make_qos(each.topic),
                )
            writer.write(connections[each.topic], each.time_ns, serialize(each))
    return path


def write_mcap(path: Path, compression: str = "zstd", messages: Any = None, **options: Any) -> Path:
    """A single MCAP file with publish times, sequence numbers, attachment and metadata."""
    kind = mcap.writer.CompressionType[(compression or "none").upper()]
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream, compression=kind, chunk_size=20_000, **options)
        writer.start("ros2", "another author")
        channels: dict[str, int] = {}
        for index, each in enumerate(generate_messages() if messages is None else messages):
            if each.topic not in channels:
                text = ROS2_TYPES.generate_msgdef(each.type_name, ros_version=2)[0]
                schema = writer.register_schema(each.type_name, "ros2msg", text.encode())
                metadata = {"offered_qos_profiles": "", "mine": each.topic}
                channels[each.topic] = writer.register_channel(each.topic, "cdr", schema, metadata)
            channel, time_ns = channels[each.topic], each.time_ns
            writer.add_message(channel, time_ns, serialize(each), time_ns - 333, index)
        writer.add_attachment(5, START_NS, "calibration.yaml", "text/yaml", b"a: 1")
        writer.add_metadata("trip", {"driver": "nobody"})
        writer.finish()
    return path


def write_rosbag1(
    path: Path, compression: str = "none", frames: int = 6, chunk_bytes: int = 2**20
) -> Path:
    writer = Ros1Writer(path)
    writer.chunk_threshold = chunk_bytes
    if compression != "none":
        writer.set_compression(Ros1Writer.CompressionFormat[compression.upper()])
    with writer:
        connections: dict[str, Any] = {}
        for each in generate_messages(frames, types=ROS1_TYPES):
            if each.topic not in connections:
                connections[each.topic] = writer.add_connection(
                    each.topic,
                    each.type_name,
                    typestore=ROS1_TYPES,
                    callerid=f"/node{len(connections)}",
                    latching=int(each.topic == LATCHED_TOPIC),
                )
            writer.write(connections[each.topic], each.time_ns, serialize(each, ROS1_TYPES))
    return path


def write_split_rosbag2(
    path: Path, storage: str, parts: int = 3, compression: str = "none", messages: Any = None
) -> Path:
    """A rosbag2 folder of several files: the recorder writes only one, so each is its own first."""
    messages = list(generate_messages() if messages is None else messages)
    share = -(-len(messages) // parts)
    path.mkdir()
    merged: dict[str, Any] = {}
    for part in range(parts):
        name = f"{path.name}_{part}"
        some = messages[part * share : (part + 1) * share]
        write_rosbag2(path / name, storage, compression, some)
        found = yaml.safe_load((path / name / "metadata.yaml").read_text())
        information = found["rosbag2_bagfile_information"]
        (file,) = information["relative_file_paths"]
        (path / name / file).rename(path / file)
        (path / name / "metadata.yaml").unlink()
        (path / name).rmdir()
        merged = _merge_metadata(merged, information) if merged else information
    text = yaml.safe_dump({"rosbag2_bagfile_information": merged})
    (path / "metadata.yaml").write_text(text)
    return path


def _merge_metadata(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    topics = {each["topic_metadata"]["name"]: each for each in one["topics_with_message_count"]}
    for each in other["topics_with_message_count"]:
        known = topics.setdefault(each["topic_metadata"]["name"], {**each, "message_count": 0})
        known["message_count"] += each["message_count"]
    end_ns = other["starting_time"]["nanoseconds_since_epoch"] + other["duration"]["nanoseconds"]
    start_ns = one["starting_time"]["nanoseconds_since_epoch"]
    return {
        **one,
        "duration": {"nanoseconds": end_ns - start_ns},
        "message_count": one["message_count"] + other["message_count"],
        "topics_with_message_count": list(topics.values()),
        "relative_file_paths": one["relative_file_paths"] + other["relative_file_paths"],
        "files": one["files"] + other["files"],
    }
