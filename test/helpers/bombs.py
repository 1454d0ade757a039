"""Recordings with a few hundred bytes that declare, or become, megabytes."""

import bz2
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import zstandard
from rosbags.rosbag1 import Reader as Ros1Reader

from helpers.bag_editing import change_message, rewrite_bag
from helpers.bags import JPEG_TOPIC, write_mcap, write_rosbag1, write_rosbag2

_HEAD = struct.Struct("<BQ")
_CHUNK, _DATA_END = 0x06, 0x0F


def pack_zeros(compression: str, num_bytes: int, *, is_declared: bool = True) -> bytes:
    """Zeros, compressed."""
    if compression == "lz4":
        return lz4.frame.compress(bytes(num_bytes), store_size=is_declared)
    if compression == "bz2":
        return bz2.compress(bytes(num_bytes))
    packer = zstandard.ZstdCompressor(write_content_size=is_declared)
    output = io.BytesIO()
    packer.copy_stream(_Zeros(num_bytes), output, size=num_bytes)
    return output.getvalue()


class _Zeros(io.RawIOBase):
    def __init__(self, num_bytes: int) -> None:
        self._rest = num_bytes

    def read(self, size: int = -1) -> bytes:
        block = bytes(min(size, self._rest))
        self._rest -= len(block)
        return block


def make_chunk(compression: str, data: bytes, num_declared: int) -> bytes:
    """A chunk record of MCAP."""
    name = compression.encode()
    head = struct.pack("<QQQI", 0, 0, num_declared, 0)
    body = head + struct.pack("<I", len(name)) + name + struct.pack("<Q", len(data)) + data
    return _HEAD.pack(_CHUNK, len(body)) + body


def insert_record(path: Path, record: bytes) -> Path:
    """Put a record behind the last of an MCAP file's data, with its index kept."""
    data = path.read_bytes()
    offsets = dict(_iter_records(data))
    output = data[: offsets[_DATA_END]] + record + data[offsets[_DATA_END] :]
    path.write_bytes(move_summary(output, len(record)))
    return path


def move_summary(data: bytes, num_bytes: int) -> bytes:
    """An MCAP file whose footer says that the index begins later."""
    output, footer = bytearray(data), len(data) - 28
    starts = struct.unpack_from("<QQ", output, footer)
    struct.pack_into("<QQ", output, footer, *(start and start + num_bytes for start in starts))
    return bytes(output)


def _iter_records(data: bytes) -> Iterator[tuple[int, int]]:
    offset = 8
    while offset < len(data) - 8:
        opcode, length = _HEAD.unpack_from(data, offset)
        yield opcode, offset
        offset += _HEAD.size + length


def write_mcap_chunk_bomb(
    path: Path, compression: str, num_bytes: int, num_declared: int | None = None
) -> Path:
    """An MCAP file with a chunk of zeros, which declares another size unless None."""
    declared = num_bytes if num_declared is None else num_declared
    chunk = make_chunk(compression, pack_zeros(compression, num_bytes), declared)
    return insert_record(write_mcap(path / "in.mcap", compression), chunk)


def write_message_bomb(path: Path, storage: str, num_bytes: int, *, is_declared: bool) -> Path:
    """A recording that is compressed by message, with an image of zeros."""
    folder = write_rosbag2(path / "in", storage, "message")
    bomb = pack_zeros("zstd", num_bytes, is_declared=is_declared)
    rewrite_bag(folder, change_message(JPEG_TOPIC, 2, lambda each: each._replace(data=bomb)))
    return folder


def write_file_bomb(path: Path, storage: str, num_bytes: int, *, is_declared: bool) -> Path:
    """A recording that is compressed by file, with zeros behind it."""
    folder = write_rosbag2(path / "in", storage, "file")
    (file,) = folder.glob("*.zstd")
    bomb = pack_zeros("zstd", num_bytes, is_declared=is_declared)
    file.write_bytes(bomb if is_declared else file.read_bytes() + bomb)
    return folder


def write_rosbag1_bomb(
    path: Path, compression: str, num_bytes: int, num_declared: int | None = None
) -> Path:
    """A ROS 1 bag with zeros behind the messages of its last chunk; sizes as above."""
    bag = write_rosbag1(path / "in.bag", compression, chunk_bytes=20_000)
    with Ros1Reader(bag) as reader:
        start, chunk = max(reader.chunks.items())
        assert len(reader.chunks) > 1
    data = bytearray(bag.read_bytes())
    end = chunk.datapos + chunk.datasize
    plain = chunk.decompressor(bytes(data[chunk.datapos : end])) + bytes(num_bytes)
    pack = {"lz4": lz4.frame.compress, "bz2": bz2.compress}[compression]
    packed = pack(plain)
    declared = len(plain) if num_declared is None else num_declared
    struct.pack_into("<I", data, data.index(b"size=", start) + 5, declared)
    index_at = data.index(b"index_pos=") + 10
    (index,) = struct.unpack_from("<Q", data, index_at)
    struct.pack_into("<Q", data, index_at, index + len(packed) - chunk.datasize)
    data[chunk.datapos - 4 : end] = struct.pack("<I", len(packed)) + packed
    bag.write_bytes(data)
    return bag
