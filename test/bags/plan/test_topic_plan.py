"""The plan of each topic, and the decisions that stop a run before any model is loaded."""

import shlex
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import mcap.reader
import mcap.writer
import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg

from anon_ros.bags import TopicAction, TopicRules, inspect_bag, open_bag
from anon_ros.errors import BagError
from helpers.bag_reading import read_messages
from helpers.bags import (
    IMU_TOPIC,
    RAW_TOPIC,
    ROS2_TYPES,
    START_NS,
    BagMessage,
    make_header,
    make_jpeg_image,
    make_other_message,
    make_raw_image,
    write_mcap,
    write_rosbag2,
)
from helpers.fake_models import make_street_image

RunCommand = Callable[..., int]

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_PICTURE = make_street_image(64, 48)
_LINE = "=" * 80
_SCENE = f"""int32 number
sensor_msgs/CompressedImage view
{_LINE}
MSG: sensor_msgs/CompressedImage
std_msgs/Header header
string format
uint8[] data
{_LINE}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{_LINE}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec"""
for _name, _text in {
    "theora_image_transport/msg/Packet": "uint8[] data\nint32 b_o_s",
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": "string encoding\nuint8[] data",
    "foxglove_msgs/msg/CompressedVideo": "uint8[] data\nstring format",
    "my_msgs/msg/Blob": "uint8[] data",
    "my_msgs/msg/Snapshot": "uint8[] jpeg_data\nint32 number",
    "my_msgs/msg/Patch": "uint32 height\nuint32 width\nuint8[] data",
    "my_msgs/msg/Note": "# an image may lie elsewhere\nstring text",
    "my_msgs/msg/Scene": _SCENE,
}.items():
    _found = get_types_from_msg(_text, _name)
    ROS2_TYPES.register(
        {name: fields for name, fields in _found.items() if name not in ROS2_TYPES.fielddefs}
    )


def make_image(encoding: str, sample_bytes: int = 2, channels: int = 1) -> Any:
    step = 64 * sample_bytes * channels
    data = np.zeros(48 * step, np.uint8)
    return ROS2_TYPES.types[_IMAGE](make_header(0), 48, 64, encoding, 0, step, data)


def make_compressed(form: str, data: bytes) -> Any:
    return ROS2_TYPES.types[_COMPRESSED](make_header(0), form, np.frombuffer(data, np.uint8))


def make_cloud(*names: str) -> Any:
    field = ROS2_TYPES.types["sensor_msgs/msg/PointField"]
    fields = [field(name, 4 * index, 7, 1) for index, name in enumerate(names)]
    step = 4 * len(names)
    data = np.zeros(step, np.uint8)
    make = ROS2_TYPES.types["sensor_msgs/msg/PointCloud2"]
    return make(make_header(0), 1, 1, fields, False, step, step, data, True)


def make_blob(type_name: str, **fields: Any) -> Any:
    known = {"data": np.arange(9, dtype=np.uint8), "b_o_s": 0, "encoding": "", "format": "h264"}
    known |= {
        "jpeg_data": np.arange(9, dtype=np.uint8),
        "number": 0,
        "text": "",
        "width": 1,
        "height": 1,
        **fields,
    }
    names = [name for name, _ in ROS2_TYPES.fielddefs[type_name][1]]
    return ROS2_TYPES.types[type_name](*[known[name] for name in names])


_JPEG = bytes(make_jpeg_image(_PICTURE, 0).data)
_PNG_DEPTH = b"\0" * 12 + b"\x89PNG\r\n\x1a\n"
_PNG_16_BITS = cv2.imencode(".png", np.arange(51241, 51841, dtype=np.uint16).reshape(20, 30))[
    1
].tobytes()
_ZSTD = b"\x28\xb5\x2f\xfd" + b"\0" * 40

