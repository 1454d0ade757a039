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
from anon_ros.bags.storage.decompression import decompress
from anon_ros.bags.storage.records import DamageLog
from anon_ros.errors import BagDamageError, SizeLimitError
from helpers.bombs import pack_zeros

DATA = bytes(range(256)) * 20
SKIPPED_FRAME = b"\x50\x2a\x4d\x18" + (9).to_bytes(4, "little") + b"a picture"


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
    [
        (compress_message(DATA)[:-3], "it is cut off"),
        (b"\0" * 9, "cannot be decompressed: "),
        (compress_message(DATA) + b"\xff\xd8\xff", "bytes behind its end"),
        (compress_message(DATA) + SKIPPED_FRAME, "bytes behind its end"),
        (compress_message(bytes(3000)) + SKIPPED_FRAME, "bytes behind its end"),
    ],
)
def test_damaged_message_is_an_error(packed: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        decompress_message(packed)


@pytest.mark.parametrize("declares", [True, False])
def test_message_is_never_larger_than_the_limit(*, declares: bool) -> None:
    packed = zstandard.ZstdCompressor(write_content_size=declares).compress(bytes(3 * 2**20))
    assert decompress_message(packed, 3 * 2**20) == bytes(3 * 2**20)
    with pytest.raises(SizeLimitError, match=r"over the limit of 2 MiB \(fail.max_decompressed"):
        decompress_message(packed, 2 * 2**20)


@pytest.mark.parametrize("compression", ["zstd", "lz4", "bz2"])
def test_size_must_be_as_declared(compression: str) -> None:
    packed = pack_zeros(compression, 5000)
    assert decompress(packed, compression, 5000, 2**20) == bytes(5000)
    for wrong in (0, 4999, 5001):
        with pytest.raises(ValueError, match=f"not the {wrong} bytes that it declares"):
            decompress(packed, compression, wrong, 2**20)
    with pytest.raises(ValueError, match="it is cut off"):
        decompress(packed[:-3], compression, 5000, 2**20)
    with pytest.raises(SizeLimitError):
        decompress(packed, compression, 2**21, 2**20)


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
