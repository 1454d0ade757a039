"""Mutated recordings: an error or a salvage; never a traceback, a hang or an uncovered person."""

import os
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anon_ros.bags import open_bag
from anon_ros.bags.messages import deserialize_image
from anon_ros.bags.storage.compression import decompress_message
from anon_ros.bags.storage.records import MAX_TIME_NS, DamageLog, Message
from anon_ros.errors import AnonRosError
from helpers.bags import (
    COPIED_TOPICS,
    IMAGE_TOPICS,
    generate_messages,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
)
from helpers.fake_models import find_sentinel_pixels

# In percent. `make fuzz` takes 2,000 recordings.
CASES = {
    "mcap": 25,
    "mcap by another author, lz4": 12,
    "mcap by another author, zstd": 13,
    "mcap by another author, no chunks": 8,
    "mcap by message": 5,
    "mcap by file": 2,
    "sqlite3": 25,
    "sqlite3 by message": 5,
    "ros 1": 5,
}
RECORDINGS = int(os.environ.get("FUZZ_RECORDINGS", "500"))
# A flipped bit may make a green pixel; a person is more than that.
_PERSON_PX = 40


def generate_small_messages() -> Any:
    return generate_messages(frames=2, width_px=48, height_px=32)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "mcap": lambda folder: write_rosbag2(folder / "in", "mcap", "none", generate_small_messages()),
    "mcap by another author, lz4": lambda f: write_mcap(
        f / "in.mcap", "lz4", generate_small_messages()
    ),
    "mcap by another author, zstd": lambda f: write_mcap(
        f / "in.mcap", "zstd", generate_small_messages()
    ),
    "mcap by another author, no chunks": lambda f: write_mcap(
        f / "in.mcap", "", generate_small_messages(), use_chunking=False
    ),
    "mcap by message": lambda folder: write_rosbag2(
        folder / "in", "mcap", "message", generate_small_messages()
    ),
    "mcap by file": lambda folder: write_rosbag2(
        folder / "in", "mcap", "file", generate_small_messages()
    ),
    "sqlite3": lambda folder: write_rosbag2(
        folder / "in", "sqlite3", "none", generate_small_messages()
    ),
    "sqlite3 by message": lambda f: write_rosbag2(
        f / "in", "sqlite3", "message", generate_small_messages()
    ),
    "ros 1": lambda folder: write_rosbag1(folder / "in.bag", frames=2),
}


def mutate(path: Path, chance: random.Random) -> None:
    file = path if path.is_file() else next(p for p in path.iterdir() if p.suffix != ".yaml")
    kinds = [flip_bits, flip_bits, truncate, blank_bytes, insert_huge_length, repeat_bytes]
    if file.suffix == ".mcap":
        kinds += [shuffle_records, shuffle_records]
    if file.suffix == ".db3":
        kinds += [shuffle_rows, shuffle_rows, spoil_rows]
    kind = chance.choice(kinds)
    if kind in (shuffle_rows, spoil_rows):
        kind(file, chance)
    else:
        file.write_bytes(kind(file.read_bytes(), chance))


def flip_bits(data: bytes, chance: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 10, 50])):
        result[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(result)


def truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def blank_bytes(data: bytes, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(data)), chance.choice([4, 100, 5000])
    return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]


