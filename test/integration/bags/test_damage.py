"""Damaged recordings: the run stops and names the place, or leaves out what is damaged."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcap.reader
import numpy as np
import pytest
import zstandard

from anon_ros.bags import Loss
from anon_ros.core import Detections, RgbImage
from helpers.bag_reading import ReadMessage, decode_image, deserialize, read_messages
from helpers.bags import (
    BAYER_TOPIC,
    COPIED_TOPICS,
    IMAGE_TOPICS,
    IMU_TOPIC,
    JPEG_TOPIC,
    RAW_TOPIC,
    ROS2_TYPES,
    START_NS,
    STEP_NS,
    BagMessage,
    generate_messages,
    serialize,
    write_mcap,
    write_rosbag2,
    write_split_rosbag2,
)
from helpers.fake_models import SentinelSegmenter, find_sentinel_pixels

RunCommand = Callable[..., int]


def hides_everybody(messages: list[ReadMessage]) -> bool:
    shown = [decode_image(deserialize(each)) for each in messages if each.topic in IMAGE_TOPICS]
    return bool(shown) and not any(find_sentinel_pixels(image).any() for image in shown)


def read_losses(output: Path) -> list[str]:
    report = output / "report.json"
    if output.is_file():
        report = output.with_name(f"{output.name}.report.json")
    content = json.loads(report.read_text())
    losses = [Loss(**loss) for loss in content["losses"]]
    assert content["num_losses"] == len(losses)
    return list(map(str, losses))


def assert_stops(
    run: RunCommand, capsys: pytest.CaptureFixture[str], source: Path, output: Path, *words: str
) -> None:
    """Without --salvage: one line that holds the words, and no output."""
    assert run(source, output) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("anon_ros: error: ")
    assert "--salvage" in told
    for word in words:
        assert word in told
    assert not output.exists()


def test_salvage_truncated_mcap(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    whole = read_messages(source)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    assert_stops(run_bag, capsys, source, output, "in.mcap", "cut off")
    assert run_bag(source, output, "--salvage") == 0
    after = read_messages(output)
    assert hides_everybody(after)
    assert len(whole) // 3 < len(after) < len(whole)
    known = {(each.topic, each.time_ns, each.extra) for each in whole}
    assert {(each.topic, each.time_ns, each.extra) for each in after} <= known
    assert read_losses(output)
    assert "in.mcap, byte " in capsys.readouterr().err


def test_salvage_chunk_with_bad_crc(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap", ""), tmp_path / "out.mcap"
    whole = read_messages(source)
    reader = mcap.reader.make_reader(source.open("rb"))
    chunk = reader.get_summary().chunk_indexes[3]
    data = bytearray(source.read_bytes())
    data[chunk.chunk_start_offset + chunk.chunk_length // 2] ^= 1
    source.write_bytes(data)
    assert_stops(
        run_bag, capsys, source, output, f"in.mcap, byte {chunk.chunk_start_offset}", "crc"
    )
    assert run_bag(source, output, "--salvage") == 0
    inside = range(chunk.message_start_time, chunk.message_end_time + 1)
    after = read_messages(output)
    assert hides_everybody(after)
    assert all(t in inside for t in {e.time_ns for e in whole} - {e.time_ns for e in after})
    assert len(after) < len(whole)
    assert len(read_losses(output)) == 1


def test_salvage_without_metadata(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    whole = read_messages(source)
    (source / "metadata.yaml").unlink()
    assert_stops(run_bag, capsys, source, output, "metadata.yaml")
    assert run_bag(source, output, "--salvage") == 0
    assert len(read_messages(output)) == len(whole)


def test_salvage_truncated_sqlite3(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in", "sqlite3"), tmp_path / "out"
    whole = read_messages(source)
    file = source / "in.db3"
    data = file.read_bytes()
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(data[: int(len(data) * share)])
        assert run_bag(source, output) == 2
        assert "in.db3" in capsys.readouterr().err.splitlines()[-1]
        if run_bag(source, output, "--salvage") == 0:
            assert hides_everybody(read_messages(output))
            assert 0 < len(read_messages(output)) < len(whole)
            assert read_losses(output)
            shutil.rmtree(output)
        else:
            assert "in.db3 is damaged" in capsys.readouterr().err
        shutil.rmtree(tmp_path / "out.partial", ignore_errors=True)


def test_salvage_damaged_sqlite3_page(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in", "sqlite3"), tmp_path / "out"
    whole = read_messages(source)
    file = source / "in.db3"
    with sqlite3.connect(file) as database:
        # Without it SQLite counts in the index and reads no page of the table.
        (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
        leaves = database.execute(
            "SELECT pageno FROM dbstat WHERE name = 'messages' AND pagetype = 'leaf'"
        ).fetchall()
    data = bytearray(file.read_bytes())
    at = (leaves[len(leaves) // 2][0] - 1) * page_bytes
    data[at : at + 8] = b"\xff" * 8
    file.write_bytes(data)
    assert_stops(run_bag, capsys, source, output, "in.db3")
    assert run_bag(source, output, "--salvage") == 0
    assert hides_everybody(read_messages(output))
    assert 0 < len(read_messages(output)) < len(whole)
    assert read_losses(output)


def spoil_message(
    topic: str, index: int, spoil: Callable[[bytes], bytes]
) -> list[tuple[BagMessage, bytes]]:
    """The messages, one of which is spoiled."""
    seen = 0
    result = []
    for each in generate_messages():
        data = serialize(each)
        if each.topic == topic:
            data = spoil(data) if seen == index else data
            seen += 1
        result.append((each, data))
    return result


def write_spoiled(path: Path, messages: list[tuple[BagMessage, bytes]], monkeypatch: Any) -> Path:
    data = iter([data for _, data in messages])
    monkeypatch.setattr("helpers.bags.serialize", lambda _: next(data))
    made = write_rosbag2(path, "sqlite3", messages=[each for each, _ in messages])
    monkeypatch.undo()
    return made


SPOILERS = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "length": lambda data: data[:16] + b"\xff\xff\xff\x7f" + data[20:],
    "noise": lambda data: bytes(np.random.default_rng(1).integers(0, 256, len(data), np.uint8)),
}


@pytest.mark.parametrize("topic", [RAW_TOPIC, JPEG_TOPIC, BAYER_TOPIC])
@pytest.mark.parametrize("fault", SPOILERS)
def test_damaged_image_never_copied(
    tmp_path: Path,
    run_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
    sentinel_models: Any,
    topic: str,
    fault: str,
) -> None:
    assert sentinel_models
    with pytest.MonkeyPatch.context() as patch:
        source = write_spoiled(tmp_path / "in", spoil_message(topic, 2, SPOILERS[fault]), patch)
    output = tmp_path / "out"
    time_ns = START_NS + 2 * STEP_NS + IMAGE_TOPICS.index(topic)
    assert_stops(run_bag, capsys, source, output, f"in.db3, {topic} at {time_ns} ns")
    # What was done is not done again.
    done = len(sentinel_models.inpainter.batch_sizes)
    assert run_bag(source, output, "--salvage") == 0
    after = read_messages(output)
    assert hides_everybody(after)
    assert [e[:3] for e in read_messages(source) if (e.topic, e.time_ns) != (topic, time_ns)] == [
        e[:3] for e in after
    ]
    assert len(read_losses(output)) == 1
    assert topic in read_losses(output)[0]
    assert done <= len(sentinel_models.inpainter.batch_sizes)


def test_damaged_copy_stays_as_is(tmp_path: Path, run_bag: RunCommand) -> None:
    with pytest.MonkeyPatch.context() as patch:
        source = write_spoiled(
            tmp_path / "in", spoil_message(IMU_TOPIC, 1, SPOILERS["noise"]), patch
        )
    assert run_bag(source, tmp_path / "out") == 0
    before, after = read_messages(source), read_messages(tmp_path / "out")
    assert [e for e in before if e.topic in COPIED_TOPICS] == [
        e for e in after if e.topic in COPIED_TOPICS
    ]


@pytest.mark.parametrize("topic", [RAW_TOPIC, IMU_TOPIC])
def test_undecompressible_message_never_copied(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], topic: str
) -> None:
    source, output = write_rosbag2(tmp_path / "in", "sqlite3", "message"), tmp_path / "out"
    with sqlite3.connect(source / "in.db3") as database:
        (number,) = database.execute(
            "SELECT messages.id FROM messages JOIN topics ON topic_id = topics.id WHERE name = ? "
            "LIMIT 1 OFFSET 1",
            (topic,),
        ).fetchone()
        database.execute("UPDATE messages SET data = x'28b52ffd00' WHERE id = ?", (number,))
    assert_stops(run_bag, capsys, source, output, topic)
    assert run_bag(source, output, "--salvage") == 0
    with sqlite3.connect(output / "in.db3") as database:
        rows = database.execute("SELECT data FROM messages").fetchall()
    assert all(zstandard.decompress(data) for (data,) in rows)


class FailingSegmenter(SentinelSegmenter):
    """Fails from its third image on."""

    def __init__(self, until: int) -> None:
        self.calls = 0
        self.until = until

    def segment(self, image: RgbImage) -> Detections:
        self.calls += 1
        if 2 < self.calls <= self.until:
            message = "injected: CUDA error"
            raise RuntimeError(message)
        return super().segment(image)


def test_failed_segmentation_never_written(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    sentinel_models.segmenter = FailingSegmenter(4)
    assert_stops(run_bag, capsys, source, output, BAYER_TOPIC, "CUDA error")
    sentinel_models.segmenter = FailingSegmenter(4)
    assert run_bag(source, output, "--salvage") == 0
    assert hides_everybody(read_messages(output))
    assert len(read_losses(output)) == 2
    assert len(read_messages(output)) == len(read_messages(source)) - 2


def test_salvage_stops_after_consecutive_failures(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    sentinel_models.segmenter = FailingSegmenter(1000)
    assert run_bag(source, output, "--salvage", "--fail.max_consecutive", 5) == 2
    assert "5 images in a row failed" in capsys.readouterr().err
    sentinel_models.segmenter = SentinelSegmenter()
    assert not output.exists()


def test_inpaint_failure_is_covered(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any
) -> None:
    def refuse(_: Any) -> Any:
        message = "injected: out of memory"
        raise RuntimeError(message)

    sentinel_models.inpainter.inpaint = refuse
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--inpaint.min_person_px", 1) == 0
    assert hides_everybody(read_messages(output))
    report = json.loads((output / "report.json").read_text())
    ((reason, count),) = report["covered"].items()
    assert "out of memory" in reason
    assert count == 54


def test_topic_of_two_types_never_leaks(tmp_path: Path, run_bag: RunCommand) -> None:
    """Two connections of one topic: an IMU is copied, an image of the same name is not."""
    both = [
        BagMessage("/mixed", each.type_name, START_NS + index, each.message)
        for index, each in enumerate(generate_messages(2))
        if each.topic in (RAW_TOPIC, IMU_TOPIC)
    ]
    path = tmp_path / "in.mcap"
    write_mcap_by_type(path, both)
    assert run_bag(path, tmp_path / "out.mcap") == 0
    for each in read_messages(tmp_path / "out.mcap"):
        if each.type_name == "sensor_msgs/msg/Image":
            assert not find_sentinel_pixels(decode_image(deserialize(each))).any()


def write_mcap_by_type(path: Path, messages: list[BagMessage]) -> None:
    """One channel per type, whatever the topic."""
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        known: dict[str, int] = {}
        for each in messages:
            if each.type_name not in known:
                text = ROS2_TYPES.generate_msgdef(each.type_name, ros_version=2)[0].encode()
                schema = writer.register_schema(each.type_name, "ros2msg", text)
                known[each.type_name] = writer.register_channel(each.topic, "cdr", schema)
            data = serialize(each)
            writer.add_message(known[each.type_name], each.time_ns, data, each.time_ns)
        writer.finish()


def test_salvage_half_compressed_bag(tmp_path: Path, run_bag: RunCommand) -> None:
    """Compressed files, a raw one, and the beginning of its compressed copy."""
    source = write_split_rosbag2(tmp_path / "in", "mcap")
    whole = read_messages(source)
    (source / "metadata.yaml").unlink()
    for part in (0, 1, 2):
        file = source / f"in_{part}.mcap"
        packed = zstandard.compress(file.read_bytes())
        file.with_suffix(".mcap.zstd").write_bytes(packed[: len(packed) // (1 + part // 2)])
        if part < 2:
            file.unlink()
    others = tmp_path / "in_0.mcap"
    others.write_text("somebody else's")
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    after = read_messages(tmp_path / "out")
    assert [each[:3] for each in after] == [each[:3] for each in whole]
    assert hides_everybody(after)
    assert others.read_text() == "somebody else's"
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "in_0.mcap"}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_salvage_message_compression(tmp_path: Path, run_bag: RunCommand, storage: str) -> None:
    source = write_rosbag2(tmp_path / "in", storage, "message")
    whole = read_messages(source)
    (source / "metadata.yaml").unlink()
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    after = read_messages(tmp_path / "out")
    assert [each for each in after if each.topic in COPIED_TOPICS] == [
        each for each in whole if each.topic in COPIED_TOPICS
    ]
    assert hides_everybody(after)


@pytest.mark.parametrize("opcode", [0x0F, 0x22])
def test_skipped_mcap_record_detected(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], opcode: int
) -> None:
    """A chunk whose opcode was changed into an unknown one, or into the end of the data."""
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    chunk = mcap.reader.make_reader(source.open("rb")).get_summary().chunk_indexes[1]
    data = bytearray(source.read_bytes())
    data[chunk.chunk_start_offset] = opcode
    source.write_bytes(data)
    assert_stops(run_bag, capsys, source, output, "the index tells of 49 messages")
    assert run_bag(source, output, "--salvage") == 0
    assert hides_everybody(read_messages(output))
    assert read_losses(output)


def test_salvage_damaged_channel_chunk(tmp_path: Path, run_bag: RunCommand) -> None:
    source, output = write_mcap(tmp_path / "in.mcap", ""), tmp_path / "out.mcap"
    chunks = mcap.reader.make_reader(source.open("rb")).get_summary().chunk_indexes
    inside = [chunks[0].message_start_time, chunks[0].message_end_time]
    data = bytearray(source.read_bytes())
    data[chunks[0].chunk_start_offset + chunks[0].chunk_length // 2] ^= 1
    source.write_bytes(data)
    whole = len(list_message_times())
    assert run_bag(source, output, "--salvage") == 0
    assert len(read_messages(output)) >= whole - sum(
        inside[0] <= t <= inside[1] for t in list_message_times()
    )
    assert hides_everybody(read_messages(output))


def list_message_times() -> list[int]:
    return [each.time_ns for each in generate_messages()]


def test_clock_set_back_loses_no_image(tmp_path: Path, run_bag: RunCommand) -> None:
    stream = list(generate_messages())
    late = [each._replace(time_ns=each.time_ns - 10**15) for each in stream[len(stream) // 2 :]]
    source = write_rosbag2(tmp_path / "in", "sqlite3", messages=stream[: len(stream) // 2] + late)
    assert run_bag(source, tmp_path / "out") == 0
    assert [each[:3] for each in read_messages(tmp_path / "out")] == [
        each[:3] for each in read_messages(source)
    ]


def test_sqlite3_row_ids_may_be_negative(tmp_path: Path, run_bag: RunCommand) -> None:
    source = write_rosbag2(tmp_path / "in", "sqlite3")
    with sqlite3.connect(source / "in.db3") as database:
        database.execute("UPDATE messages SET id = id - 7")
    assert run_bag(source, tmp_path / "out") == 0
    assert len(read_messages(tmp_path / "out")) == len(read_messages(source))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "a: 1",
        lambda text: text.replace("topics_with_message_count:", "topics:"),
        lambda text: re.sub(r"relative_file_paths:\n +- .*", "relative_file_paths: 5", text),
        lambda text: text.replace("version: 9", "version: 99"),
        lambda text: "\t" + text,
        lambda _: "\udcff",
    ],
)
def test_invalid_metadata_fails(
    tmp_path: Path,
    run_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[str], str],
) -> None:
    source = write_rosbag2(tmp_path / "in")
    path = source / "metadata.yaml"
    text = spoil(path.read_text())
    path.write_text(text, errors="surrogateescape")
    assert run_bag(source, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("anon_ros: error: ")
    assert "metadata.yaml" in line


@pytest.mark.parametrize("flags", [("--start", "1e300"), ("--duration", "1e300"), ("--start", 99)])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_range_beyond_end_accepted(
    tmp_path: Path, run_bag: RunCommand, storage: str, flags: tuple[object, object]
) -> None:
    source = write_rosbag2(tmp_path / "in", storage)
    assert run_bag(source, tmp_path / "out", *flags) == 0
    nothing = flags[0] == "--start"
    assert len(read_messages(tmp_path / "out")) == (0 if nothing else len(read_messages(source)))


def test_empty_bag_anonymized(tmp_path: Path, run_bag: RunCommand) -> None:
    for storage in ("mcap", "sqlite3"):
        source = write_rosbag2(tmp_path / storage, storage, messages=[])
        output = tmp_path / f"out of {storage}"
        assert run_bag(source, output, "--duration", 5) == 0
        assert read_messages(output) == []


def test_input_never_used_as_partial(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_rosbag2(tmp_path / "drive.partial")
    whole = read_messages(source)
    assert run_bag(source, tmp_path / "drive") == 2
    assert "overlap" in capsys.readouterr().err
    (tmp_path / "mine.partial").mkdir()
    (tmp_path / "mine.partial" / "thesis.txt").write_text("precious")
    assert run_bag(source, tmp_path / "mine") == 2
    assert "is in the way" in capsys.readouterr().err
    assert (tmp_path / "mine.partial" / "thesis.txt").exists()
    assert read_messages(source) == whole
    (tmp_path / "out.mcap.report.json").write_text("{}")
    assert run_bag(next(source.glob("*.mcap")), tmp_path / "out.mcap") == 2
    assert (tmp_path / "out.mcap.report.json").read_text() == "{}"
