"""Compression of bags by file and by message (rosbag2_compression, zstd)."""

from pathlib import Path

import zstandard

from anon_ros.bags.storage.decompression import (
    DEFAULT_MAX_BYTES,
    decompress,
    iter_zstd_frames,
    reject_oversized,
)
from anon_ros.bags.storage.records import DamageLog, Loss

COMPRESSED_SUFFIX = ".zstd"
"""Suffix of a compressed storage file, after that of the storage."""

_MAX_FILE_RATIO = 100  # of a recording's size to that of its compressed file
_MAX_HEADER_BYTES = 18  # of a zstd frame
_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"  # no CDR begins so


def is_compressed_message(data: bytes) -> bool:
    """Return True if the data of a message begin like a zstd frame."""
    return bytes(data[: len(_FRAME_MAGIC)]) == _FRAME_MAGIC


def compress_message(data: bytes) -> bytes:
    """Compress the data of one message."""
    return zstandard.compress(data)


def decompress_message(data: bytes, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """Decompress the data of one message.

    Raises:
        ValueError: if they are damaged; SizeLimitError if they become more than ``max_bytes``.
    """
    return decompress(data, "zstd", None, max_bytes)


def compress_file(path: Path, output: Path) -> None:
    """Compress a file and remove it.

    Args:
        path: of the file; its folder must have room for the compressed file.
        output: appears, on the same file system, only when it is complete.

    Raises:
        OSError: if a file cannot be read or written.
    """
    unfinished = path.with_suffix(".packing")
    with path.open("rb") as source, unfinished.open("wb") as target:
        zstandard.ZstdCompressor().copy_stream(source, target)
    path.unlink()
    unfinished.replace(output)


def decompress_file(
    path: Path, output: Path, losses: DamageLog, max_bytes: int = DEFAULT_MAX_BYTES
) -> None:
    """Decompress a file, up to the first damaged place.

    Args:
        path: of the file.
        output: must not exist.
        losses: receives the damaged place.
        max_bytes: that it may become, or 100 times its size if that is more.

    Raises:
        BagDamageError: if it is damaged, unless ``losses.salvage``.
        OSError: if a file cannot be read or written.
    """
    limit = max(max_bytes, _MAX_FILE_RATIO * path.stat().st_size)
    with path.open("rb") as source, output.open("xb") as target:
        try:
            header = source.peek(_MAX_HEADER_BYTES)
            reject_oversized(zstandard.frame_content_size(header), limit)
            for block in iter_zstd_frames(source):
                reject_oversized(target.tell() + len(block), limit)
                target.write(block)
        except (zstandard.ZstdError, ValueError) as error:
            place = f"after {target.tell()} bytes"
            losses.record(Loss.of_place(path, place, f"cannot be decompressed: {error}"))
