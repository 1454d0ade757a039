"""Whatever may hide an image is left to the user; what cannot is copied."""

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from anon_ros.bags.plan.classify import (
    classify_attachment,
    classify_topic,
    find_copy_problem,
)
from anon_ros.bags.plan.decisions import TopicAction
from anon_ros.bags.storage.records import Channel
from anon_ros.errors import ImageFormatError

COPY, UNDECIDED, ANONYMIZE = TopicAction.COPY, TopicAction.UNDECIDED, TopicAction.ANONYMIZE
IMAGE, CLOUD = "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2"
STORE = get_typestore(Stores.ROS2_JAZZY)
HEADER = STORE.types["std_msgs/msg/Header"](
    STORE.types["builtin_interfaces/msg/Time"](0, 0), "camera"
)


def image(encoding: str, step: int = 4, data: bytes = bytes(4)) -> bytes:
    pixels = np.frombuffer(data, np.uint8)
    message = STORE.types[IMAGE](HEADER, 1, 1, encoding, 0, step, pixels)
    return bytes(STORE.serialize_cdr(message, IMAGE))


def cloud(field_name: str) -> bytes:
    field = STORE.types["sensor_msgs/msg/PointField"](field_name, 0, 7, 1)
    message = STORE.types[CLOUD](HEADER, 1, 1, [field], False, 4, 4, np.zeros(4, np.uint8), True)
    return bytes(STORE.serialize_cdr(message, CLOUD))


def opaque(topic: str, definition: str, encoding: str = "ros2msg") -> Channel:
    return Channel(1, topic, "my_msgs/msg/Thing", "cdr", definition, encoding)


@pytest.mark.parametrize(
    ("topic", "samples", "action"),
    [
        ("/front", ["bgr8"], ANONYMIZE),
        ("/front", [], ANONYMIZE),
        ("/front", ["16UC1"], UNDECIDED),
        ("/depth/image", ["16UC1"], COPY),
        ("/depth/infra", ["16UC1"], UNDECIDED),
        ("/left/depth/image", ["16UC1"], COPY),
        ("/camera/aligned_depth_to_color/image_raw", ["16UC1"], COPY),
        ("/depth_cam/left/image_raw", ["16UC1"], UNDECIDED),
        ("/depth_camera/right_image", ["16UC1"], UNDECIDED),
        ("/lwir/image", ["16UC1"], ANONYMIZE),
        ("/lwir/depth", ["32FC1"], UNDECIDED),
        ("/front", ["64FC3"], UNDECIDED),
        ("/front", ["64FC3", "rgb8"], ANONYMIZE),
    ],
)
def test_image_topic_classified(topic: str, samples: list[str], action: TopicAction) -> None:
    decision = classify_topic(Channel(1, topic, IMAGE, "cdr"), 3, [image(e) for e in samples])
    assert (decision.action, decision.count) == (action, 3)
    assert decision.verify_each_message == (action is COPY)


@pytest.mark.parametrize(
    ("step", "data", "problem"),
    [
        (4, bytes(8), "8 bytes of data, 1 rows of 4 bytes need 4"),
        (8, bytes(4), "4 bytes of data, 1 rows of 8 bytes need 8"),
        (1, bytes(1), "1 bytes of data, 1 rows of 1 bytes need 4"),
        (8, b"\0\0\0\0\0\1\0\0", "bytes beside the pixels of its rows"),
    ],
)
def test_depth_with_room_for_a_picture_is_not_copied(step: int, data: bytes, problem: str) -> None:
    message = image("32FC1", step, data)
    channel = Channel(1, "/depth", IMAGE, "cdr")
    assert problem in find_copy_problem(channel, message)
    decision = classify_topic(channel, 1, [message])
    assert decision.action is UNDECIDED
    assert problem in decision.reason


def test_picture_in_the_pixels_of_depth_is_found() -> None:
    picture = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    picture = picture.ljust(-(-len(picture) // 4) * 4, b"\0")
    message = STORE.types[IMAGE](
        *(HEADER, 1, len(picture) // 4, "32FC1", 0, len(picture)),
        np.frombuffer(picture, np.uint8),
    )
    data = bytes(STORE.serialize_cdr(message, IMAGE))
    assert find_copy_problem(Channel(1, "/depth", IMAGE, "cdr"), data) == "holds a PNG picture"


def test_image_topic_skips_damaged_samples() -> None:
    decision = classify_topic(Channel(1, "/front", IMAGE, "cdr"), 2, [b"", image("64FC3")])
    assert decision.action is UNDECIDED


def test_unknown_serialization_undecided() -> None:
    decision = classify_topic(Channel(1, "/front", IMAGE, "protobuf"), 1, [])
    assert decision.action is UNDECIDED


@pytest.mark.parametrize(("field", "action"), [("x", COPY), ("rgb", UNDECIDED)])
def test_point_cloud_classified(field: str, action: TopicAction) -> None:
    decision = classify_topic(Channel(1, "/points", CLOUD, "cdr"), 1, [b"", cloud(field)])
    assert decision.action is action


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        (opaque("/arm", "int32 number"), ""),
        (opaque("/map", "uint32 width\nuint32 height\nint8[] data"), ""),
        (opaque("/arm", "uint32 width\nuint32 height\nuint8[] data"), "has width, height"),
        (opaque("/arm", "sensor_msgs/Image view"), "holds sensor_msgs/msg/Image"),
        (opaque("/arm", "# sensor_msgs/Image view\nint32 number"), ""),
        (opaque("/arm", "// no Image\nlong x;", "ros2idl"), ""),
        (opaque("/arm", "int32 number", "protobuf"), "cannot be looked into"),
        (opaque("/arm", ""), "its definition is not in the recording"),
        (opaque("/webcam", "uint8[] data"), "bytes under the name of a camera"),
        (opaque("/image", "float32[] data"), "numbers under the name of a picture"),
        (opaque("/image/camera_info", "float32[] data"), ""),
        (opaque("/jpeg64", "string data"), "text under the name of a picture"),
        (opaque("/arm", "uint8[] rgb_data"), "field 'uint8[] rgb_data'"),
        (opaque("/arm", "string  png"), "field 'string png'"),
    ],
)
def test_opaque_topic_classified(channel: Channel, reason: str) -> None:
    decision = classify_topic(channel, 1, [])
    assert decision.action is (UNDECIDED if reason else COPY)
    assert decision.reason.startswith(reason)
    assert bool(decision.reason) == bool(reason)


@pytest.mark.parametrize(
    ("name", "media_type", "action"),
    [
        ("map.yaml", "", COPY),
        ("map", "", UNDECIDED),
        ("map", "text/plain", COPY),
        ("map.png", "text/plain", UNDECIDED),
        ("map.yaml", "image/png", UNDECIDED),
    ],
)
def test_attachment_classified(name: str, media_type: str, action: TopicAction) -> None:
    assert classify_attachment(name, media_type).action is action


def test_copied_message_must_stay_harmless() -> None:
    depth, points = Channel(1, "/depth", IMAGE, "cdr"), Channel(2, "/points", CLOUD, "cdr")
    assert not find_copy_problem(depth, image("32FC1"))
    assert find_copy_problem(depth, image("bgr8")) == "encoding 'bgr8' is no depth"
    assert not find_copy_problem(points, cloud("x"))
    assert "colours" in find_copy_problem(points, cloud("rgb"))
    with pytest.raises(ImageFormatError):
        find_copy_problem(depth, b"")
