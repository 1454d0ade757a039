"""Attachments that are larger than what may be in memory."""

import subprocess
import sys
from pathlib import Path

import mcap.reader
import mcap.writer
import pytest

from anon_ros.bags.storage.mcap.reader import McapReader
from anon_ros.bags.storage.mcap.writer import McapOptions, McapWriter
from anon_ros.bags.storage.records import MAX_TIME_NS, Attachment, DamageLog
from helpers.bags import write_mcap

_MIB = 2**20
_COPY = """
import resource, sys
from pathlib import Path
from anon_ros.bags.storage.mcap.reader import McapReader
from anon_ros.bags.storage.mcap.writer import McapOptions, McapWriter
from anon_ros.bags.storage.records import MAX_TIME_NS, Attachment, DamageLog
source, target = map(Path, sys.argv[1:])
before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader, writer = McapReader(source, DamageLog()), McapWriter(target, [], McapOptions())
for record in reader.records(DamageLog(), 0, MAX_TIME_NS):
    if isinstance(record, Attachment):
        writer.write(record)
writer.finish(None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb)
"""


def write_attachment(path: Path, num_bytes: int) -> Path:
    with path.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2", "somebody")
        writer.add_attachment(3, 4, "screen.mp4", "video/mp4", bytes(num_bytes))
        writer.finish()
    return path


def test_attachments_are_streamed(tmp_path: Path) -> None:
    source = write_attachment(tmp_path / "in.mcap", 200 * _MIB)
    words = [sys.executable, "-c", _COPY, str(source), str(tmp_path / "out.mcap")]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert int(done.stdout) * 1024 < 60 * _MIB
    (attachment,) = mcap.reader.make_reader((tmp_path / "out.mcap").open("rb")).iter_attachments()
    assert (attachment.create_time, attachment.log_time) == (3, 4)
    assert attachment.data == bytes(200 * _MIB)


def test_streamed_record_equals_that_of_the_library(tmp_path: Path) -> None:
    target = tmp_path / "out.mcap"
    writer = McapWriter(target, [], McapOptions(profile="ros2"))
    writer.write(Attachment("notes.txt", "text/plain", 1, 2, b"notes"))
    writer.write(Attachment("", "", 0, 0, b""))
    writer.finish(None)
    with (tmp_path / "library.mcap").open("wb") as stream:
        library = mcap.writer.Writer(stream)
        library.start("ros2", "anon_ros")
        library.add_attachment(1, 2, "notes.txt", "text/plain", b"notes")
        library.add_attachment(0, 0, "", "", b"")
        library.finish()
    assert target.read_bytes() == (tmp_path / "library.mcap").read_bytes()


def test_attachment_larger_than_record_is_damage(tmp_path: Path) -> None:
    source = write_attachment(tmp_path / "in.mcap", 100)
    data = bytearray(source.read_bytes())
    place = data.index(b"video/mp4") + len("video/mp4")
    data[place : place + 8] = (2**62).to_bytes(8, "little")
    source.write_bytes(data)
    losses = DamageLog(salvage=True)
    reader = McapReader(source, losses)
    assert not list(reader.records(losses, 0, MAX_TIME_NS))
    assert "larger than its record" in losses.losses[0].problem


@pytest.mark.parametrize("compression", ["", "zstd"])
def test_attachment_beside_messages(tmp_path: Path, compression: str) -> None:
    reader = McapReader(write_mcap(tmp_path / "in.mcap", compression), DamageLog())
    records = reader.records(DamageLog(), 0, MAX_TIME_NS)
    (attachment,) = [each for each in records if isinstance(each, Attachment)]
    assert (attachment.name, attachment.data) == ("calibration.yaml", b"a: 1")
