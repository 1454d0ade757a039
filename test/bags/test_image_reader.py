"""The images and the depth of a recording, for who wants nothing else of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anon_ros.bags import open_bag, read_depth_maps, read_images
from anon_ros.errors import BagError, ImageFormatError
from helpers.bags import (
    BAYER_TOPIC,
    JPEG_TOPIC,
    RAW_TOPIC,
    ROS2_TYPES,
    START_NS,
    STEP_NS,
    BagMessage,
    generate_messages,
    make_header,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
)

DEPTH = "/cam/depth/image_raw"


@pytest.mark.parametrize("kind", ["sqlite3", "mcap", "ros1"])
def test_read_images_keeps_bag_order(kind: str, tmp_path: Path) -> None:
    if kind == "ros1":
        path = write_rosbag1(tmp_path / "in.bag")
    elif kind == "mcap":
        path = write_mcap(tmp_path / "in.mcap")
    else:
        path = write_rosbag2(tmp_path / "in", "sqlite3")
    found = list(read_images(open_bag(path), (), tmp_path))
    assert {image.topic for image in found} == {RAW_TOPIC, JPEG_TOPIC, BAYER_TOPIC}
    assert [image.log_time_ns for image in found] == sorted(image.log_time_ns for image in found)
    assert all(image.image.shape == (48, 64, 3) for image in found)
    only = list(read_images(open_bag(path), (RAW_TOPIC,), tmp_path))
    assert [image.topic for image in only] == [RAW_TOPIC] * (len(found) // 3)


def test_read_images_rejects_other_topic(tmp_path: Path) -> None:
    path = write_rosbag2(tmp_path / "in", "sqlite3")
    with pytest.raises(BagError, match="no images on /imu/data; it has"):
        list(read_images(open_bag(path), ("/imu/data",), tmp_path))


def make_depth_image(
    values: np.ndarray, encoding: str, *, bigendian: bool = False, padding: int = 0
) -> Any:
    height, width = values.shape
    kind = {"16UC1": "u2", "32FC1": "f4"}.get(encoding, "u1")
    packed = values.astype(f"{'>' if bigendian else '<'}{kind}").view(np.uint8)
    rows = np.pad(packed.reshape(height, -1), ((0, 0), (0, padding)))
    make = ROS2_TYPES.types["sensor_msgs/msg/Image"]
    return make(
        make_header(0), height, width, encoding, int(bigendian), rows.shape[1], rows.reshape(-1)
    )


def write_depth_bag(message: Any, path: Path) -> Path:
    messages = [
        *generate_messages(1),
        BagMessage(DEPTH, "sensor_msgs/msg/Image", START_NS + 5, message),
    ]
    return write_rosbag2(path, "sqlite3", messages=sorted(messages, key=lambda each: each.time_ns))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_read_depth_maps_in_meters(encoding: str, padding: int, order: str, tmp_path: Path) -> None:
    metres = np.array([[0, 1.5, 2.0], [3.25, 60, 0]], np.float32)
    values = metres * 1000 if encoding == "16UC1" else np.where(metres, metres, np.nan)
    message = make_depth_image(values, encoding, bigendian=order == "big", padding=padding)
    path = write_depth_bag(message, tmp_path / "in")
    (found,) = read_depth_maps(open_bag(path), DEPTH, tmp_path)
    assert found.log_time_ns == START_NS + 5 < START_NS + STEP_NS
    np.testing.assert_allclose(found.depth_m, np.where(metres > 0, metres, np.nan))


def test_read_depth_maps_rejects_color(tmp_path: Path) -> None:
    picture = write_depth_bag(make_depth_image(np.ones((2, 3)), "mono8"), tmp_path / "picture")
    with pytest.raises(ImageFormatError, match="'mono8' is no depth"):
        list(read_depth_maps(open_bag(picture), DEPTH, tmp_path))
    message = make_depth_image(np.ones((2, 3)), "16UC1")
    message.data = message.data[:-1]
    cut = write_depth_bag(message, tmp_path / "cut")
    with pytest.raises(ImageFormatError, match="11 bytes for 2 rows"):
        list(read_depth_maps(open_bag(cut), DEPTH, tmp_path))
    with pytest.raises(BagError, match="no sensor_msgs/msg/Image on /nowhere"):
        list(read_depth_maps(open_bag(cut), "/nowhere", tmp_path))
