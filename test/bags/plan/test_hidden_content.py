"""Pictures, sounds and persons in messages of other types, attachments and metadata."""

import base64
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mcap.reader
import mcap.writer
import numpy as np
import pytest
import yaml
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from anon_ros.bags.plan.classify import classify_topic, find_attachment_problem
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision, TopicRules
from anon_ros.bags.plan.topic_plan import plan_topics
from anon_ros.bags.storage.records import Attachment, Channel, FileExtent
from anon_ros.cli import main
from helpers.bag_reading import read_messages
from helpers.bags import (
    RAW_TOPIC,
    START_NS,
    BagMessage,
    make_header,
    make_jpeg_image,
    make_raw_image,
    write_mcap,
    write_rosbag2,
)
from helpers.bombs import insert_record, make_chunk
from helpers.fake_models import make_street_image

RunCommand = Callable[..., int]

COPY, UNDECIDED, ANONYMIZE = TopicAction.COPY, TopicAction.UNDECIDED, TopicAction.ANONYMIZE
FLOATS = "std_msgs/msg/Float32MultiArray"
IMAGE, CLOUD = "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2"
MARKER, MARKERS = "visualization_msgs/msg/Marker", "visualization_msgs/msg/MarkerArray"
IMU = "sensor_msgs/msg/Imu"
PRIVATE = b"\x91" + (9).to_bytes(8, "little") + b"a picture"
STRING, BYTES = "std_msgs/msg/String", "std_msgs/msg/UInt8MultiArray"
STORE = get_typestore(Stores.ROS2_JAZZY)
UPDATE = "map_msgs/msg/PointCloud2Update"
PICTURE = make_street_image(64, 48)
JPEG = bytes(make_jpeg_image(PICTURE, 0).data)
BASE64 = base64.b64encode(JPEG).decode()


def make_string(text: str) -> Any:
    return STORE.types[STRING](text)


def make_bytes(data: bytes, *sizes: int) -> Any:
    dimension = STORE.types["std_msgs/msg/MultiArrayDimension"]
    layout = STORE.types["std_msgs/msg/MultiArrayLayout"]([dimension("", n, n) for n in sizes], 0)
    return STORE.types[BYTES](layout, np.frombuffer(data, np.uint8))


def make_floats(*sizes: int) -> Any:
    return STORE.types[FLOATS](make_bytes(b"", *sizes).layout, np.zeros(sizes, np.float32).ravel())


def make_marker(**fields: Any) -> Any:
    """Return a Marker whose fields are zero or empty but for ``fields``."""
    return _make_zero(MARKER, fields)


def _make_zero(type_name: str, fields: dict[str, Any]) -> Any:
    values = {}
    for name, (kind, details) in STORE.fielddefs[type_name][1]:
        base = details if kind.name == "NAME" else details[0]
        if kind.name == "NAME":
            values[name] = _make_zero(details, {})
        elif kind.name == "BASE":
            values[name] = "" if base == "string" else 0
        else:
            is_nested = details[0][0].name == "NAME"
            values[name] = [] if is_nested else np.zeros(0, np.uint8)
    return STORE.types[type_name](**{**values, **fields})


def make_cloud(*names: str, height: int = 1, width: int = 1) -> Any:
    field = STORE.types["sensor_msgs/msg/PointField"]
    fields = [field(name, 4 * index, 7, 1) for index, name in enumerate(names)]
    step = 4 * len(names)
    data = np.zeros(step * height * width, np.uint8)
    return STORE.types[CLOUD](
        make_header(0), height, width, fields, False, step, step * width, data, True
    )


def classify(topic: str, type_name: str, *messages: Any) -> TopicDecision:
    samples = [bytes(STORE.serialize_cdr(message, type_name)) for message in messages]
    return classify_topic(Channel(1, topic, type_name, "cdr"), len(samples), samples)


TEXTURED = make_marker(texture=make_jpeg_image(PICTURE, 0))
MESH = STORE.types["visualization_msgs/msg/MeshFile"](
    "model.glb", np.frombuffer(b"glTF" + bytes(60) + JPEG, np.uint8)
)
COLOR = STORE.types["std_msgs/msg/ColorRGBA"](1.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("markers", "action", "reason"),
    [
        ([], COPY, ""),
        ([[]], COPY, ""),
        ([[make_marker(text="arrow", ns="path")]], COPY, ""),
        ([[], [make_marker(), TEXTURED]], UNDECIDED, "holds sensor_msgs/msg/CompressedImage"),
        ([[make_marker(mesh_file=MESH)]], UNDECIDED, "holds a JPEG picture"),
        ([[make_marker(mesh_resource=f"data:{BASE64}")]], UNDECIDED, "holds a JPEG picture in"),
        ([[make_marker(colors=[COLOR] * 1000)]], COPY, "many colored points"),
    ],
)
def test_markers_are_looked_into(
    markers: Sequence[list[Any]], action: TopicAction, reason: str
) -> None:
    decision = classify("/markers", MARKERS, *map(STORE.types[MARKERS], markers))
    assert (decision.action, decision.verify_each_message) == (action, action is COPY)
    assert decision.reason.startswith(reason)


