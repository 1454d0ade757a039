"""Compression and back; damage is an error or a loss."""

from pathlib import Path

import pytest
import zstandard

from anon_ros.bags.storage.compression import (
    compress_file,
    compress_message,
    decompress_file,
    decompress_message,
    is_compressed_message,
)
from anon_ros.bags.storage.records import DamageLog
from anon_ros.errors import BagDamageError

DATA = bytes(range(256)) * 20


def decompressed(packed: bytes, folder: Path, *, salvage: bool) -> tuple[bytes, DamageLog]:
    path, output, losses = folder / "in", folder / "out", DamageLog(salvage=salvage)
    path.write_bytes(packed)
    decompress_file(path, output, losses)
    return output.read_bytes(), losses


def test_message_survives_compression() -> None:
    packed = compress_message(DATA)
    assert is_compressed_message(packed)
    assert not is_compressed_message(DATA)
    assert decompress_message(packed) == DATA


@pytest.mark.parametrize(
    ("packed", "problem"),
    [(compress_message(DATA)[:-3], "it is cut off"), (b"\0" * 9, "cannot be decompressed: ")],
)
def test_damaged_message_is_an_error(packed: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        decompress_message(packed)


def test_file_survives_compression(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.mcap", tmp_path / "a.mcap.zstd"
    plain.write_bytes(DATA)
    compress_file(plain, packed)
    assert list(tmp_path.iterdir()) == [packed]
    assert decompressed(packed.read_bytes(), tmp_path, salvage=False)[0] == DATA


def test_several_frames_are_one_file(tmp_path: Path) -> None:
    packed = zstandard.compress(DATA) + zstandard.compress(b"more")
    assert decompressed(packed, tmp_path, salvage=False)[0] == DATA + b"more"


def test_cut_off_file_needs_salvage(tmp_path: Path) -> None:
    with pytest.raises(BagDamageError, match="it is cut off; --salvage"):
        decompressed(zstandard.compress(DATA)[:-3], tmp_path, salvage=False)


def test_salvaged_file_reports_its_loss(tmp_path: Path) -> None:
    frames = zstandard.compress(DATA) + zstandard.compress(DATA)
    data, losses = decompressed(frames[:-3], tmp_path, salvage=True)
    assert data.startswith(DATA)
    assert [loss.place for loss in losses.losses] == [f"after {len(data)} bytes"]