def insert_huge_length(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(max(len(data) - 8, 1))
    length = struct.pack("<Q", chance.choice([2**63, 2**40, 2**32 - 1, 2**31]))
    return data[:at] + length + data[at + 8 :]


def repeat_bytes(data: bytes, chance: random.Random) -> bytes:
    at, size = chance.randrange(len(data)), chance.choice([1, 100, 5000])
    return data[: at + size] + data[at:]


def shuffle_records(data: bytes, chance: random.Random) -> bytes:
    """Records of an MCAP file in another order, some twice, some not at all."""
    records, at = [], 8
    while at + 9 < len(data) - 8:
        (length,) = struct.unpack_from("<Q", data, at + 1)
        records.append(data[at : at + 9 + length])
        at += 9 + length
    for _ in range(chance.choice([1, 2, 5])):
        one, other = (chance.randrange(len(records)) for _ in range(2))
        what = chance.choice(["swap", "twice", "drop"])
        if what == "swap":
            records[one], records[other] = records[other], records[one]
        elif what == "twice":
            records.insert(one, records[other])
        elif len(records) > 1:
            del records[one]
    return data[:8] + b"".join(records) + data[-8:]


_STATEMENTS = (
    "UPDATE messages SET topic_id = (SELECT topic_id FROM messages WHERE id = ?2) WHERE id = ?1",
    "UPDATE messages SET timestamp = -timestamp WHERE id IN (?1, ?2)",
    "DELETE FROM messages WHERE id IN (?1, ?2)",
    "INSERT INTO messages SELECT id + 1000, topic_id, timestamp, data FROM messages WHERE ?1 + ?2",
    "UPDATE messages SET topic_id = 99 WHERE id IN (?1, ?2)",
    "UPDATE messages SET data = 'text' WHERE id IN (?1, ?2)",
    "DELETE FROM message_definitions WHERE ?1 AND ?2",
)


def shuffle_rows(file: Path, chance: random.Random) -> None:
    """Messages of a database under other topics and times, some twice, some not at all."""
    with closing(sqlite3.connect(file)) as database, database:
        ids = [row[0] for row in database.execute("SELECT id FROM messages")]
        one, other = chance.sample(ids, 2)
        statement = chance.choice(_STATEMENTS)
        database.execute(statement, (one, other))


def spoil_rows(file: Path, chance: random.Random) -> None:
    """Bytes of one message changed or missing: what no checksum tells."""
    with closing(sqlite3.connect(file)) as database, database:
        rows = database.execute("SELECT id, data FROM messages").fetchall()
        number, data = chance.choice(rows)
        spoiled = chance.choice([flip_bits, truncate, blank_bytes, insert_huge_length])(
            data, chance
        )
        database.execute("UPDATE messages SET data = ? WHERE id = ?", (spoiled, number))


def read_all_messages(path: Path, *, strict: bool) -> list[tuple[str, Message]]:
    bag = open_bag(path, salvage=not strict)
    found = []
    for file in bag.files:
        with closing(bag.open(file, DamageLog(salvage=not strict), path.parent)) as opened:
            for record in opened.records(DamageLog(salvage=not strict), 0, MAX_TIME_NS):
                if isinstance(record, Message):
                    data = record.data
                    if bag.compression == "message":
                        try:
                            data = decompress_message(data)
                        except ValueError:
                            assert not strict or record.channel.topic not in IMAGE_TOPICS
                    found.append((record.channel.topic, record._replace(data=data)))
    return found


def count_safe_images(source: Path, output: Path) -> int:
    """Check that nobody is seen and that copies are unchanged; return the number of images."""
    known = {message.data for _, message in read_all_messages(source, strict=False)}
    images = 0
    for topic, message in read_all_messages(output, strict=True):
        if message.channel.type_name.endswith("Image"):
            images += 1
            frame = deserialize_image(message.channel, message.data)
            seen = find_sentinel_pixels(frame.decode()).astype(np.uint8)
            _, _, stats, _ = cv2.connectedComponentsWithStats(seen)
            assert not (stats[1:, cv2.CC_STAT_AREA] > _PERSON_PX).any(), topic
        else:
            assert message.data in known
        if topic in COPIED_TOPICS:
            assert not message.channel.type_name.endswith("Image")
    return images


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", CASES)
def test_mutated_bags_never_leak(
    tmp_path: Path, run_bag: Callable[..., int], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(kind)  # noqa: S311 - nothing secret
    original = WRITERS[kind](tmp_path)
    codes = {0: 0, 2: 0}
    images = 0
    count = RECORDINGS * CASES[kind] // 100
    for _ in range(count):
        folder = tmp_path / "case"
        folder.mkdir()
        source = folder / original.name
        if original.is_dir():
            shutil.copytree(original, source)
        else:
            shutil.copy(original, source)
        mutate(source, chance)
        output = folder / f"out{source.suffix}"
        for flags in ((), ("--salvage",)):
            code = run_bag(source, output, *flags)
            told = capsys.readouterr().err
            codes[code] += 1
            assert "Traceback" not in told
            if code == 2:
                assert told.splitlines()[-1].startswith("anon_ros: error: "), told
                assert not output.exists()
            else:
                try:
                    images += count_safe_images(source, output)
                except AnonRosError as error:  # what we wrote is whole
                    pytest.fail(f"the output cannot be read: {error}")
                break
        shutil.rmtree(folder)
    # Both must happen, or the mutations are too weak or too strong.
    assert codes[0] > count / 10
    assert codes[2] > count / 10
    assert images > count / 10