def test_colored_cloud_inside_message_undecided() -> None:
    definition = f"uint32 type\nsensor_msgs/PointCloud2 points\n{'=' * 80}\nMSG: "
    definition += f"{CLOUD}\n{STORE.generate_msgdef(CLOUD)[0]}"
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, UPDATE))
    channel = Channel(1, "/map/update", UPDATE, "cdr", definition, "ros2msg")
    for fields, action in ((("x", "rgb"), UNDECIDED), (("x", "y"), COPY)):
        message = store.types[UPDATE](0, make_cloud(*fields))
        decision = classify_topic(channel, 1, [bytes(store.serialize_cdr(message, UPDATE))])
        assert decision.action is action


def test_forged_definition_is_not_looked_into() -> None:
    definition = f"sensor_msgs/Image view\n{'=' * 80}\nMSG: sensor_msgs/Image\nuint64[] pixels"
    channel = Channel(1, "/thing", "my_msgs/msg/Thing", "cdr", definition, "ros2msg")
    assert classify_topic(channel, 1, [bytes(12)]).action is UNDECIDED


@pytest.mark.parametrize(
    ("topic", "type_name", "message", "action"),
    [
        ("/blob", BYTES, make_bytes(JPEG), UNDECIDED),
        ("/blob", BYTES, make_bytes(bytes(48 * 64 * 3), 48, 64, 3), UNDECIDED),
        ("/blob", BYTES, make_bytes(bytes(3 * 48 * 64), 3, 48, 64), UNDECIDED),
        ("/blob", BYTES, make_bytes(bytes(64), 64), COPY),
        ("/blob", FLOATS, make_floats(48, 64, 3), UNDECIDED),
        ("/costmap", FLOATS, make_floats(48, 64), COPY),
        ("/camera/blob", BYTES, make_bytes(bytes(64)), UNDECIDED),
        ("/blob", STRING, make_string(f'{{"view": "{BASE64}"}}'), UNDECIDED),
        ("/blob", STRING, make_string("all is well"), COPY),
    ],
)
def test_bytes_and_text_are_looked_into(
    topic: str, type_name: str, message: Any, action: TopicAction
) -> None:
    assert classify(topic, type_name, message).action is action


@pytest.mark.parametrize(
    ("cloud", "action", "reason"),
    [
        (make_cloud("x", "intensity"), COPY, ""),
        (make_cloud("x", "near_ir"), COPY, "near_ir: persons may be seen"),
        (make_cloud("x", "ambient", "reflectivity", height=2, width=8), COPY, "ambient: persons"),
        (make_cloud("x", "intensity", height=2, width=8), COPY, "dense intensity"),
        (make_cloud("x", "intensity", width=60_000), COPY, "dense intensity"),
        (make_cloud("x", "y", "z", height=2, width=8), COPY, "organized points"),
        (make_cloud("x", "y", "t", "polarity"), UNDECIDED, "events of an event camera"),
        (make_cloud("x", "y", "z", "p"), UNDECIDED, "events of an event camera"),
    ],
)
def test_dense_cloud_noticed(cloud: Any, action: TopicAction, reason: str) -> None:
    decision = classify("/points", CLOUD, cloud)
    assert (decision.action, decision.verify_each_message) == (action, action is COPY)
    assert decision.reason.startswith(reason)
    assert bool(decision.reason) == bool(reason)


def test_copy_by_pattern_takes_no_images() -> None:
    image, blob = Channel(1, "/front/image", IMAGE, "cdr"), Channel(2, "/front/cam", BYTES, "cdr")
    depth = Channel(3, "/front/depth", IMAGE, "cdr")
    sample = STORE.serialize_cdr(
        STORE.types[IMAGE](make_header(0), 1, 1, "16UC1", 0, 2, np.zeros(2, np.uint8)), IMAGE
    )
    counts, samples = {image: 1, blob: 1, depth: 1}, {depth: [bytes(sample)]}
    plan = plan_topics(counts, samples, (), TopicRules(copy=("/front/*",)))
    assert [item.action for item in plan.decisions] == [ANONYMIZE, COPY, COPY]
    assert [item.verify_each_message for item in plan.decisions] == [False, False, True]
    assert "name the topic" in plan.decisions[0].reason
    plan = plan_topics(counts, samples, (), TopicRules(copy=("/front/*", "/front/image")))
    assert [item.action for item in plan.decisions] == [COPY, COPY, COPY]