_POSE = ROS2_TYPES.types["geometry_msgs/msg/Pose"](
    ROS2_TYPES.types["geometry_msgs/msg/Point"](0, 0, 0),
    ROS2_TYPES.types["geometry_msgs/msg/Quaternion"](0, 0, 0, 1),
)
GRID = ROS2_TYPES.types["nav_msgs/msg/OccupancyGrid"](
    make_header(0),
    ROS2_TYPES.types["nav_msgs/msg/MapMetaData"](make_header(0).stamp, 1.0, 1, 1, _POSE),
    np.zeros(1, np.int8),
)

CASES: list[tuple[str, str, Any, TopicAction, str]] = [
    ("/cam/image_raw", _IMAGE, make_raw_image(_PICTURE, 0), TopicAction.ANONYMIZE, ""),
    ("/mono", _IMAGE, make_image("mono8", 1), TopicAction.ANONYMIZE, ""),
    ("/mono16", _IMAGE, make_image("mono16"), TopicAction.ANONYMIZE, ""),
    ("/thermal/image", _IMAGE, make_image("mono16"), TopicAction.ANONYMIZE, ""),
    ("/thermal/image16", _IMAGE, make_image("16UC1"), TopicAction.ANONYMIZE, "thermal"),
    ("/thermal/celsius", _IMAGE, make_image("32FC1", 4), TopicAction.UNDECIDED, "thermal"),
    ("/depth_camera/ir/image_raw", _IMAGE, make_image("16UC1"), TopicAction.UNDECIDED, "may be"),
    ("/tof_depth/amplitude", _IMAGE, make_image("16UC1"), TopicAction.UNDECIDED, "may be"),
    (
        "/camera/image_b64",
        "my_msgs/msg/Note",
        make_blob("my_msgs/msg/Note"),
        TopicAction.UNDECIDED,
        "text",
    ),
    (
        "/bgra_points",
        "sensor_msgs/msg/PointCloud2",
        make_cloud("x", "bgra"),
        TopicAction.UNDECIDED,
        "col",
    ),
    (
        "/red_points",
        "sensor_msgs/msg/PointCloud2",
        make_cloud("u8_red"),
        TopicAction.UNDECIDED,
        "col",
    ),
    (
        "/ring_points",
        "sensor_msgs/msg/PointCloud2",
        make_cloud("x", "ring", "t"),
        TopicAction.COPY,
        "",
    ),
    ("/depth/image_rect", _IMAGE, make_image("16UC1"), TopicAction.COPY, "depth"),
    ("/camera/depth/image_raw", _IMAGE, make_image("32FC1", 4), TopicAction.COPY, "depth"),
    ("/scan", _IMAGE, make_image("16UC1"), TopicAction.UNDECIDED, "may be depth or thermal"),
    ("/odd_encoding", _IMAGE, make_image("64FC1", 8), TopicAction.UNDECIDED, "64FC1"),
    ("/cam/compressed", _COMPRESSED, make_compressed("jpeg", _JPEG), TopicAction.ANONYMIZE, ""),
    ("/lying", _COMPRESSED, make_compressed("h264", _JPEG), TopicAction.ANONYMIZE, ""),
    (
        "/depth/compressedDepth",
        _COMPRESSED,
        make_compressed("16UC1; compressedDepth png", _PNG_DEPTH),
        TopicAction.UNDECIDED,
        "neither JPEG nor PNG",
    ),
    *(
        (topic, _COMPRESSED, make_compressed("16UC1; png compressed ", _PNG_16_BITS), *expected)
        for topic, *expected in (
            ("/lwir/image_raw/compressed", TopicAction.ANONYMIZE, ""),
            ("/front/image_raw/compressed", TopicAction.UNDECIDED, "may be depth"),
        )
    ),
    ("/zstd", _COMPRESSED, make_compressed("zstd", _ZSTD), TopicAction.UNDECIDED, "zstd"),
    (
        "/cam/theora",
        "theora_image_transport/msg/Packet",
        make_blob("theora_image_transport/msg/Packet"),
        TopicAction.UNDECIDED,
        "cannot be anonymized",
    ),
    (
        "/cam/ffmpeg",
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        make_blob("ffmpeg_image_transport_msgs/msg/FFMPEGPacket"),
        TopicAction.UNDECIDED,
        "cannot be anonymized",
    ),
    (
        "/video",
        "foxglove_msgs/msg/CompressedVideo",
        make_blob("foxglove_msgs/msg/CompressedVideo"),
        TopicAction.UNDECIDED,
        "cannot be anonymized",
    ),
    (
        "/cam/image_zip",
        "my_msgs/msg/Blob",
        make_blob("my_msgs/msg/Blob"),
        TopicAction.UNDECIDED,
        "bytes",
    ),
    ("/radar", "my_msgs/msg/Blob", make_blob("my_msgs/msg/Blob"), TopicAction.COPY, ""),
    (
        "/camera/zip",
        "my_msgs/msg/Blob",
        make_blob("my_msgs/msg/Blob"),
        TopicAction.UNDECIDED,
        "bytes",
    ),
    (
        "/moment",
        "my_msgs/msg/Snapshot",
        make_blob("my_msgs/msg/Snapshot"),
        TopicAction.UNDECIDED,
        "jpeg_data",
    ),
    ("/patch", "my_msgs/msg/Patch", make_blob("my_msgs/msg/Patch"), TopicAction.UNDECIDED, "width"),
    ("/map", "nav_msgs/msg/OccupancyGrid", GRID, TopicAction.COPY, ""),
    ("/cam/image_note", "my_msgs/msg/Note", make_blob("my_msgs/msg/Note"), TopicAction.COPY, ""),
    (
        "/scene",
        "my_msgs/msg/Scene",
        ROS2_TYPES.types["my_msgs/msg/Scene"](1, make_jpeg_image(_PICTURE, 0)),
        TopicAction.UNDECIDED,
        "holds sensor_msgs/msg/CompressedImage",
    ),
    ("/points", "sensor_msgs/msg/PointCloud2", make_cloud("x", "y", "z"), TopicAction.COPY, ""),
    (
        "/rgb_points",
        "sensor_msgs/msg/PointCloud2",
        make_cloud("x", "y", "z", "rgb"),
        TopicAction.UNDECIDED,
        "colours",
    ),
    ("/cam/camera_info", *make_other_message("/cam/camera_info", 0), TopicAction.COPY, ""),
    (IMU_TOPIC, *make_other_message(IMU_TOPIC, 0), TopicAction.COPY, ""),
]


