"""Recordings of which a few hundred bytes become gigabytes: the run stops, or leaves them out."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anon_ros.bags import TopicRules, inspect_bag, open_bag
from helpers.bag_reading import read_messages
from helpers.bags import (
    ROS2_TYPES,
    START_NS,
    BagMessage,
    generate_messages,
    write_mcap,
    write_rosbag2,
)
from helpers.bombs import (
    insert_record,
    move_summary,
    write_file_bomb,
    write_mcap_chunk_bomb,
    write_message_bomb,
    write_rosbag1_bomb,
)

RunCommand = Callable[..., int]
MIB = 2**20
NUM_MESSAGES = len(list(generate_messages()))
LIMIT = "over the limit of 1 MiB (fail.max_decompressed_mib)"
BOMBS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "chunk, zstd": (lambda f: write_mcap_chunk_bomb(f, "zstd", 8 * MIB), LIMIT),
    "chunk, lz4": (lambda f: write_mcap_chunk_bomb(f, "lz4", 8 * MIB), LIMIT),
    "chunk, zstd, declares less": (
        lambda f: write_mcap_chunk_bomb(f, "zstd", 8 * MIB, 1000),
        "not the 1000 bytes that it declares",
    ),
    "chunk, lz4, declares less": (
        lambda f: write_mcap_chunk_bomb(f, "lz4", 8 * MIB, 1000),
        "not the 1000 bytes that it declares",
    ),
    "chunk, zstd, declares more": (lambda f: write_mcap_chunk_bomb(f, "zstd", 9, 2**62), LIMIT),
    "message, mcap": (lambda f: write_message_bomb(f, "mcap", 8 * MIB, is_declared=True), LIMIT),
    "message, sqlite3, undeclared": (
        lambda f: write_message_bomb(f, "sqlite3", 8 * MIB, is_declared=False),
        LIMIT,
    ),
    "file, mcap": (lambda f: write_file_bomb(f, "mcap", 64 * MIB, is_declared=True), LIMIT),
    "file, sqlite3, undeclared": (
        lambda f: write_file_bomb(f, "sqlite3", 64 * MIB, is_declared=False),
        "(fail.max_decompressed_mib)",
    ),
    "ROS 1, bz2": (lambda f: write_rosbag1_bomb(f, "bz2", 8 * MIB), LIMIT),
    "ROS 1, lz4": (lambda f: write_rosbag1_bomb(f, "lz4", 8 * MIB), LIMIT),
    "ROS 1, bz2, declares less": (
        lambda f: write_rosbag1_bomb(f, "bz2", 8 * MIB, 1000),
        "not the 1000 bytes that it declares",
    ),
    "ROS 1, lz4, declares less": (
        lambda f: write_rosbag1_bomb(f, "lz4", 8 * MIB, 1000),
        "not the 1000 bytes that it declares",
    ),
}

# Of the file alone: what is before the bomb is read.
_READ = """
import resource, sys
from contextlib import closing
from pathlib import Path
from anon_ros.bags import open_bag
from anon_ros.bags.storage.records import MAX_TIME_NS, DamageLog, Message
bag = open_bag(Path(sys.argv[1]), salvage=True)
before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
losses = DamageLog(salvage=True)
with closing(bag.open(bag.files[0], losses, Path(sys.argv[2]))) as reader:
    for record in reader.records(losses, 0, MAX_TIME_NS):
        if isinstance(record, Message):
            bag.decompress(record.data)
print(losses.count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb)
"""


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_stops_or_is_left_out(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write, problem = BOMBS[name]
    source = write(tmp_path)
    output = tmp_path / ("out.bag" if source.suffix == ".bag" else "out")
    flags = "--fail.max_decompressed_mib", 1
    assert run_bag(source, output, *flags) == 2
    (*_, line) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("anon_ros: error: ")
    assert problem in line
    assert not output.exists()
    if name == "file, mcap":  # nothing of it is left
        assert run_bag(source, output, *flags, "--salvage") == 2
        return
    assert run_bag(source, output, *flags, "--salvage") == 0
    assert problem in capsys.readouterr().err
    assert NUM_MESSAGES // 2 < len(read_messages(output)) <= NUM_MESSAGES


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_bomb_never_fills_memory(tmp_path: Path, compression: str) -> None:
    source = write_mcap_chunk_bomb(tmp_path, compression, 1500 * MIB, 1000)
    words = [sys.executable, "-c", _READ, str(source), str(tmp_path)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    num_losses, num_kb = map(int, done.stdout.split())
    assert num_losses == 1
    assert num_kb * 1024 < 200 * MIB


@pytest.mark.parametrize("opcode", [0x01, 0x03, 0x04, 0x05, 0x06, 0x0C])
def test_record_is_never_larger_than_the_limit(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], opcode: int
) -> None:
    """A file may have a hole that is larger than the memory."""
    source = write_mcap(tmp_path / "in.mcap")
    num_bytes = 64 * 2**30
    insert_record(source, bytes([opcode]) + num_bytes.to_bytes(8, "little"))
    data = source.read_bytes()
    end = data.rindex(num_bytes.to_bytes(8, "little")) + 8
    data = move_summary(data, num_bytes)
    with source.open("wb") as stream:
        stream.write(data[:end])
        stream.seek(end + num_bytes)
        stream.write(data[end:])
    assert run_bag(source, tmp_path / "out.mcap", "--salvage") == 0
    assert "over the limit of 512 MiB" in capsys.readouterr().err
    assert len(read_messages(tmp_path / "out.mcap")) == NUM_MESSAGES


def test_index_never_leads_to_a_bomb(tmp_path: Path, run_bag: RunCommand) -> None:
    """An index that begins at a chunk: the library would decompress it."""
    source = write_mcap_chunk_bomb(tmp_path, "zstd", 1500 * MIB, 1500 * MIB)
    data = bytearray(source.read_bytes())
    bomb = data.index(b"zstd", data.index((1500 * MIB).to_bytes(8, "little"))) - 41
    data[-28:-20] = bomb.to_bytes(8, "little")
    assert data[bomb] == 6
    source.write_bytes(data)
    tracemalloc.start()
    run_bag(source, tmp_path / "out.mcap", "--salvage")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * MIB


def test_samples_never_fill_memory(tmp_path: Path) -> None:
    """Each of these messages is small enough, but there are many."""
    array = ROS2_TYPES.types["std_msgs/msg/UInt8MultiArray"]
    layout = ROS2_TYPES.types["std_msgs/msg/MultiArrayLayout"]([], 0)
    message = array(layout, np.zeros(10 * MIB, np.uint8))
    messages = [
        BagMessage(f"/data{index % 20}", array.__msgtype__, START_NS + index, message)
        for index in range(60)
    ]
    source = write_rosbag2(tmp_path / "in", "mcap", "message", messages)
    bag = open_bag(source, max_bytes=32 * MIB)
    tracemalloc.start()
    plan = inspect_bag(bag, TopicRules(), 0, 0, salvage=False, scratch=tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(plan.topics.decisions) == 20
    assert peak < 100 * MIB
