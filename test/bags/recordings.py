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
from sentinel import street

from anon_ros.core import RgbImage

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
RAW, JPEG, BAYER = "/cam/image_raw", "/cam/image_raw/compressed", "/rear/image_raw"
INFO, IMU, ODD, STATIC = "/cam/camera_info", "/imu/data", "/odd", "/tf_static"
IMAGES = (RAW, JPEG, BAYER)
COPIED = (INFO, IMU, ODD, STATIC)
ODD_TYPE = "strange_msgs/msg/Odd"

TYPES = get_typestore(Stores.ROS2_JAZZY)
TYPES.register(get_types_from_msg("float64[3] values\nstring note\nuint8[] blob", ODD_TYPE))
TYPES_1 = get_typestore(Stores.ROS1_NOETIC)
TYPES_1.register(get_types_from_msg("float64[3] values\nstring note\nuint8[] blob", ODD_TYPE))
_T = TYPES.types


class Recorded(NamedTuple):
    topic: str
    type_name: str
    time_ns: int
    message: Any


def qos(topic: str) -> list[Qos]:
    latched = topic == STATIC
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


def header(index: int, frame_id: str = "camera", types: Any = TYPES) -> Any:
    time = types.types["builtin_interfaces/msg/Time"](1000 + index, 7 * index)
    make = types.types["std_msgs/msg/Header"]
    return make(index, time, frame_id) if types is TYPES_1 else make(time, frame_id)


def raw(image: RgbImage, index: int, types: Any = TYPES, padding: int = 5) -> Any:
    height_px, width_px = image.shape[:2]
    rows = np.full((height_px, width_px * 3 + padding), 9, np.uint8)
    rows[:, : width_px * 3] = image[..., ::-1].reshape(height_px, -1)
    make = types.types["sensor_msgs/msg/Image"]
    stamp = header(index, types=types)
    return make(stamp, height_px, width_px, "bgr8", 0, rows.shape[1], rows.reshape(-1))


def bayer(image: RgbImage, index: int, types: Any = TYPES) -> Any:
    height_px, width_px = image.shape[:2]
    mosaic = image[..., 1].copy()
    mosaic[0::2, 0::2] = image[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = image[1::2, 1::2, 2]
    make = types.types["sensor_msgs/msg/Image"]
    stamp = header(index, "rear", types)
    return make(stamp, height_px, width_px, "bayer_rggb8", 0, width_px, mosaic.reshape(-1))


def jpeg(image: RgbImage, index: int, types: Any = TYPES) -> Any:
    data = cv2.imencode(".jpg", image[..., ::-1])[1].reshape(-1)
    make = types.types["sensor_msgs/msg/CompressedImage"]
    return make(header(index, types=types), "bgr8; jpeg compressed bgr8", data)


def other(topic: str, index: int, types: Any = TYPES) -> tuple[str, Any]:
    get = types.types
    if topic == ODD:
        blob = np.arange(index % 50, dtype=np.uint8)
        return ODD_TYPE, get[ODD_TYPE](np.array([index, 0.5, 2.0]), f"note {index}", blob)
    if topic == STATIC:
        return "std_msgs/msg/String", get["std_msgs/msg/String"]("latched")
    if topic == IMU:
        vector, turn = get["geometry_msgs/msg/Vector3"], get["geometry_msgs/msg/Quaternion"]
        nine, zero = np.zeros(9), vector(0.0, 0.0, float(index))
        stamp = header(index, "imu", types)
        make = get["sensor_msgs/msg/Imu"]
        return "sensor_msgs/msg/Imu", make(stamp, turn(0, 0, 0, 1), nine, zero, nine, zero, nine)
    make, roi = get["sensor_msgs/msg/CameraInfo"], get["sensor_msgs/msg/RegionOfInterest"]
    region = roi(0, 0, 0, 0, False)
    size, model = (48, 64), "plumb_bob"
    matrices = np.zeros(5), np.eye(3).reshape(-1), np.eye(3).reshape(-1), np.zeros(12)
    return "sensor_msgs/msg/CameraInfo", make(
        header(index, types=types), *size, model, *matrices, 0, 0, region
    )


def recorded(
    frames: int = 6, width_px: int = 64, height_px: int = 48, types: Any = TYPES
) -> Iterator[Recorded]:
    """A camera raw and as JPEG, a bayer camera, its info, an IMU, a type nobody knows, a latch."""
    pictures = {RAW: raw, JPEG: jpeg, BAYER: bayer}
    kinds = {
        RAW: "sensor_msgs/msg/Image",
        JPEG: "sensor_msgs/msg/CompressedImage",
        BAYER: "sensor_msgs/msg/Image",
    }
    yield Recorded(STATIC, *_at(other(STATIC, 0, types), START_NS))
    for index in range(frames):
        time_ns = START_NS + index * STEP_NS
        image = street(width_px, height_px, index)
        yield Recorded(INFO, *_at(other(INFO, index, types), time_ns))
        for offset, topic in enumerate(IMAGES):
            message = pictures[topic](image, index, types)
            yield Recorded(topic, kinds[topic], time_ns + offset, message)
        for turn in range(3):
            yield Recorded(IMU, *_at(other(IMU, 3 * index + turn, types), time_ns + 10 + turn))
        yield Recorded(ODD, *_at(other(ODD, index, types), time_ns + 20))


def walking(frames: int = 18) -> Iterator[Recorded]:
    """A camera at 10 Hz whose persons move to the right, and an IMU."""
    for index in range(frames):
        time_ns = START_NS + index * STEP_NS
        image = np.ascontiguousarray(np.roll(street(320, 240), 2 * index, axis=1))
        message = raw(image, index)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns - 5, 10**9)
        yield Recorded(RAW, "sensor_msgs/msg/Image", time_ns, message)
        yield Recorded(IMU, *_at(other(IMU, index), time_ns + 10))