def generate_case_messages(cases: Any = CASES) -> Iterator[BagMessage]:
    for index, (topic, type_name, message, *_) in enumerate(cases):
        yield BagMessage(topic, type_name, START_NS + index, message)


def make_plan(path: Path, tmp_path: Path, wishes: TopicRules = TopicRules()) -> Any:  # noqa: B008 - frozen
    return inspect_bag(open_bag(path), wishes, 0, 0, salvage=False, scratch=tmp_path).topics


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compression", ["none", "message"])
def test_plan_decides_each_topic(tmp_path: Path, storage: str, compression: str) -> None:
    path = write_rosbag2(tmp_path / "in", storage, compression, generate_case_messages())
    found = {entry.topic: entry for entry in make_plan(path, tmp_path).decisions}
    assert {topic: found[topic].action for topic, *_ in CASES} == {
        topic: decision for topic, _, _, decision, _ in CASES
    }
    for topic, _, _, _, reason in CASES:
        assert reason in found[topic].reason, topic


def test_undecided_topics_stop_the_run(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rosbag2(tmp_path / "in", messages=generate_case_messages())
    assert run_bag(source, tmp_path / "out") == 2
    printed = capsys.readouterr()
    assert not sentinel_models.configs
    assert list(tmp_path.iterdir()) == [source]
    for topic, type_name, _, decision, _ in CASES:
        assert topic in printed.out
        assert (f"{topic} ({type_name}" in printed.err) == (decision is TopicAction.UNDECIDED)
    assert "--drop TOPIC" in printed.err
    assert "Traceback" not in printed.err


def test_run_follows_topic_actions(tmp_path: Path, run_bag: RunCommand) -> None:
    source = write_rosbag2(tmp_path / "in", messages=generate_case_messages())
    undecided = [case[0] for case in CASES if case[3] is TopicAction.UNDECIDED]
    flags = [word for topic in undecided[1:] for word in ("--drop", topic)]
    flags += ["--copy", undecided[0]]
    assert run_bag(source, tmp_path / "out", *flags) == 0
    after = {each.topic for each in read_messages(tmp_path / "out")}
    assert after == {case[0] for case in CASES} - set(undecided[1:])
    copied = next(each for each in read_messages(tmp_path / "out") if each.topic == undecided[0])
    assert copied == next(each for each in read_messages(source) if each.topic == undecided[0])


def test_dry_run_prints_plan_and_stops(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rosbag2(tmp_path / "in")
    assert run_bag(source, tmp_path / "out", "--dry-run", "--drop", "/odd") == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line.split()[:2] for line in lines if RAW_TOPIC in line) == ["ANONYMIZE", RAW_TOPIC]
    assert [line.split()[0] for line in lines if " /odd " in line] == ["DROP"]
    assert not sentinel_models.configs
    assert list(tmp_path.iterdir()) == [source]


def test_unmatched_topic_rule_rejected(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rosbag2(tmp_path / "in")
    assert run_bag(source, tmp_path / "out", "--drop", "/cam/imgae_raw") == 2
    assert "/cam/imgae_raw" in capsys.readouterr().err


def test_depth_turned_color_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = "/depth/image_raw"
    both = [make_image("16UC1"), make_raw_image(_PICTURE, 1), make_image("16UC1")]
    stream = [BagMessage(topic, _IMAGE, START_NS + i, message) for i, message in enumerate(both)]
    source = write_rosbag2(tmp_path / "in", messages=stream)
    assert run_bag(source, tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert f"{topic} at {START_NS + 1} ns: encoding 'bgr8' is no depth; --salvage" in told
    assert told.count("--salvage") == 1
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    assert [each.time_ns - START_NS for each in read_messages(tmp_path / "out")] == [0, 2]


def test_camera_turned_depth_never_copied(tmp_path: Path, run_bag: RunCommand) -> None:
    stream = [
        BagMessage(RAW_TOPIC, _IMAGE, START_NS + i, message)
        for i, message in enumerate(
            [make_raw_image(_PICTURE, 0), make_image("32FC1", 4), make_raw_image(_PICTURE, 2)]
        )
    ]
    source = write_rosbag2(tmp_path / "in", messages=stream)
    assert run_bag(source, tmp_path / "out") == 2
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    assert [each.time_ns - START_NS for each in read_messages(tmp_path / "out")] == [0, 2]


def test_cloud_turned_colored_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    clouds = [
        make_cloud("x", "y"),
        *[make_cloud("x", "y")] * 9,
        make_cloud("x", "rgb"),
        make_cloud("x", "y"),
    ]
    kind = "sensor_msgs/msg/PointCloud2"
    stream = [BagMessage("/points", kind, START_NS + i, each) for i, each in enumerate(clouds)]
    source = write_rosbag2(tmp_path / "in", messages=stream)
    assert run_bag(source, tmp_path / "out") == 2
    assert f"/points at {START_NS + 10} ns: points with the colours" in capsys.readouterr().err
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    assert len(read_messages(tmp_path / "out")) == 11


def test_images_not_in_cdr_undecided(tmp_path: Path) -> None:
    path = tmp_path / "in.mcap"
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start()
        for number, (name, encoding) in enumerate(
            [("foxglove.CompressedImage", "protobuf"), (_IMAGE, "json"), ("", "json")]
        ):
            schema = writer.register_schema(name, "jsonschema", b"{}") if name else 0
            channel = writer.register_channel(f"/topic{number}", encoding, schema)
            writer.add_message(channel, 1, b"{}", 1)
        writer.finish()
    found = [entry.action for entry in make_plan(path, tmp_path).decisions]
    assert found == [TopicAction.UNDECIDED] * 3


def test_undefined_type_is_undecided(tmp_path: Path) -> None:
    """Databases of older ROS distributions have none."""
    path = write_rosbag2(tmp_path / "in", "sqlite3")
    with sqlite3.connect(path / "in.db3") as database:
        database.execute("DELETE FROM message_definitions")
    found = {entry.topic: entry for entry in make_plan(path, tmp_path).decisions}
    assert found["/odd"].action is TopicAction.UNDECIDED
    assert "definition" in found["/odd"].reason
    assert found[IMU_TOPIC].action is TopicAction.COPY  # known without


def test_picture_named_as_text_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.mcap"
    with source.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        writer.add_attachment(1, 1, "notes.json", "", _JPEG)
        writer.finish()
    assert run_bag(source, tmp_path / "out.mcap") == 2
    assert (
        "notes.json: its name or type is that of a text, its data are not"
        in capsys.readouterr().err
    )
    assert run_bag(source, tmp_path / "out.mcap", "--salvage") == 0
    reader = mcap.reader.make_reader((tmp_path / "out.mcap").open("rb"))
    assert not list(reader.iter_attachments())


def test_resume_rejects_other_actions(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [
        BagMessage("/depth/image", _IMAGE, START_NS, make_image("16UC1")),
        BagMessage(RAW_TOPIC, _IMAGE, START_NS + 1, make_raw_image(_PICTURE, 1)),
    ]
    source = write_rosbag2(tmp_path / "in", messages=both)
    sentinel_models.segmenter.segment = None  # whatever fails after the run has begun
    assert run_bag(source, tmp_path / "out", "--copy", "/depth/image") == 2
    assert run_bag(source, tmp_path / "out") == 2
    assert "differs in: decisions" in capsys.readouterr().err


def test_attached_pictures_undecided(tmp_path: Path, run_bag: RunCommand) -> None:
    source = write_mcap(tmp_path / "in.mcap")
    with (tmp_path / "pictures.mcap").open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        writer.add_attachment(1, 1, "scene.jpg", "", b"\xff\xd8\xff")
        writer.add_attachment(1, 1, "scene", "image/png", b"\x89PNG")
        writer.add_attachment(1, 1, "map.yaml", "", b"a: 1")
        writer.finish()
    assert run_bag(source, tmp_path / "fine.mcap") == 0
    with pytest.raises(BagError, match=r"scene\.jpg.*scene .*image/png"):
        make_plan(tmp_path / "pictures.mcap", tmp_path).require_decided()
    output = tmp_path / "out.mcap"
    flags = ("--drop", "scene.jpg", "--copy", "scene")
    assert run_bag(tmp_path / "pictures.mcap", output, *flags) == 0
    names = [a.name for a in mcap.reader.make_reader(output.open("rb")).iter_attachments()]
    assert names == ["scene", "map.yaml"]


def test_hostile_names_steer_no_terminal(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    topic, injected = "/blob\x1b[2J\nCOPY /x", "/a; touch $(id) `id`"
    source = tmp_path / "in.mcap"
    with source.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        schema = writer.register_schema("evil\x1b]0;/msg/Image\r", "ros2msg", b"uint8[] data")
        for name in (topic, injected):
            writer.add_message(writer.register_channel(name, "cdr", schema), 1, b"", 1)
        writer.add_attachment(1, 1, "notes\x1b[1m.json", "", _JPEG)
        writer.finish()
    assert run_bag(source, tmp_path / "out.mcap") == 2
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert len(lines) == 4
    assert r"/blob\x1b[2J\nCOPY /x" in lines[1]
    assert len(printed.err.splitlines()) == 1
    flags = ["--drop", "/blob?[2J?COPY /x", "--drop", injected]
    assert shlex.split(printed.err.partition("To drop all: ")[2]) == flags
    assert run_bag(source, tmp_path / "out.mcap", *flags, "--salvage") == 0
    printed_losses = capsys.readouterr()
    assert r"notes\x1b[1m.json" in printed_losses.err
    shown = "".join((*printed, *printed_losses)).replace("\n", "")
    assert shown.isprintable()
