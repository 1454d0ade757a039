"""Recordings made by somebody who wants to get out of them, or to hide a person in the output."""

import io
import re
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import mcap.writer
import numpy as np
import pytest
import zstandard

from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.run_files.masks_db import ImageRecord
from helpers.bag_reading import read_messages
from helpers.bags import (
    IMAGE_TOPICS,
    START_NS,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
)

RunCommand = Callable[..., int]
pytestmark = pytest.mark.timeout(120)


def edit_metadata(source: Path, pattern: str, text: str) -> None:
    path = source / "metadata.yaml"
    before = path.read_text()
    after = re.sub(pattern, text, before, count=1)
    assert after != before
    path.write_text(after)


def list_files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["../../outside.mcap", "{folder}/outside.mcap", ".", ".."])
def test_metadata_leads_nowhere_else(tmp_path: Path, run_bag: RunCommand, name: str) -> None:
    """A name with a path means the file of that name in the folder."""
    write_mcap(tmp_path / "outside.mcap")
    source = write_rosbag2(tmp_path / "a" / "in")
    edit_metadata(source, r"  - in\.mcap", f"  - {name.format(folder=tmp_path)}")
    before = list_files(tmp_path)
    assert run_bag(source, tmp_path / "out") == 2
    assert list_files(tmp_path) == before


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_attachment_names_lead_nowhere(tmp_path: Path, run_bag: RunCommand, storage: str) -> None:
    source = tmp_path / "in" / "in.mcap"
    source.parent.mkdir()
    with source.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2", "test")
        for name in ("../../planted.txt", f"{tmp_path}/planted.txt", "a/../planted.txt"):
            writer.add_attachment(START_NS, START_NS, name, "text/plain", b"planted")
        writer.finish()
    assert run_bag(source, tmp_path / "out", "--storage", storage) == 0
    names = {path.relative_to(tmp_path).parts[0] for path in list_files(tmp_path)}
    assert names == {"in", "out"}
    assert not any("planted" in path.name for path in list_files(tmp_path))


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:pathlib.Path.touch [planted]",
        "!!python/name:os.system",
        "!!js/function 'x'",
        "9" * 5000,
        "1e99999",
    ],
)
def test_yaml_runs_nothing(
    tmp_path: Path,
    run_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    value: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_rosbag2(tmp_path / "in")
    edit_metadata(source, r"version: \d+", f"version: {value}")
    assert run_bag(source, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "metadata.yaml" in line
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def edit_database(source: Path, *statements: str) -> None:
    with sqlite3.connect(source / f"{source.name}.db3") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM messages; END"],
        ["CREATE TRIGGER t AFTER INSERT ON topics BEGIN DELETE FROM messages; END"],
        ["CREATE VIRTUAL TABLE words USING fts5(text)", "INSERT INTO words VALUES ('secret')"],
    ],
)
def test_database_extras_stay_behind(
    tmp_path: Path, run_bag: RunCommand, statements: list[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in", "sqlite3"), tmp_path / "out"
    expected = len(read_messages(source))
    edit_database(source, *statements)
    assert run_bag(source, output) == 0
    assert len(read_messages(output)) == expected
    with sqlite3.connect(output / "out.db3") as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert not names & {"t", "words", "words_data"}


def test_deleted_rows_stay_behind(tmp_path: Path, run_bag: RunCommand) -> None:
    """Their bytes remain in free pages of the input."""
    source, output = write_rosbag2(tmp_path / "in", "sqlite3"), tmp_path / "out"
    secret = np.random.default_rng(0).bytes(9000)
    with sqlite3.connect(source / "in.db3") as database:
        database.execute("PRAGMA secure_delete=0")
        database.execute("INSERT INTO messages VALUES (9999, 1, 5, ?)", (secret,))
        database.commit()
        database.execute("DELETE FROM messages WHERE id = 9999")
    database.close()
    assert secret[4100:4200] in (source / "in.db3").read_bytes()
    assert run_bag(source, output) == 0
    written = b"".join(path.read_bytes() for path in list_files(output))
    assert not any(secret[at : at + 16] in written for at in range(0, 8900, 16))


def make_mcap_record(opcode: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack("<BQ", opcode, len(body) if length is None else length) + body


def make_chunk(records: bytes, size: int | None = None) -> bytes:
    total = len(records) if size is None else size
    head = struct.pack("<QQQII", 0, 1, total, 0, 0)
    return make_mcap_record(0x06, head + struct.pack("<Q", len(records)) + records)


NAME = struct.pack("<I", 10_000_000) + b"n" * 10_000_000
HOSTILE_RECORDS = {
    "length of 2 ** 63": make_mcap_record(0x05, b"abc", 2**63),
    "length of 2 ** 64 - 1": make_mcap_record(0x06, b"abc", 2**64 - 1),
    "chunk in a chunk": make_chunk(make_chunk(b"")),
    "wrong size of a chunk": make_chunk(b"abc", 2**40),
    "chunk with a cut record": make_chunk(make_mcap_record(0x05, b"", 500)),
    "message without a channel": make_mcap_record(0x05, struct.pack("<HIQQ", 7, 0, 0, 0)),
    "NUL in a name": make_mcap_record(0x0C, struct.pack("<I", 3) + b"a\0b" + struct.pack("<I", 0)),
    "name of 10 MB": make_mcap_record(0x0C, NAME + struct.pack("<I", 0)),
}


@pytest.mark.parametrize("name", HOSTILE_RECORDS)
def test_hostile_mcap_records_end_in_one_line(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    stream = io.BytesIO()
    writer = mcap.writer.Writer(stream, index_types=mcap.writer.IndexType.NONE)
    writer.start("ros2", "test")
    head = stream.getvalue()
    source = tmp_path / "in.mcap"
    source.write_bytes(head + HOSTILE_RECORDS[name])
    for flags in ((), ("--salvage",)):
        code = run_bag(source, tmp_path / f"out{len(flags)}.mcap", *flags)
        assert code in {0, 2}
        lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(lines) <= 1
        assert "Traceback" not in "".join(lines)


RUNS = {
    "mcap": lambda path: write_rosbag2(path / "in", "mcap"),
    "mcap by file": lambda path: write_rosbag2(path / "in", "mcap", "file"),
    "mcap by message": lambda path: write_rosbag2(path / "in", "mcap", "message"),
    "mcap by storage": lambda path: write_mcap(path / "in.mcap", "zstd"),
    "mcap by storage, lz4": lambda path: write_mcap(path / "in.mcap", "lz4"),
    "sqlite3": lambda path: write_rosbag2(path / "in", "sqlite3"),
    "sqlite3 by file": lambda path: write_rosbag2(path / "in", "sqlite3", "file"),
    "sqlite3 by message": lambda path: write_rosbag2(path / "in", "sqlite3", "message"),
    "ros1": lambda path: write_rosbag1(path / "in.bag"),
}
PERSON_ROW = bytes((0, 255, 0)) * 4  # of the street's persons, in bgr8


def read_all_bytes(output: Path) -> bytes:
    """Return the bytes of all files, and of all messages, decompressed."""
    files = [output] if output.is_file() else sorted(list_files(output))
    parts = [path.read_bytes() for path in files]
    for path in files:
        if path.suffix == ".zstd":
            stream = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes()))
            parts.append(stream.read())
    parts += [message.data for message in read_messages(output)]
    return b"".join(parts)


@pytest.mark.parametrize("name", RUNS)
def test_no_byte_of_a_person_remains(tmp_path: Path, run_bag: RunCommand, name: str) -> None:
    source = RUNS[name](tmp_path)
    output = tmp_path / f"out{source.suffix}"
    assert PERSON_ROW in read_all_bytes(source)
    assert run_bag(source, output) == 0
    assert PERSON_ROW not in read_all_bytes(output)
    assert {message.topic for message in read_messages(output)} >= set(IMAGE_TOPICS)


@pytest.mark.parametrize("name", [name for name in RUNS if "file" not in name])
def test_no_byte_of_a_person_in_stopped_run(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """OUT.partial holds results, masks and thumbnails of 32 x 18 px in gray."""
    source = RUNS[name](tmp_path)
    add, deltas = Journal.add, []

    def add_twice(journal: Journal, records: list[ImageRecord]) -> None:
        if len(deltas) > 1:
            raise KeyboardInterrupt
        add(journal, records)
        deltas.extend(record.delta for record in records if record.delta)

    monkeypatch.setattr(Journal, "add", add_twice)
    assert run_bag(source, tmp_path / f"out{source.suffix}") == 130
    (partial,) = tmp_path.glob("*.partial")
    assert {path.name for path in list_files(partial)} >= {"journal.db", "detections.db"}
    assert deltas
    assert PERSON_ROW not in b"".join(path.read_bytes() for path in list_files(partial))
