"""The images and the depth of a recording, for who wants nothing else of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import (
    BAYER,
    JPEG,
    RAW,
    START_NS,
    STEP_NS,
    TYPES,
    Recorded,
    by_mcap,
    by_ros1,
    by_rosbags,
    header,
    recorded,
)

from anon_ros.bags import open_bag, read_depth_maps, read_images
from anon_ros.errors import BagError, ImageFormatError

DEPTH = "/cam/depth/image_raw"


@pytest.mark.parametrize("kind", ["sqlite3", "mcap", "ros1"])
def test_every_image_topic_in_the_order_of_the_recording(kind: str, tmp_path: Path) -> None:
    if kind == "ros1":
        path = by_ros1(tmp_path / "in.bag")
    elif kind == "mcap":
        path = by_mcap(tmp_path / "in.mcap")
    else:
        path = by_rosbags(tmp_path / "in", "sqlite3")
    found = list(read_images(open_bag(path), (), tmp_path))
    assert {image.topic for image in found} == {RAW, JPEG, BAYER}
    assert [image.log_time_ns for image in found] == sorted(image.log_time_ns for image in found)
    assert all(image.image.shape == (48, 64, 3) for image in found)
    only = list(read_images(open_bag(path), (RAW,), tmp_path))
    assert [image.topic for image in only] == [RAW] * (len(found) // 3)


def test_a_topic_without_images_is_named(tmp_path: Path) -> None:
    path = by_rosbags(tmp_path / "in", "sqlite3")
    with pytest.raises(BagError, match="no images on /imu/data; it has"):
        list(read_images(open_bag(path), ("/imu/data",), tmp_path))


def depth(values: np.ndarray, encoding: str, *, bigendian: bool = False, padding: int = 0) -> Any:
    height, width = values.shape
    kind = {"16UC1": "u2", "32FC1": "f4"}.get(encoding, "u1")
    packed = values.astype(f"{'>' if bigendian else '<'}{kind}").view(np.uint8)
    rows = np.pad(packed.reshape(height, -1), ((0, 0), (0, padding)))
    make = TYPES.types["sensor_msgs/msg/Image"]
    return make(header(0), height, width, encoding, int(bigendian), rows.shape[1], rows.reshape(-1))


def recording_of(message: Any, path: Path) -> Path:
    messages = [*recorded(1), Recorded(DEPTH, "sensor_msgs/msg/Image", START_NS + 5, message)]
    return by_rosbags(path, "sqlite3", messages=sorted(messages, key=lambda each: each.time_ns))


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_is_in_metres_and_nan_where_unknown(
    encoding: str, padding: int, order: str, tmp_path: Path
) -> None:
    metres = np.array([[0, 1.5, 2.0], [3.25, 60, 0]], np.float32)
    values = metres * 1000 if encoding == "16UC1" else np.where(metres, metres, np.nan)
    message = depth(values, encoding, bigendian=order == "big", padding=padding)
    path = recording_of(message, tmp_path / "in")
    (found,) = read_depth_maps(open_bag(path), DEPTH, tmp_path)
    assert found.log_time_ns == START_NS + 5 < START_NS + STEP_NS
    np.testing.assert_allclose(found.depth_m, np.where(metres > 0, metres, np.nan))


def test_what_is_no_depth_is_refused(tmp_path: Path) -> None:
    picture = recording_of(depth(np.ones((2, 3)), "mono8"), tmp_path / "picture")
    with pytest.raises(ImageFormatError, match="'mono8' is no depth"):
        list(read_depth_maps(open_bag(picture), DEPTH, tmp_path))
    message = depth(np.ones((2, 3)), "16UC1")
    message.data = message.data[:-1]
    cut = recording_of(message, tmp_path / "cut")
    with pytest.raises(ImageFormatError, match="11 bytes for 2 rows"):
        list(read_depth_maps(open_bag(cut), DEPTH, tmp_path))
    with pytest.raises(BagError, match="no sensor_msgs/msg/Image on /nowhere"):
        list(read_depth_maps(open_bag(cut), "/nowhere", tmp_path))
