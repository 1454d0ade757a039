"""Recordings that other tools wrote: without indexes, with ROS 1 in MCAP, with padding."""

import copy
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcap.reader
import mcap.writer
import pytest
import yaml
from mcap.writer import CompressionType, IndexType

from anon_ros.cli import main
from helpers.bag_reading import ReadMessage, decode_image, deserialize, read_messages
from helpers.bags import (
    IMAGE_TOPICS,
    ROS1_TYPES,
    START_NS,
    generate_messages,
    serialize,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
)
from helpers.fake_models import find_sentinel_pixels

RunCommand = Callable[..., int]
STATISTICS, SUMMARY_OFFSET, DATA_END, FOOTER = 0x0B, 0x0E, 0x0F, 0x02
NUM_MESSAGES = len(list(generate_messages()))


def shows_nobody(messages: list[ReadMessage], *, is_ros1: bool = False) -> bool:
    images = [
        decode_image(deserialize(each, ros1=is_ros1))
        for each in messages
        if each.topic in IMAGE_TOPICS
    ]
    return bool(images) and not any(find_sentinel_pixels(image).any() for image in images)


def rewrite_summary(path: Path, change: Callable[[int, bytes], bytes | None]) -> None:
    """Write an MCAP file again, with changed records, and without offsets and checksum."""
    data = path.read_bytes()
    output, position, summary_start = bytearray(data[:8]), 8, 0
    while position < len(data) - 8:
        opcode = data[position]
        length = int.from_bytes(data[position + 1 : position + 9], "little")
        body = change(opcode, data[position + 9 : position + 9 + length])
        position += 9 + length
        if opcode == SUMMARY_OFFSET or body is None:
            continue
        if opcode == FOOTER:
            body = summary_start.to_bytes(8, "little") + bytes(12)
        output += bytes([opcode]) + len(body).to_bytes(8, "little") + body
        summary_start = len(output) if opcode == DATA_END else summary_start
    path.write_bytes(bytes(output) + data[-8:])


def drop_channel_counts(opcode: int, body: bytes) -> bytes:
    return body[:42] + bytes(4) if opcode == STATISTICS else body


def drop_statistics(opcode: int, body: bytes) -> bytes | None:
    return None if opcode == STATISTICS else body


def drop_chunk_indexes(opcode: int, body: bytes) -> bytes | None:
    return None if opcode == 0x08 else body


@pytest.mark.parametrize("change", [drop_channel_counts, drop_statistics, drop_chunk_indexes])
@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
def test_missing_statistics_mean_unknown(
    tmp_path: Path,
    run_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[int, bytes], bytes | None],
    compression: str,
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap", compression), tmp_path / "out.mcap"
    whole = read_messages(source)
    rewrite_summary(source, change)
    assert run_bag(source, output) == 0
    table = {line.split()[1]: line.split()[3] for line in capsys.readouterr().out.splitlines()[1:8]}
    assert [table[topic] for topic in IMAGE_TOPICS] == ["6"] * 3
    after = read_messages(output)
    assert [each[:3] for each in after] == [each[:3] for each in whole]
    assert shows_nobody(after)
    summary = mcap.reader.make_reader(output.open("rb")).get_summary()
    assert {index.compression for index in summary.chunk_indexes} == {compression}
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 0