def test_picture_in_later_message_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [*["fine"] * 8, BASE64, "fine"]
    stream = [
        BagMessage("/notes", STRING, START_NS + i, make_string(text))
        for i, text in enumerate(texts)
    ]
    arrays = [STORE.types[MARKERS]([make_marker()]) for _ in range(8)]
    arrays.append(STORE.types[MARKERS]([TEXTURED]))
    stream += [BagMessage("/markers", MARKERS, START_NS + 20 + i, a) for i, a in enumerate(arrays)]
    source = write_rosbag2(tmp_path / "in", messages=stream)
    assert run_bag(source, tmp_path / "out") == 2
    assert f"/notes at {START_NS + 8} ns: holds a JPEG picture" in capsys.readouterr().err
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    times = [message.time_ns - START_NS for message in read_messages(tmp_path / "out")]
    assert times == [*range(8), 9, *range(20, 28)]
    flags = ("--copy", "/notes", "--copy", "/markers")
    assert run_bag(source, tmp_path / "copied", *flags) == 0
    assert read_messages(tmp_path / "copied") == read_messages(source)


def write_extras(path: Path) -> Path:
    """An MCAP file without messages: attachments, metadata and two private records."""
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        writer.add_attachment(1, 1, "notes.txt", "text/plain", f"see {BASE64}".encode())
        writer.add_attachment(1, 1, "map.yaml", "", b"a: 1")
        writer.add_metadata("operator", {"name": "R2"})
        writer.add_metadata("operator", {"name": "R2", "portrait": BASE64})
        writer.add_metadata("robot", {"name": "R2"})
        writer.add_metadata("badge", {BASE64: ""})
        writer.finish()
    insert_record(path, PRIVATE)
    return insert_record(path, PRIVATE[:1] + (0).to_bytes(8, "little"))


def read_extras(path: Path) -> tuple[list[str], list[str], int]:
    """Names of attachments and of metadata, and the number of private records with their bytes."""
    reader = mcap.reader.make_reader(path.open("rb"))
    attachments = [attachment.name for attachment in reader.iter_attachments()]
    metadata = [record.name for record in reader.iter_metadata()]
    return attachments, metadata, path.read_bytes().count(PRIVATE)


