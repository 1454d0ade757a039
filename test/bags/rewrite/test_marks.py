"""Marks of recordings in which a model drew persons, read by the libraries of others."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mcap.reader
import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import Reader

from anon_ros.images.files.synthetic_mark import DIGITAL_SOURCE_TYPE, XMP_MARK
from helpers.bag_reading import decode_image, deserialize, read_messages
from helpers.bags import (
    JPEG_TOPIC,
    RAW_TOPIC,
    START_NS,
    STEP_NS,
    BagMessage,
    make_jpeg_image,
    make_raw_image,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
    write_split_rosbag2,
)
from helpers.exiftool import read_by_exiftool, requires_exiftool
from helpers.fake_models import make_street_image
from helpers.hidden_pictures import SKY

RunCommand = Callable[..., int]
STREET = make_street_image(64, 48)
PREFIX, VEHICLE = "anon_ros.", {"vehicle": "number 5"}


def make_message(index: int, image: Any, topic: str = JPEG_TOPIC) -> BagMessage:
    make, kind = (make_raw_image, "Image") if topic == RAW_TOPIC else (make_jpeg_image, "")
    message = make(image, index)
    kind = kind or "CompressedImage"
    return BagMessage(topic, f"sensor_msgs/msg/{kind}", START_NS + index * STEP_NS, message)


def encode_png(image: Any) -> Any:
    return cv2.imencode(".png", image[..., ::-1])[1].reshape(-1)


def read_custom_data(folder: Path) -> dict[str, str]:
    """Return the custom data that rosbags reads."""
    with Reader(folder) as reader:
        return dict(reader.storage.metadata.custom or {})


def read_records(path: Path) -> list[dict[str, str]]:
    """Return our metadata records that the library mcap reads."""
    with path.open("rb") as stream:
        records = list(mcap.reader.make_reader(stream).iter_metadata())
    return [record.metadata for record in records if record.name == "anon_ros.mark"]


def read_report(output: Path) -> dict[str, Any]:
    folder, name = (output, "") if output.is_dir() else (output.parent, f"{output.name}.")
    return dict(json.loads((folder / f"{name}report.json").read_text()))


def list_texts(mark: dict[str, Any], prefix: str = "") -> dict[str, str]:
    return {f"{prefix}{key}": str(value) for key, value in mark.items()}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_recording_says_that_a_model_drew(
    tmp_path: Path, draw_bag: RunCommand, storage: str
) -> None:
    source, output = write_rosbag2(tmp_path / "in", storage), tmp_path / "out"
    assert draw_bag(source, output, "--inpaint.beta_d", "0.45") == 0
    report = read_report(output)
    assert report["mark"]["beta_d"] == 0.45
    assert report["mark"]["digital_source_type"] == DIGITAL_SOURCE_TYPE
    assert {topic.get("drawn") for topic in report["topics"]} == {6, None}
    assert read_custom_data(output) == VEHICLE | list_texts(report["mark"], PREFIX)
    if storage == "mcap":
        (path,) = output.glob("*.mcap")
        assert read_records(path) == [list_texts(report["mark"])]
    raw_input, raw_output = (
        [deserialize(m) for m in read_messages(path) if m.topic == RAW_TOPIC]
        for path in (source, output)
    )
    for before, after in zip(raw_input, raw_output, strict=True):
        assert len(before.data) == len(after.data)
        assert DIGITAL_SOURCE_TYPE.encode() not in bytes(after.data)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("case", ["classical", "off", "nobody", "covered"])
def test_nothing_is_marked_where_nothing_was_drawn(
    tmp_path: Path, draw_bag: RunCommand, sentinel_models: Any, storage: str, case: str
) -> None:
    sentinel_models.inpainter.draws_persons = case != "classical"
    flags = {"off": ("--output.mark", "off"), "covered": ("--inpaint.min_person_px", "4096")}
    images = [SKY if case == "nobody" else STREET] * 3
    messages = [make_message(index, image) for index, image in enumerate(images)]
    output = tmp_path / "out"
    source = write_rosbag2(tmp_path / "in", storage, messages=messages)
    assert draw_bag(source, output, *flags.get(case, ())) == 0
    assert read_report(output)["mark"] is None
    assert read_custom_data(output) == VEHICLE
    assert all(XMP_MARK not in message.data for message in read_messages(output))
    (file,) = output.glob("in.*")
    data = file.read_bytes()
    assert b"anon_ros.mark" not in data
    assert DIGITAL_SOURCE_TYPE.encode() not in data


@requires_exiftool
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exiftool_reads_marks_of_messages(
    tmp_path: Path, draw_bag: RunCommand, suffix: str
) -> None:
    """Frames with a drawn person alone; the pixels are those of a run without marks."""
    images = [STREET, SKY, STREET]
    messages = [make_message(index, image) for index, image in enumerate(images)]
    if suffix == "png":
        for message, image in zip(messages, images, strict=True):
            message.message.format = "png"
            message.message.data = encode_png(image)
    source = write_rosbag2(tmp_path / "in", messages=messages)
    assert draw_bag(source, tmp_path / "out") == 0
    assert draw_bag(source, tmp_path / "off", "--output.mark", "off") == 0
    pairs = zip(read_messages(tmp_path / "out"), read_messages(tmp_path / "off"), strict=True)
    marks = []
    for marked, plain in pairs:
        path = tmp_path / f"frame.{suffix}"
        path.write_bytes(bytes(deserialize(marked).data))
        marks.append(read_by_exiftool(path).get("XMP:DigitalSourceType"))
        assert np.array_equal(decode_image(deserialize(marked)), decode_image(deserialize(plain)))
    assert marks == [DIGITAL_SOURCE_TYPE, None, DIGITAL_SOURCE_TYPE]
    assert read_report(tmp_path / "out")["topics"][0]["drawn"] == 2


def test_only_splits_with_drawn_persons_are_marked(tmp_path: Path, draw_bag: RunCommand) -> None:
    images = [SKY] * 2 + [STREET] * 2 + [SKY] * 2
    messages = [make_message(index, image, RAW_TOPIC) for index, image in enumerate(images)]
    source = write_split_rosbag2(tmp_path / "in", "mcap", messages=messages)
    assert draw_bag(source, tmp_path / "out") == 0
    files = sorted((tmp_path / "out").glob("*.mcap"))
    assert [len(read_records(path)) for path in files] == [0, 1, 0]
    assert f"{PREFIX}version" in read_custom_data(tmp_path / "out")


def test_single_files_are_marked_where_there_is_a_place(
    tmp_path: Path,
    draw_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert draw_bag(write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap") == 0
    assert len(read_records(tmp_path / "out.mcap")) == 1
    (source,) = write_rosbag2(tmp_path / "in", "sqlite3").glob("*.db3")
    assert draw_bag(source, tmp_path / "out.db3") == 0
    with sqlite3.connect(tmp_path / "out.db3") as database:
        ((text,),) = database.execute("SELECT metadata FROM metadata").fetchall()
    mark = read_report(tmp_path / "out.db3")["mark"]
    assert yaml.safe_load(text)["custom_data"] == VEHICLE | list_texts(mark, PREFIX)
    assert "no place" not in capsys.readouterr().err
    with sqlite3.connect(source) as database:  # older recorders knew no such table
        database.execute("DROP TABLE metadata")
    assert draw_bag(tmp_path / "in", tmp_path / "old.db3") == 0
    assert "old.db3: the file has no place for the mark" in capsys.readouterr().err
    assert draw_bag(write_rosbag1(tmp_path / "in.bag"), tmp_path / "out.bag") == 0
    assert "out.bag: the file has no place for the mark" in capsys.readouterr().err
    (warning,) = read_report(tmp_path / "out.bag")["warnings"]
    assert "raw images are not" in warning


def test_resumed_run_marks_what_an_earlier_one_drew(
    tmp_path: Path, draw_bag: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_split_rosbag2(tmp_path / "in", "mcap")
    with monkeypatch.context() as patch:
        patch.setattr("anon_ros.bags.rewrite.job.finalize_output", fail)
        assert draw_bag(source, tmp_path / "out") == 2
    assert draw_bag(source, tmp_path / "out") == 0
    assert draw_bag(source, tmp_path / "again") == 0
    for name in ("out", "again"):
        files = sorted((tmp_path / name).glob("*.mcap"))
        assert [len(read_records(path)) for path in files] == [1, 1, 1]
    assert read_custom_data(tmp_path / "out") == read_custom_data(tmp_path / "again")
    assert read_report(tmp_path / "out")["mark"] == read_report(tmp_path / "again")["mark"]


def fail(*_: object) -> None:
    raise OSError


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_converted_recording_is_marked(tmp_path: Path, draw_bag: RunCommand, storage: str) -> None:
    source = write_rosbag1(tmp_path / "in.bag")
    assert draw_bag(source, tmp_path / "out", "--storage", storage) == 0
    mark = read_report(tmp_path / "out")["mark"]
    assert read_custom_data(tmp_path / "out") == list_texts(mark, PREFIX)


def test_second_run_keeps_marks_of_the_first(
    tmp_path: Path, draw_bag: RunCommand, sentinel_models: Any
) -> None:
    """Nothing new is drawn into what a model has drawn: it stays marked."""
    source = write_rosbag2(tmp_path / "in", messages=[make_message(0, STREET)])
    assert draw_bag(source, tmp_path / "once") == 0
    sentinel_models.inpainter.draws_persons = False
    assert draw_bag(tmp_path / "once", tmp_path / "twice") == 0
    assert read_report(tmp_path / "twice")["mark"] is None
    first, second = read_custom_data(tmp_path / "once"), read_custom_data(tmp_path / "twice")
    assert first == second != VEHICLE
    assert XMP_MARK in read_messages(tmp_path / "twice")[0].data
