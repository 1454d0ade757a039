"""Synthetic recording of a drive: point clouds, an IMU and a camera."""

import math
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from street_scene import make_image

WIDTH_PX, HEIGHT_PX = 1280, 720
MB = 1_000_000
POINTS, POINT_BYTES = 65_536, 16
IMUS_PER_CLOUD = 20  # 200 Hz and 10 Hz
_START_NS, _STEP_NS = 1_700_000_000_000_000_000, 5_000_000
# Made once, then repeated.
_DIFFERENT = 16
TYPES = get_typestore(Stores.ROS2_JAZZY)
_T = TYPES.types


def make_header(index: int) -> Any:
    time_of = _T["builtin_interfaces/msg/Time"](index, 0)
    return _T["std_msgs/msg/Header"](time_of, "car")


def make_imu(index: int) -> tuple[str, str, Any]:
    vector, turn = _T["geometry_msgs/msg/Vector3"], _T["geometry_msgs/msg/Quaternion"]
    nine, some = np.zeros(9), vector(0.1, 0.2, float(index))
    make = _T["sensor_msgs/msg/Imu"]
    message = make(make_header(index), turn(0, 0, 0, 1), nine, some, nine, some, nine)
    return "/imu", "sensor_msgs/msg/Imu", message


def make_cloud(index: int) -> tuple[str, str, Any]:
    """Return a point cloud of 1 MB of incompressible data."""
    field, make = _T["sensor_msgs/msg/PointField"], _T["sensor_msgs/msg/PointCloud2"]
    fields = [field(name, 4 * n, 7, 1) for n, name in enumerate(("x", "y", "z", "intensity"))]
    row_bytes = POINTS * POINT_BYTES
    data = np.random.default_rng(index).integers(0, 256, row_bytes, np.uint8)
    size = 1, POINTS, fields, False, POINT_BYTES, row_bytes
    return "/points", "sensor_msgs/msg/PointCloud2", make(make_header(index), *size, data, True)


def make_raw_image(index: int) -> tuple[str, str, Any]:
    make = _T["sensor_msgs/msg/Image"]
    data = make_picture(index).reshape(-1)
    size = HEIGHT_PX, WIDTH_PX, "bgr8", 0, WIDTH_PX * 3
    return "/cam/image_raw", "sensor_msgs/msg/Image", make(make_header(index), *size, data)


def make_jpeg_image(index: int) -> tuple[str, str, Any]:
    make = _T["sensor_msgs/msg/CompressedImage"]
    data = cv2.imencode(".jpg", make_picture(index), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].reshape(-1)
    return (
        "/cam/compressed",
        "sensor_msgs/msg/CompressedImage",
        make(make_header(index), "jpeg", data),
    )


def make_picture(index: int) -> npt.NDArray[np.uint8]:
    canvas = cv2.GaussianBlur(make_image(), (0, 0), 3)
    return np.ascontiguousarray(np.roll(canvas[:HEIGHT_PX, :WIDTH_PX], index % 8, axis=1))


_SENSORS = (make_cloud, *[make_imu] * IMUS_PER_CLOUD)
# Repeated as often as needed.
MIXES: dict[str, Sequence[Callable[[int], tuple[str, str, Any]]]] = {
    "sensors": _SENSORS,
    "everything": (*_SENSORS, make_raw_image),
    "raw": (make_raw_image,),
    "jpeg": (make_jpeg_image,),
}


def record(
    mix: str, storage: str, path: Path, mb: float = math.inf, max_messages: float = math.inf
) -> None:
    """Record up to a size in MB and a number of messages."""
    messages: dict[tuple[Any, int], tuple[str, str, bytes]] = {}
    connections: dict[str, Any] = {}
    written = count = 0
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        for index, source in enumerate(cycle(MIXES[mix])):
            if written >= mb * MB or count >= max_messages:
                break
            key = source, index % _DIFFERENT
            if key not in messages:
                topic, type_name, message = source(index)
                messages[key] = topic, type_name, bytes(TYPES.serialize_cdr(message, type_name))
            topic, type_name, data = messages[key]
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, type_name, typestore=TYPES)
            writer.write(connections[topic], _START_NS + index * _STEP_NS, data)
            written, count = written + len(data), count + 1