def test_extras_are_in_the_plan(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_extras(tmp_path / "in.mcap")
    assert run_bag(source, tmp_path / "out.mcap", "--dry-run") == 0
    rows = [tuple(line.split()[:2]) for line in capsys.readouterr().out.splitlines()[1:]]
    assert sorted(rows) == [
        ("?", "badge"),
        ("?", "operator"),
        *(("COPY", "map.yaml"), ("COPY", "notes.txt"), ("COPY", "robot")),
        ("DROP", "record-0x91"),
    ]
    assert run_bag(source, tmp_path / "out.mcap") == 2
    assert "operator (MCAP metadata: holds a JPEG picture in base64)" in capsys.readouterr().err


def test_picture_in_attachment_or_metadata_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_extras(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    flags = "--drop", "operator", "--drop", "badge"
    assert run_bag(source, output, *flags) == 2
    assert "notes.txt: holds a JPEG picture in base64" in capsys.readouterr().err
    assert run_bag(source, output, *flags, "--salvage") == 0
    assert read_extras(output) == (["map.yaml"], ["robot"], 0)
    report = json.loads(_read_report(tmp_path))
    assert [loss["place"] for loss in report["losses"]] == ["text/plain notes.txt"]
    (private,) = [topic for topic in report["topics"] if topic["topic"] == "record-0x91"]
    assert private["decision"] == "DROP"
    assert "2 records, 9 bytes" in private["reason"]
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 0
    clean = tmp_path / "clean.mcap"
    assert run_bag(source, clean, *flags, "--drop", "notes.txt") == 0
    assert main.main(["verify", str(source), str(clean), "--no-redetection"]) == 0


def test_extras_are_copied_by_name(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_extras(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    patterns = "--copy", "o*", "--copy", "b*", "--copy", "record*", "--copy", "notes.txt"
    assert run_bag(source, output, *patterns) == 2  # no pattern takes them along
    assert "operator (MCAP metadata" in capsys.readouterr().err
    names = [f for n in ("operator", "badge", "record-0x91", "notes.txt") for f in ("--copy", n)]
    assert run_bag(source, output, *names) == 0
    metadata = ["operator", "operator", "robot", "badge"]
    assert read_extras(output) == (["notes.txt", "map.yaml"], metadata, 1)
    capsys.readouterr()
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 1
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if "warning: " in line]
    assert warning.startswith("warning: record-0x91: of type private MCAP record was copied")
    assert warning.endswith("nobody knows what they show")


def test_topic_never_speaks_for_an_extra(tmp_path: Path, run_bag: RunCommand) -> None:
    """A topic with the name and type of an attachment and of a private record."""
    source = write_extras(tmp_path / "in.mcap")
    with source.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        for topic, kind in (("notes.txt", "text/plain"), ("record-0x91", "private MCAP record")):
            schema = writer.register_schema(kind, "ros2msg", b"int32 x")
            channel = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channel, 1, b"\0\1\0\0\1\0\0\0", 1)
        writer.add_attachment(1, 1, "notes.txt", "text/plain", f"see {BASE64}".encode())
        writer.finish()
    insert_record(source, PRIVATE)
    assert run_bag(source, tmp_path / "out.mcap", "--salvage") == 0
    assert read_extras(tmp_path / "out.mcap") == ([], [], 0)
    assert len(read_messages(tmp_path / "out.mcap")) == 2


def test_private_record_in_chunk_is_a_loss(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = insert_record(write_mcap(tmp_path / "in.mcap"), make_chunk("", PRIVATE, len(PRIVATE)))
    assert run_bag(source, tmp_path / "out.mcap") == 2
    assert "a record of kind 0x91, which must not be in a chunk" in capsys.readouterr().err
    assert run_bag(source, tmp_path / "out.mcap", "--salvage") == 0
    assert PRIVATE[9:] not in (tmp_path / "out.mcap").read_bytes()


@pytest.mark.parametrize("place", ["definition", "qos", "metadata"])
def test_picture_in_description_needs_decision(place: str) -> None:
    channel = {
        "definition": Channel(0, "/imu", IMU, "cdr", f"# {BASE64}\nint32 x", "ros2msg"),
        "qos": Channel(0, "/imu", IMU, "cdr", qos=BASE64),
        "metadata": Channel(0, "/imu", IMU, "cdr", extra=(("portrait", BASE64),)),
    }[place]
    decision = classify_topic(channel, 1, ())
    assert decision.action is UNDECIDED
    assert decision.reason == "its description holds a JPEG picture in base64"


def test_text_attachment_is_streamed(tmp_path: Path) -> None:
    """Text whose picture, or bad character, lies across two blocks."""
    block = 2**20
    for place in (0, block - 5, block - len(BASE64) // 2, 3 * block - 1):
        text = b"x " * (place // 2) + BASE64.encode() + b" y" * block
        for content in (text, _place_in_file(tmp_path / "text", text)):
            attachment = Attachment("notes.txt", "text/plain", 0, 0, content)
            assert find_attachment_problem(attachment) == "holds a JPEG picture in base64"
    for data, is_text in (
        (b"x" * (block - 1) + "ä".encode() + b"x", True),
        (b"x" * (block - 1) + b"\xc3", False),
        (b"x" * block + b"\0", False),
        (b"\xff\xd8\xff", False),
    ):
        attachment = Attachment("a.txt", "", 0, 0, _place_in_file(tmp_path / "text", data))
        assert (not find_attachment_problem(attachment)) == is_text


def _place_in_file(path: Path, data: bytes) -> FileExtent:
    path.write_bytes(b"head" + data + b"tail")
    return FileExtent(os.open(path, os.O_RDONLY), 4, len(data))


def test_picture_in_custom_data_refused(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rosbag2(tmp_path / "in")
    path = source / "metadata.yaml"
    metadata = yaml.safe_load(path.read_text())
    metadata["rosbag2_bagfile_information"]["custom_data"] = {"portrait": BASE64}
    path.write_text(yaml.safe_dump(metadata))
    assert run_bag(source, tmp_path / "out", "--salvage") == 2
    assert "custom_data in metadata.yaml holds a JPEG picture" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def _read_report(folder: Path) -> str:
    return next(folder.glob("out*report.json")).read_text()


def test_notice_stands_in_report(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = [
        BagMessage(RAW_TOPIC, IMAGE, START_NS, make_raw_image(PICTURE, 0)),
        BagMessage("/ouster/points", CLOUD, START_NS, make_cloud("x", "near_ir")),
    ]
    source = write_rosbag2(tmp_path / "in", messages=stream)
    assert run_bag(source, tmp_path / "out") == 0
    notice = "near_ir: persons may be seen as in a camera image"
    assert notice in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    reasons = {topic["topic"]: topic["reason"] for topic in report["topics"]}
    assert reasons == {RAW_TOPIC: "", "/ouster/points": notice}
