"""Whatever may hide an image is left to the user; what cannot is copied."""

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


def image(encoding: str) -> bytes:
    message = STORE.types[IMAGE](HEADER, 1, 1, encoding, 0, 4, np.zeros(4, np.uint8))
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
