"""Marks that were removed, forged or moved in an output."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcap.reader
import mcap.writer
import numpy as np
import pytest
import yaml

from anon_ros.images import CompressedImageData, decode_compressed, encode_compressed
from anon_ros.images.files.synthetic_mark import XMP_MARK
from helpers.bag_editing import (
    RunCommand,
    change_message,
    edit_fields,
    read_findings,
    rewrite_bag,
)
from helpers.bag_reading import ReadMessage
from helpers.bags import (
    JPEG_TOPIC,
    START_NS,
    STEP_NS,
    BagMessage,
    make_jpeg_image,
    write_rosbag2,
    write_split_rosbag2,
)
from helpers.fake_models import make_street_image
from helpers.hidden_pictures import SKY, make_segment

STREET = make_street_image(64, 48)
FLAGS = ("--no-redetection",)
LOST = "has lost the mark that a model drew"
SEGMENT = make_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP_MARK)


def write_input(path: Path, storage: str = "mcap") -> Path:
    """A recording with persons in the first and the third of three JPEG messages."""
    messages = [
        BagMessage(
            JPEG_TOPIC,
            "sensor_msgs/msg/CompressedImage",
            START_NS + index * STEP_NS,
            make_jpeg_image(image, index),
        )
        for index, image in enumerate([STREET, SKY, STREET])
    ]
    return write_rosbag2(path, storage, messages=messages)


def remove_mark(message: ReadMessage) -> ReadMessage:
    def cut(fields: Any) -> None:
        data = bytes(fields.data)
        assert SEGMENT in data
        fields.data = np.frombuffer(data.replace(SEGMENT, b""), np.uint8)

    return edit_fields(message, cut)


def insert_mark(message: ReadMessage) -> ReadMessage:
    def insert(fields: Any) -> None:
        compressed = CompressedImageData("jpeg", bytes(fields.data))
        image = decode_compressed(compressed)
        nobody = np.zeros(image.shape[:2], np.bool_)
        data = encode_compressed(compressed, image, nobody, 95, adds_mark=True)
        fields.data = np.frombuffer(data, np.uint8)

    return edit_fields(message, insert)


def edit_custom_data(output: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    path = output / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    information = content["rosbag2_bagfile_information"]
    information["custom_data"] = change(information["custom_data"])
    path.write_text(yaml.safe_dump(content))


def edit_records(path: Path, values: dict[str, str] | None) -> None:
    """Write an MCAP file again with other values of our metadata record, or without it."""
    reader = mcap.reader.make_reader(path.open("rb"))
    records = list(reader.iter_metadata())
    messages = list(reader.iter_messages(log_time_order=False))
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2", "somebody else")
        ids: dict[int, int] = {}
        for schema, channel, message in messages:
            if channel.id not in ids:
                number = writer.register_schema(schema.name, schema.encoding, schema.data)
                ids[channel.id] = writer.register_channel(
                    channel.topic, channel.message_encoding, number, channel.metadata
                )
            writer.add_message(
                ids[channel.id],
                message.log_time,
                message.data,
                message.publish_time,
                message.sequence,
            )
        for record in records:
            if record.name != "anon_ros.mark":
                writer.add_metadata(record.name, record.metadata)
        if values is not None:
            writer.add_metadata("anon_ros.mark", values)
        writer.finish()


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("flags", [(), ("--no-masks",), ("--output.mark", "off")])
def test_verify_accepts_marks(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    flags: tuple[str, ...],
) -> None:
    source = write_input(tmp_path / "in", storage)
    for name in ("out", "again"):  # the second run finds nobody, and keeps the marks
        assert draw_bag(source, tmp_path / name, *flags) == 0
        assert run_verify(source, tmp_path / name, *FLAGS) == 0, capsys.readouterr().out
        source = tmp_path / name


def test_verify_accepts_marks_of_some_splits(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = write_split_rosbag2(tmp_path / "in", "mcap")
    assert draw_bag(source, tmp_path / "out", "--storage", "mcap") == 0
    assert run_verify(source, tmp_path / "out", *FLAGS) == 0, capsys.readouterr().out


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_verify_misses_removed_mark(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    source, output = write_input(tmp_path / "in", storage), tmp_path / "out"
    assert draw_bag(source, output) == 0
    rewrite_bag(output, change_message(JPEG_TOPIC, 2, remove_mark))
    edit_custom_data(output, lambda _: {"vehicle": "number 5"})
    assert run_verify(source, output, *FLAGS) == 1
    warnings = read_findings(capsys, "warning")
    assert warnings == [
        f"{JPEG_TOPIC} at {START_NS + 2 * STEP_NS} ns: the file {LOST}",
        f"{output}: custom_data in the metadata {LOST}",
    ]


def test_verify_counts_removed_marks_without_masks(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = write_input(tmp_path / "in"), tmp_path / "out"
    assert draw_bag(source, output, "--no-masks") == 0
    rewrite_bag(output, change_message(JPEG_TOPIC, 2, remove_mark))
    assert run_verify(source, output, *FLAGS) == 1
    (warning,) = read_findings(capsys, "warning")
    assert warning == f"{JPEG_TOPIC}: 1 files have lost the mark that a model drew"
    for index in (1, 2):
        rewrite_bag(output, change_message(JPEG_TOPIC, index, insert_mark))
    assert run_verify(source, output, *FLAGS) == 2
    (error,) = read_findings(capsys, "error")
    assert error == f"{JPEG_TOPIC}: 1 files are marked as drawn by a model, yet nothing was"


def test_verify_refuses_mark_of_frame_without_persons(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = write_input(tmp_path / "in"), tmp_path / "out"
    assert draw_bag(source, output) == 0
    rewrite_bag(output, change_message(JPEG_TOPIC, 1, insert_mark))
    assert run_verify(source, output, *FLAGS) == 2
    (error,) = read_findings(capsys, "error")
    place = f"{JPEG_TOPIC} at {START_NS + STEP_NS} ns"
    assert error == f"{place}: the file is marked as drawn by a model, yet nothing was"


@pytest.mark.parametrize(
    ("values", "code", "text"),
    [
        (None, 1, "1 MCAP files have lost the mark that a model drew"),
        ({"what": "nobody"}, 2, "what report.json does not"),
    ],
    ids=["removed", "changed"],
)
def test_verify_checks_metadata_record(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, str] | None,
    code: int,
    text: str,
) -> None:
    source, output = write_input(tmp_path / "in"), tmp_path / "out"
    assert draw_bag(source, output) == 0
    edit_records(output / "in.mcap", values)
    assert run_verify(source, output, *FLAGS) == code
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(("flags", "code"), [((), 1), (("--no-masks",), 0)])
def test_verify_misses_mark_of_one_split(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    code: int,
) -> None:
    """Without masks.db, nobody knows in which of the files somebody was drawn."""
    source, output = write_split_rosbag2(tmp_path / "in", "mcap"), tmp_path / "out"
    assert draw_bag(source, output, *flags) == 0
    edit_records(sorted(output.glob("*.mcap"))[1], None)
    assert run_verify(source, output, *FLAGS) == code
    text = f"warning: {output}: 1 MCAP files have lost the mark"
    assert (text in capsys.readouterr().out) == (code == 1)


@pytest.mark.parametrize("draws", [False, True])
def test_verify_refuses_false_custom_data(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: Any,
    capsys: pytest.CaptureFixture[str],
    *,
    draws: bool,
) -> None:
    sentinel_models.inpainter.draws_persons = draws
    source, output = write_input(tmp_path / "in"), tmp_path / "out"
    assert draw_bag(source, output) == 0
    edit_custom_data(output, lambda values: {**values, "anon_ros.beta_d": "0.1"})
    assert run_verify(source, output, *FLAGS) == 2
    (error,) = read_findings(capsys, "error")
    assert error.endswith("says of what a model drew what report.json does not")


def test_verify_reads_reports_without_marks(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A version before marks has written it."""
    sentinel_models.inpainter.draws_persons = False
    source, output = write_input(tmp_path / "in"), tmp_path / "out"
    assert draw_bag(source, output) == 0
    path = output / "report.json"
    report = json.loads(path.read_text())
    del report["mark"], report["parameters"]["output.mark"], report["topics"][0]["drawn"]
    path.write_text(json.dumps(report))
    assert run_verify(source, output, *FLAGS) == 0, capsys.readouterr().out