def _at(made: tuple[str, Any], time_ns: int) -> tuple[str, int, Any]:
    return made[0], time_ns, made[1]


def serialized(each: Recorded, types: Any = TYPES) -> bytes:
    if types is TYPES_1:
        return bytes(types.serialize_ros1(each.message, each.type_name))
    return bytes(types.serialize_cdr(each.message, each.type_name))


def by_rosbags(
    path: Path, storage: str = "mcap", compression: str = "none", messages: Any = None
) -> Path:
    """A rosbag2 folder."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    mode = CompressionMode[compression.upper()]
    writer.set_compression(mode, CompressionFormat.ZSTD)
    writer.set_custom_data("vehicle", "number 5")
    with writer:
        connections: dict[str, Any] = {}
        for each in recorded() if messages is None else messages:
            if each.topic not in connections:
                connections[each.topic] = writer.add_connection(
                    each.topic,
                    each.type_name,
                    typestore=TYPES,
                    offered_qos_profiles=qos(each.topic),
                )
            writer.write(connections[each.topic], each.time_ns, serialized(each))
    return path


def by_mcap(path: Path, compression: str = "zstd", messages: Any = None, **options: Any) -> Path:
    """A single MCAP file with publish times, sequence numbers, attachment and metadata."""
    kind = mcap.writer.CompressionType[(compression or "none").upper()]
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream, compression=kind, chunk_size=20_000, **options)
        writer.start("ros2", "another author")
        channels: dict[str, int] = {}
        for index, each in enumerate(recorded() if messages is None else messages):
            if each.topic not in channels:
                text = TYPES.generate_msgdef(each.type_name, ros_version=2)[0]
                schema = writer.register_schema(each.type_name, "ros2msg", text.encode())
                metadata = {"offered_qos_profiles": "", "mine": each.topic}
                channels[each.topic] = writer.register_channel(each.topic, "cdr", schema, metadata)
            channel, time_ns = channels[each.topic], each.time_ns
            writer.add_message(channel, time_ns, serialized(each), time_ns - 333, index)
        writer.add_attachment(5, START_NS, "calibration.yaml", "text/yaml", b"a: 1")
        writer.add_metadata("trip", {"driver": "nobody"})
        writer.finish()
    return path


def by_ros1(path: Path, compression: str = "none", frames: int = 6) -> Path:
    writer = Ros1Writer(path)
    if compression != "none":
        writer.set_compression(Ros1Writer.CompressionFormat[compression.upper()])
    with writer:
        connections: dict[str, Any] = {}
        for each in recorded(frames, types=TYPES_1):
            if each.topic not in connections:
                connections[each.topic] = writer.add_connection(
                    each.topic,
                    each.type_name,
                    typestore=TYPES_1,
                    callerid=f"/node{len(connections)}",
                    latching=int(each.topic == STATIC),
                )
            writer.write(connections[each.topic], each.time_ns, serialized(each, TYPES_1))
    return path


def split(
    path: Path, storage: str, parts: int = 3, compression: str = "none", messages: Any = None
) -> Path:
    """A rosbag2 folder of several files: the recorder writes only one, so each is its own first."""
    messages = list(recorded() if messages is None else messages)
    share = -(-len(messages) // parts)
    path.mkdir()
    merged: dict[str, Any] = {}
    for part in range(parts):
        name = f"{path.name}_{part}"
        some = messages[part * share : (part + 1) * share]
        by_rosbags(path / name, storage, compression, some)
        found = yaml.safe_load((path / name / "metadata.yaml").read_text())
        information = found["rosbag2_bagfile_information"]
        (file,) = information["relative_file_paths"]
        (path / name / file).rename(path / file)
        (path / name / "metadata.yaml").unlink()
        (path / name).rmdir()
        merged = _merged(merged, information) if merged else information
    text = yaml.safe_dump({"rosbag2_bagfile_information": merged})
    (path / "metadata.yaml").write_text(text)
    return path


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
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
