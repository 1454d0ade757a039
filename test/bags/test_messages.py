"""Deserialization of messages: padding, texts in which a picture may hide, other encapsulations."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.bags.messages import deserialize, deserialize_image
from anon_ros.bags.plan.classify import classify_topic, find_copy_problem
from anon_ros.bags.plan.decisions import TopicAction
from anon_ros.bags.plan.nested_messages import find_nested_problem
from anon_ros.bags.storage.records import Channel
from anon_ros.errors import ImageFormatError, TextLengthError
from anon_ros.images import MAX_TEXT_CHARACTERS
from helpers.bag_editing import change_message, edit_fields, rewrite_bag
from helpers.bag_reading import read_messages
from helpers.bags import (
    IMU_TOPIC,
    RAW_TOPIC,
    ROS1_TYPES,
    ROS2_TYPES,
    make_header,
    make_jpeg_image,
    make_other_message,
    make_raw_image,
    write_rosbag2,
)
from helpers.fake_models import make_street_image

RunCommand = Callable[..., int]
IMAGE, JPEG = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CLOUD, FIELD = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/PointField"
IMU, TF, UPDATE = "sensor_msgs/msg/Imu", "tf2_msgs/msg/TFMessage", "some_msgs/msg/CloudUpdate"
PICTURE = make_street_image(64, 48)
LONG, LONGEST = "x" * (MAX_TEXT_CHARACTERS + 1), "x" * MAX_TEXT_CHARACTERS


STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(get_types_from_msg("std_msgs/Header header\nsensor_msgs/PointCloud2 cloud", UPDATE))


def serialize(message: Any, types: Any = STORE) -> bytes:
    if types is ROS1_TYPES:
        return bytes(types.serialize_ros1(message, message.__msgtype__))
    return bytes(types.serialize_cdr(message, message.__msgtype__))


def make_channel(message: Any, serialization: str = "cdr") -> Channel:
    definition = STORE.generate_msgdef(UPDATE)[0] if message.__msgtype__ == UPDATE else ""
    return Channel(1, "/topic", message.__msgtype__, serialization, definition)


def make_cloud(frame_id: str, field_name: str = "x") -> Any:
    fields = [ROS2_TYPES.types[FIELD](field_name, 0, 7, 1)]
    header = make_header(0, frame_id)
    data = make_raw_image(PICTURE, 0).data[:4]
    return ROS2_TYPES.types[CLOUD](header, 1, 1, fields, False, 4, 4, data, True)


def make_update(frame_id: str) -> Any:
    return STORE.types[UPDATE](make_header(0), make_cloud(frame_id))


def make_transform(child: str) -> Any:
    get = ROS2_TYPES.types
    transform = get["geometry_msgs/msg/Transform"](
        get["geometry_msgs/msg/Vector3"](0, 0, 0), get["geometry_msgs/msg/Quaternion"](0, 0, 0, 1)
    )
    stamped = get["geometry_msgs/msg/TransformStamped"](make_header(0), child, transform)
    return get[TF]([stamped])


def make_imu(frame_id: str) -> Any:
    _, imu = make_other_message(IMU_TOPIC, 0)
    return replace(imu, header=make_header(0, frame_id))


def make_raw(frame_id: str, types: Any = ROS2_TYPES) -> Any:
    return replace(make_raw_image(PICTURE, 0, types), header=make_header(0, frame_id, types))


@pytest.mark.parametrize("num_bytes", [0, 3, 4, 8])
def test_padding_is_read_everywhere(num_bytes: int) -> None:
    """Images, and the messages in which images are looked for."""
    padding = bytes(num_bytes)
    image, update = make_raw_image(PICTURE, 0), make_update("map")
    frame = deserialize_image(make_channel(image), serialize(image) + padding)
    assert frame.encoding == "bgr8"
    assert not find_nested_problem(make_channel(update), serialize(update) + padding)
    colored = STORE.types[UPDATE](make_header(0), make_cloud("map", "rgb"))
    problem = find_nested_problem(make_channel(colored), serialize(colored) + padding)
    assert problem == "holds points with the colours of a camera"


@pytest.mark.parametrize("make", [make_raw_image, lambda *_: make_update("map")])
def test_more_than_padding_is_refused(make: Callable[..., Any]) -> None:
    message = make(PICTURE, 0)
    read = deserialize if message.__msgtype__ == IMAGE else find_nested_problem
    with pytest.raises(ImageFormatError, match="size mismatch"):
        read(make_channel(message), serialize(message) + bytes(12))


@pytest.mark.parametrize("encapsulation", [b"\0\2", b"\0\3", b"\0\x07", b"\0\x0b", b"\1\0"])
def test_other_encapsulations_are_refused(encapsulation: bytes) -> None:
    """PL_CDR and XCDR2 lie otherwise in memory: they would be misread."""
    image = make_raw_image(PICTURE, 0)
    data = encapsulation + serialize(image)[2:]
    with pytest.raises(ImageFormatError, match="Invalid or unsupported CDR encapsulation"):
        deserialize_image(make_channel(image), data)
    decision = classify_topic(make_channel(image), 1, [data])
    assert (decision.action, decision.reason) == (TopicAction.ANONYMIZE, "no message can be read")


@pytest.mark.parametrize("types", [ROS1_TYPES, ROS2_TYPES], ids=["ros1", "ros2"])
def test_frame_id_must_be_utf8(types: Any) -> None:
    image = make_raw("k\xe4fer", types)
    data = serialize(image, types).replace("k\xe4fer".encode(), b"k\xe4\xe4fer")
    channel = make_channel(image, "ros1" if types is ROS1_TYPES else "cdr")
    with pytest.raises(ImageFormatError, match="codec can't decode"):
        deserialize_image(channel, data)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_raw, "frame_id"),
        (make_cloud, "frame_id"),
        (lambda text: replace(make_jpeg_image(PICTURE, 0), format=f"jpeg; {text[6:]}"), "format"),
        (lambda text: make_cloud("map", text), "name of a field"),
        (lambda text: replace(make_raw("map"), encoding=text), "encoding"),
    ],
)
def test_long_text_is_refused(make: Callable[[str], Any], name: str) -> None:
    message = make(LONGEST)
    deserialize(make_channel(message), serialize(message))
    message = make(LONG)
    with pytest.raises(TextLengthError, match=f"{name} of 257 characters.*may hide in it"):
        deserialize(make_channel(message), serialize(message))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_imu, "frame_id"),
        (make_transform, "child_frame_id"),
        (make_update, "frame_id"),
    ],
)
def test_long_frame_id_is_never_copied(make: Callable[[str], Any], name: str) -> None:
    message = make(LONGEST)
    channel = make_channel(message)
    decision = classify_topic(channel, 1, [serialize(message)])
    assert (decision.action, decision.verify_each_message) == (TopicAction.COPY, True)
    assert not find_copy_problem(channel, serialize(message))
    problem = find_copy_problem(channel, serialize(make(LONG)))
    assert problem.startswith(f"holds {name} of 257 characters")
    if channel.type_name != UPDATE:  # nobody can read it, and nobody has to
        assert not find_copy_problem(channel, serialize(message)[:-9])


@pytest.mark.parametrize("kind", ["ros1", "little endian", "big endian"])
def test_long_frame_id_is_found_in_any_order(kind: str) -> None:
    types = ROS1_TYPES if kind == "ros1" else STORE
    _, imu = make_other_message(IMU_TOPIC, 0, types)
    channel = make_channel(imu, "ros1" if kind == "ros1" else "cdr")
    for text in ("", "imu", LONGEST, LONG, LONG + "x", "\0" * 5000):
        message = replace(imu, header=make_header(0, text, types))
        if kind == "ros1":
            data = serialize(message, types)
        else:
            is_little = kind == "little endian"
            data = bytes(types.serialize_cdr(message, IMU, little_endian=is_little))
        assert bool(find_copy_problem(channel, data)) == (len(text) > MAX_TEXT_CHARACTERS)


@pytest.mark.parametrize(("topic", "index"), [(RAW_TOPIC, 2), (IMU_TOPIC, 9)])
def test_long_frame_id_stops_the_run(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], topic: str, index: int
) -> None:
    def lengthen(message: Any) -> None:
        message.header.frame_id = "0123456789" * 1_000_000

    source = write_rosbag2(tmp_path / "in")
    rewrite_bag(source, change_message(topic, index, lambda each: edit_fields(each, lengthen)))
    assert run_bag(source, tmp_path / "out") == 2
    assert "frame_id of 10000000 characters" in capsys.readouterr().err
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    topics = [each.topic for each in read_messages(tmp_path / "out")]
    before = [each.topic for each in read_messages(source)]
    assert before.count(topic) - topics.count(topic) == 1
    assert len(before) - len(topics) == 1


@pytest.mark.parametrize(
    "type_name",
    [
        "point_cloud_interfaces/msg/CompressedPointCloud2",
        "cloudini_msgs/msg/CompressedPointCloud",
        "foxglove_msgs/msg/CompressedVideo",
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        "theora_image_transport/msg/Packet",
        "some_msgs/msg/VideoPackets",
    ],
)
def test_other_compressions_are_never_decompressed(
    type_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision is needed, whatever they would become."""
    monkeypatch.setattr("anon_ros.bags.messages.deserialize_with", None)
    monkeypatch.setattr("anon_ros.bags.plan.nested_messages.deserialize_with", None)
    channel = Channel(1, "/x", type_name, "cdr", "string format\nuint8[] data", "ros2msg")
    bomb = b"\0\1\0\0" + zlib.compress(bytes(2**20))
    assert classify_topic(channel, 1, [bomb]).action is TopicAction.UNDECIDED


def test_depth_in_a_compressed_image_is_never_decompressed() -> None:
    depth = replace(make_jpeg_image(PICTURE, 0), format="16UC1; compressedDepth png")
    decision = classify_topic(make_channel(depth), 1, [serialize(depth)])
    assert decision.action is TopicAction.UNDECIDED