def test_wrong_total_is_told(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    """Statistics without counts by channel still tell the number of all messages."""
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"

    def change(opcode: int, body: bytes) -> bytes:
        body = drop_channel_counts(opcode, body)
        return (NUM_MESSAGES + 1).to_bytes(8, "little") + body[8:] if opcode == STATISTICS else body

    rewrite_summary(source, change)
    assert run_bag(source, output) == 2
    assert f"tells of {NUM_MESSAGES + 1} messages, there are {NUM_MESSAGES}" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("missing", [IndexType.ATTACHMENT, IndexType.CHUNK, IndexType.MESSAGE])
def test_missing_indexes_mean_unknown(
    tmp_path: Path, run_bag: RunCommand, missing: IndexType
) -> None:
    source, output = tmp_path / "in.mcap", tmp_path / "out.mcap"
    write_mcap(source, index_types=IndexType.ALL & ~missing)
    assert run_bag(source, output) == 0
    assert len(read_messages(output)) == NUM_MESSAGES
    reader = mcap.reader.make_reader(output.open("rb"))
    (attachment,) = reader.iter_attachments()
    assert attachment.data == b"a: 1"
    assert {index.compression for index in reader.get_summary().chunk_indexes} == {"zstd"}
    assert output.stat().st_size < 1.2 * source.stat().st_size


def write_ros1_mcap(path: Path, frames: int = 4) -> Path:
    """Write what ``mcap convert`` makes of a .bag."""
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros1", "somebody")
        channels: dict[str, int] = {}
        for each in generate_messages(frames, types=ROS1_TYPES):
            if each.topic not in channels:
                text = ROS1_TYPES.generate_msgdef(each.type_name, ros_version=1)[0].encode()
                name = each.type_name.replace("/msg/", "/")
                schema = writer.register_schema(name, "ros1msg", text)
                metadata = {"callerid": "/camera", "topic": each.topic}
                channels[each.topic] = writer.register_channel(each.topic, "ros1", schema, metadata)
            data = serialize(each, ROS1_TYPES)
            writer.add_message(channels[each.topic], each.time_ns, data, each.time_ns)
        writer.finish()
    return path


def test_ros1_messages_in_mcap(tmp_path: Path, run_bag: RunCommand) -> None:
    source, output = write_ros1_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    before = read_messages(source)
    assert run_bag(source, output) == 0
    after = read_messages(output)
    assert [each[:3] for each in after] == [each[:3] for each in before]
    assert {each.type_name for each in after} >= {"sensor_msgs/Image", "sensor_msgs/Imu"}
    named = [each._replace(type_name=each.type_name.replace("/", "/msg/")) for each in after]
    assert shows_nobody(named, is_ros1=True)
    assert [e for e in before if e.topic not in IMAGE_TOPICS] == [
        e for e in after if e.topic not in IMAGE_TOPICS
    ]
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 0


def test_ros1_messages_stay_in_mcap(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_ros1_mcap(tmp_path / "in.mcap")
    assert run_bag(source, tmp_path / "out", "--storage", "sqlite3") == 2
    assert "has messages of ROS 1; keep the storage" in capsys.readouterr().err


@pytest.mark.parametrize("line", ['storage_identifier: ""', "storage_identifier:", "other: 1"])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_reindexed_without_storage(
    tmp_path: Path, run_bag: RunCommand, storage: str, line: str
) -> None:
    """``ros2 bag reindex`` of Humble leaves the storage empty; a tool may leave it out."""
    source = write_rosbag2(tmp_path / "in", storage)
    path = source / "metadata.yaml"
    text = path.read_text()
    assert f"storage_identifier: {storage}" in text
    path.write_text(text.replace(f"storage_identifier: {storage}", line))
    assert run_bag(source, tmp_path / "out") == 0
    assert f"storage_identifier: {storage}" in (tmp_path / "out" / "metadata.yaml").read_text()
    assert shows_nobody(read_messages(tmp_path / "out"))


def test_active_bag_is_refused_with_remedy(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my drives"
    folder.mkdir()
    source = shutil.copy(write_rosbag1(tmp_path / "in.bag"), folder / "in.bag.active")
    assert run_bag(source, tmp_path / "out", "--salvage") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    remedy = f"cp '{source}' '{folder / 'in.bag'}' && rosbag reindex '{folder / 'in.bag'}'"
    assert line.endswith(remedy)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("num_bytes", [3, 4, 7, 8])
def test_padded_images(tmp_path: Path, run_bag: RunCommand, storage: str, num_bytes: int) -> None:
    """Some middlewares hand out buffers that are longer than the message."""
    source, output = tmp_path / "in", tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers.bags.serialize", lambda each: serialize(each) + bytes(num_bytes))
        write_rosbag2(source, storage)
    assert run_bag(source, output) == 0
    after = read_messages(output)
    assert len(after) == NUM_MESSAGES
    assert shows_nobody(after)
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 0


@pytest.mark.parametrize("num_bytes", [12, 4000])
def test_hidden_tail_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], num_bytes: int
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("helpers.bags.serialize", lambda each: serialize(each) + bytes(num_bytes))
        write_rosbag2(source)
    assert run_bag(source, output) == 2
    assert "size mismatch" in capsys.readouterr().err


def test_unknown_definitions_of_standard_types(tmp_path: Path, run_bag: RunCommand) -> None:
    """A recorder that does not find the definitions writes "unknown"."""
    messages = [each for each in generate_messages() if each.topic != "/odd"]
    source = write_rosbag2(tmp_path / "in", "sqlite3", messages=messages)
    with sqlite3.connect(source / "in.db3") as database:
        database.execute(
            "UPDATE message_definitions SET encoding = 'unknown', encoded_message_definition = ''"
        )
    assert run_bag(source, tmp_path / "out") == 0
    with sqlite3.connect(tmp_path / "out" / "in.db3") as database:
        rows = database.execute("SELECT DISTINCT encoding FROM message_definitions").fetchall()
    assert rows == [("unknown",)]
    assert run_bag(source, tmp_path / "converted", "--storage", "mcap") == 0
    assert shows_nobody(read_messages(tmp_path / "converted"))


def test_unknown_definitions_in_mcap(tmp_path: Path, run_bag: RunCommand) -> None:
    source, output = tmp_path / "in.mcap", tmp_path / "out.mcap"
    with source.open("wb") as stream:
        writer = mcap.writer.Writer(stream, compression=CompressionType.NONE)
        writer.start("ros2", "somebody")
        channels: dict[str, int] = {}
        for each in generate_messages():
            if each.topic == "/odd":
                continue
            if each.topic not in channels:
                schema = writer.register_schema(each.type_name, "unknown", b"")
                channels[each.topic] = writer.register_channel(each.topic, "cdr", schema)
            writer.add_message(channels[each.topic], each.time_ns, serialize(each), START_NS)
        writer.finish()
    assert run_bag(source, output) == 0
    assert shows_nobody(read_messages(output))
    schemas = mcap.reader.make_reader(output.open("rb")).get_summary().schemas.values()
    assert {schema.encoding for schema in schemas} == {"unknown"}


def add_silent_topics(source: Path, *names: str) -> None:
    """Name topics in metadata.yaml alone, between the others, as the recorder does."""
    path = source / "metadata.yaml"
    metadata = yaml.safe_load(path.read_text())
    topics = metadata["rosbag2_bagfile_information"]["topics_with_message_count"]
    for place, name in enumerate(names, 1):
        topics.insert(place, copy.deepcopy(topics[0]))
        topics[place]["message_count"] = 0
        topics[place]["topic_metadata"].update(name=name, type="strange_msgs/msg/Screenshot")
    path.write_text(yaml.safe_dump(metadata))


def read_topic_entries(bag: Path) -> list[dict[str, Any]]:
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text())
    topics = metadata["rosbag2_bagfile_information"]["topics_with_message_count"]
    return [entry["topic_metadata"] for entry in topics]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_silent_topics_keep_place_and_qos(
    tmp_path: Path, run_bag: RunCommand, storage: str
) -> None:
    source, output = write_rosbag2(tmp_path / "in", storage), tmp_path / "out"
    add_silent_topics(source, "/rosout", "/screen")
    assert run_bag(source, output) == 0
    assert read_topic_entries(output) == read_topic_entries(source)
    assert shows_nobody(read_messages(output))
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 0


def test_silent_topics_follow_the_rules(tmp_path: Path, run_bag: RunCommand) -> None:
    source = write_rosbag2(tmp_path / "in")
    add_silent_topics(source, "/cam/late", "/screen")
    assert run_bag(source, tmp_path / "out", "--drop", "/cam/*", "--prefix", "/anon") == 0
    names = {entry["name"] for entry in read_topic_entries(tmp_path / "out")}
    assert "/anon/screen" in names
    assert not any("late" in name for name in names)
    assert run_bag(source, tmp_path / "few", "--topics", "/imu/*") == 0
    assert [entry["name"] for entry in read_topic_entries(tmp_path / "few")] == ["/imu/data"]
    assert run_bag(source, tmp_path / "less", "--drop", "/screen") == 0  # it alone has the name
    assert "/screen" not in {entry["name"] for entry in read_topic_entries(tmp_path / "less")}
    assert run_bag(source, tmp_path / "none", "--drop", "/nowhere") == 2
