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
from reading import Read, fields, picture, read
from recordings import (
    BAYER,
    COPIED,
    IMAGES,
    IMU,
    JPEG,
    RAW,
    START_NS,
    STEP_NS,
    TYPES,
    Recorded,
    by_mcap,
    by_rosbags,
    recorded,
    serialized,
    split,
)
from sentinel import SentinelSegmenter, persons_seen

from anon_ros.core import Detections, RgbImage

Run = Callable[..., int]


def nobody_seen(messages: list[Read]) -> bool:
    shown = [picture(fields(each)) for each in messages if each.topic in IMAGES]
    return bool(shown) and not any(persons_seen(image).any() for image in shown)


def lost(output: Path) -> list[str]:
    report = output / "report.json"
    if output.is_file():
        report = output.with_name(f"{output.name}.report.json")
    found = json.loads(report.read_text())["lost"]
    assert found["count"] == len(found["places"])
    return list(found["places"])


def stops(
    run: Run, capsys: pytest.CaptureFixture[str], source: Path, output: Path, *words: str
) -> None:
    """Without --salvage: one line that holds the words, and no output."""
    assert run(source, output) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("anon_ros: error: ")
    assert "--salvage" in told
    for word in words:
        assert word in told
    assert not output.exists()


def test_an_mcap_file_that_was_cut_off(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    whole = read(source)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    stops(run, capsys, source, output, "in.mcap", "cut off")
    assert run(source, output, "--salvage") == 0
    after = read(output)
    assert nobody_seen(after)
    assert len(whole) // 3 < len(after) < len(whole)
    known = {(each.topic, each.time_ns, each.extra) for each in whole}
    assert {(each.topic, each.time_ns, each.extra) for each in after} <= known
    assert lost(output)
    assert "in.mcap, byte " in capsys.readouterr().err


def test_a_chunk_with_a_bad_checksum(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_mcap(tmp_path / "in.mcap", ""), tmp_path / "out.mcap"
    whole = read(source)
    reader = mcap.reader.make_reader(source.open("rb"))
    chunk = reader.get_summary().chunk_indexes[3]
    data = bytearray(source.read_bytes())
    data[chunk.chunk_start_offset + chunk.chunk_length // 2] ^= 1
    source.write_bytes(data)
    stops(run, capsys, source, output, f"in.mcap, byte {chunk.chunk_start_offset}", "crc")
    assert run(source, output, "--salvage") == 0
    inside = range(chunk.message_start_time, chunk.message_end_time + 1)
    after = read(output)
    assert nobody_seen(after)
    assert all(t in inside for t in {e.time_ns for e in whole} - {e.time_ns for e in after})
    assert len(after) < len(whole)
    assert len(lost(output)) == 1


def test_a_folder_whose_recorder_died(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    whole = read(source)
    (source / "metadata.yaml").unlink()
    stops(run, capsys, source, output, "metadata.yaml")
    assert run(source, output, "--salvage") == 0
    assert len(read(output)) == len(whole)


def test_a_database_that_was_cut_off(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in", "sqlite3"), tmp_path / "out"
    whole = read(source)
    file = source / "in.db3"
    data = file.read_bytes()
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(data[: int(len(data) * share)])
        assert run(source, output) == 2
        assert "in.db3" in capsys.readouterr().err.splitlines()[-1]
        if run(source, output, "--salvage") == 0:
            assert nobody_seen(read(output))
            assert 0 < len(read(output)) < len(whole)
            assert lost(output)
            shutil.rmtree(output)
        else:
            assert "in.db3 is damaged" in capsys.readouterr().err
        shutil.rmtree(tmp_path / "out.partial", ignore_errors=True)


def test_a_damaged_page_of_a_database(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in", "sqlite3"), tmp_path / "out"
    whole = read(source)
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
    stops(run, capsys, source, output, "in.db3")
    assert run(source, output, "--salvage") == 0
    assert nobody_seen(read(output))
    assert 0 < len(read(output)) < len(whole)
    assert lost(output)


def broken(topic: str, index: int, spoil: Callable[[bytes], bytes]) -> list[tuple[Recorded, bytes]]:
    """The messages, one of which is spoiled."""
    seen = 0
    result = []
    for each in recorded():
        data = serialized(each)
        if each.topic == topic:
            data = spoil(data) if seen == index else data
            seen += 1
        result.append((each, data))
    return result


def written(path: Path, messages: list[tuple[Recorded, bytes]], monkeypatch: Any) -> Path:
    data = iter([data for _, data in messages])
    monkeypatch.setattr("recordings.serialized", lambda _: next(data))
    made = by_rosbags(path, "sqlite3", messages=[each for each, _ in messages])
    monkeypatch.undo()
    return made


SPOILED = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "length": lambda data: data[:16] + b"\xff\xff\xff\x7f" + data[20:],
    "noise": lambda data: bytes(np.random.default_rng(1).integers(0, 256, len(data), np.uint8)),
}


@pytest.mark.parametrize("topic", [RAW, JPEG, BAYER])
@pytest.mark.parametrize("fault", SPOILED)
def test_a_damaged_image_is_left_out_never_copied(
    tmp_path: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    models: Any,
    topic: str,
    fault: str,
) -> None:
    assert models
    with pytest.MonkeyPatch.context() as patch:
        source = written(tmp_path / "in", broken(topic, 2, SPOILED[fault]), patch)
    output = tmp_path / "out"
    time_ns = START_NS + 2 * STEP_NS + IMAGES.index(topic)
    stops(run, capsys, source, output, f"in.db3, {topic} at {time_ns} ns")
    # What was done is not done again.
    done = len(models.painter.batches)
    assert run(source, output, "--salvage") == 0
    after = read(output)
    assert nobody_seen(after)
    assert [e[:3] for e in read(source) if (e.topic, e.time_ns) != (topic, time_ns)] == [
        e[:3] for e in after
    ]
    assert len(lost(output)) == 1
    assert topic in lost(output)[0]
    assert done <= len(models.painter.batches)


def test_the_bytes_of_a_copied_message_are_nobodys_business(tmp_path: Path, run: Run) -> None:
    with pytest.MonkeyPatch.context() as patch:
        source = written(tmp_path / "in", broken(IMU, 1, SPOILED["noise"]), patch)
    assert run(source, tmp_path / "out") == 0
    before, after = read(source), read(tmp_path / "out")
    assert [e for e in before if e.topic in COPIED] == [e for e in after if e.topic in COPIED]


@pytest.mark.parametrize("topic", [RAW, IMU])
def test_a_message_that_cannot_be_decompressed(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], topic: str
) -> None:
    source, output = by_rosbags(tmp_path / "in", "sqlite3", "message"), tmp_path / "out"
    with sqlite3.connect(source / "in.db3") as database:
        (number,) = database.execute(
            "SELECT messages.id FROM messages JOIN topics ON topic_id = topics.id WHERE name = ? "
            "LIMIT 1 OFFSET 1",
            (topic,),
        ).fetchone()
        database.execute("UPDATE messages SET data = x'28b52ffd00' WHERE id = ?", (number,))
    if topic == RAW:
        stops(run, capsys, source, output, topic)
        assert run(source, output, "--salvage") == 0
        with sqlite3.connect(output / "in.db3") as database:
            rows = database.execute("SELECT data FROM messages").fetchall()
        assert all(zstandard.decompress(data) for (data,) in rows)
    else:  # copied as it is
        assert run(source, output) == 0


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


def test_an_image_in_which_nobody_could_be_looked_for_is_not_written(
    tmp_path: Path, run: Run, models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    models.segmenter = FailingSegmenter(4)
    stops(run, capsys, source, output, BAYER, "CUDA error")
    models.segmenter = FailingSegmenter(4)
    assert run(source, output, "--salvage") == 0
    assert nobody_seen(read(output))
    assert len(lost(output)) == 2
    assert len(read(output)) == len(read(source)) - 2


def test_models_that_fail_with_everything_end_even_a_salvage(
    tmp_path: Path, run: Run, models: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    models.segmenter = FailingSegmenter(1000)
    assert run(source, output, "--salvage", "--fail.max_consecutive", 5) == 2
    assert "5 images in a row failed" in capsys.readouterr().err
    models.segmenter = SentinelSegmenter()
    assert not output.exists()


def test_what_the_inpainter_cannot_draw_is_covered_and_told(
    tmp_path: Path, run: Run, models: Any
) -> None:
    def refuse(_: Any) -> Any:
        message = "injected: out of memory"
        raise RuntimeError(message)

    models.painter.inpaint = refuse
    source, output = by_rosbags(tmp_path / "in"), tmp_path / "out"
    assert run(source, output, "--inpaint.min_person_px", 1) == 0
    assert nobody_seen(read(output))
    report = json.loads((output / "report.json").read_text())
    ((reason, count),) = report["covered"].items()
    assert "out of memory" in reason
    assert count == 54


def test_a_type_that_changes_under_the_same_name_is_decided_anew(tmp_path: Path, run: Run) -> None:
    """Two connections of one topic: an IMU is copied, an image of the same name is not."""
    both = [
        Recorded("/mixed", each.type_name, START_NS + index, each.message)
        for index, each in enumerate(recorded(2))
        if each.topic in (RAW, IMU)
    ]
    path = tmp_path / "in.mcap"
    by_mcap_channels(path, both)
    assert run(path, tmp_path / "out.mcap") == 0
    for each in read(tmp_path / "out.mcap"):
        if each.type_name == "sensor_msgs/msg/Image":
            assert not persons_seen(picture(fields(each))).any()


def by_mcap_channels(path: Path, messages: list[Recorded]) -> None:
    """One channel per type, whatever the topic."""
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        known: dict[str, int] = {}
        for each in messages:
            if each.type_name not in known:
                text = TYPES.generate_msgdef(each.type_name, ros_version=2)[0].encode()
                schema = writer.register_schema(each.type_name, "ros2msg", text)
                known[each.type_name] = writer.register_channel(each.topic, "cdr", schema)
            data = serialized(each)
            writer.add_message(known[each.type_name], each.time_ns, data, each.time_ns)
        writer.finish()


def test_a_folder_whose_recorder_died_while_compressing(tmp_path: Path, run: Run) -> None:
    """Compressed files, a raw one, and the beginning of its compressed copy."""
    source = split(tmp_path / "in", "mcap")
    whole = read(source)
    (source / "metadata.yaml").unlink()
    for part in (0, 1, 2):
        file = source / f"in_{part}.mcap"
        packed = zstandard.compress(file.read_bytes())
        file.with_suffix(".mcap.zstd").write_bytes(packed[: len(packed) // (1 + part // 2)])
        if part < 2:
            file.unlink()
    others = tmp_path / "in_0.mcap"
    others.write_text("somebody else's")
    assert run(source, tmp_path / "out", "--salvage") == 0
    after = read(tmp_path / "out")
    assert [each[:3] for each in after] == [each[:3] for each in whole]
    assert nobody_seen(after)
    assert others.read_text() == "somebody else's"
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "in_0.mcap"}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_folder_compressed_by_message_whose_recorder_died(
    tmp_path: Path, run: Run, storage: str
) -> None:
    source = by_rosbags(tmp_path / "in", storage, "message")
    whole = read(source)
    (source / "metadata.yaml").unlink()
    assert run(source, tmp_path / "out", "--salvage") == 0
    after = read(tmp_path / "out")
    assert [each for each in after if each.topic in COPIED] == [
        each for each in whole if each.topic in COPIED
    ]
    assert nobody_seen(after)


@pytest.mark.parametrize("opcode", [0x0F, 0x22])
def test_a_record_that_is_passed_over_is_missed(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], opcode: int
) -> None:
    """A chunk whose opcode was changed into an unknown one, or into the end of the data."""
    source, output = by_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    chunk = mcap.reader.make_reader(source.open("rb")).get_summary().chunk_indexes[1]
    data = bytearray(source.read_bytes())
    data[chunk.chunk_start_offset] = opcode
    source.write_bytes(data)
    stops(run, capsys, source, output, "the index tells of 49 messages")
    assert run(source, output, "--salvage") == 0
    assert nobody_seen(read(output))
    assert lost(output)


def test_the_chunk_that_announces_the_channels_is_damaged(tmp_path: Path, run: Run) -> None:
    source, output = by_mcap(tmp_path / "in.mcap", ""), tmp_path / "out.mcap"
    chunks = mcap.reader.make_reader(source.open("rb")).get_summary().chunk_indexes
    inside = [chunks[0].message_start_time, chunks[0].message_end_time]
    data = bytearray(source.read_bytes())
    data[chunks[0].chunk_start_offset + chunks[0].chunk_length // 2] ^= 1
    source.write_bytes(data)
    whole = len(recorded_times())
    assert run(source, output, "--salvage") == 0
    assert len(read(output)) >= whole - sum(inside[0] <= t <= inside[1] for t in recorded_times())
    assert nobody_seen(read(output))


def recorded_times() -> list[int]:
    return [each.time_ns for each in recorded()]


def test_a_clock_that_was_set_back_loses_no_image(tmp_path: Path, run: Run) -> None:
    stream = list(recorded())
    late = [each._replace(time_ns=each.time_ns - 10**15) for each in stream[len(stream) // 2 :]]
    source = by_rosbags(tmp_path / "in", "sqlite3", messages=stream[: len(stream) // 2] + late)
    assert run(source, tmp_path / "out") == 0
    assert [each[:3] for each in read(tmp_path / "out")] == [each[:3] for each in read(source)]


def test_rows_of_a_database_may_have_any_number(tmp_path: Path, run: Run) -> None:
    source = by_rosbags(tmp_path / "in", "sqlite3")
    with sqlite3.connect(source / "in.db3") as database:
        database.execute("UPDATE messages SET id = id - 7")
    assert run(source, tmp_path / "out") == 0
    assert len(read(tmp_path / "out")) == len(read(source))


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
def test_metadata_that_makes_no_sense_is_told_in_one_line(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], spoil: Callable[[str], str]
) -> None:
    source = by_rosbags(tmp_path / "in")
    path = source / "metadata.yaml"
    text = spoil(path.read_text())
    path.write_text(text, errors="surrogateescape")
    assert run(source, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("anon_ros: error: ")
    assert "metadata.yaml" in line


@pytest.mark.parametrize("flags", [("--start", "1e300"), ("--duration", "1e300"), ("--start", 99)])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_part_beyond_the_recording(
    tmp_path: Path, run: Run, storage: str, flags: tuple[object, object]
) -> None:
    source = by_rosbags(tmp_path / "in", storage)
    assert run(source, tmp_path / "out", *flags) == 0
    nothing = flags[0] == "--start"
    assert len(read(tmp_path / "out")) == (0 if nothing else len(read(source)))


def test_an_empty_recording(tmp_path: Path, run: Run) -> None:
    for storage in ("mcap", "sqlite3"):
        source = by_rosbags(tmp_path / storage, storage, messages=[])
        output = tmp_path / f"out of {storage}"
        assert run(source, output, "--duration", 5) == 0
        assert read(output) == []


def test_the_input_is_never_taken_for_an_unfinished_output(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    source = by_rosbags(tmp_path / "drive.partial")
    whole = read(source)
    assert run(source, tmp_path / "drive") == 2
    assert "overlap" in capsys.readouterr().err
    (tmp_path / "mine.partial").mkdir()
    (tmp_path / "mine.partial" / "thesis.txt").write_text("precious")
    assert run(source, tmp_path / "mine") == 2
    assert "is in the way" in capsys.readouterr().err
    assert (tmp_path / "mine.partial" / "thesis.txt").exists()
    assert read(source) == whole
    (tmp_path / "out.mcap.report.json").write_text("{}")
    assert run(next(source.glob("*.mcap")), tmp_path / "out.mcap") == 2
    assert (tmp_path / "out.mcap.report.json").read_text() == "{}"
