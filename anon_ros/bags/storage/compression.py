"""Compression of bags by file and by message (rosbag2_compression, zstd)."""

from pathlib import Path

import zstandard

from anon_ros.bags.storage.records import DamageLog, Loss

COMPRESSED_SUFFIX = ".zstd"
"""Suffix of a compressed storage file, after that of the storage."""

_BLOCK_BYTES = 2**20
_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"  # no CDR begins so


def is_compressed_message(data: bytes) -> bool:
    """Return True if the data of a message begin like a zstd frame."""
    return bytes(data[: len(_FRAME_MAGIC)]) == _FRAME_MAGIC


def compress_message(data: bytes) -> bytes:
    """Compress the data of one message."""
    return zstandard.compress(data)


def decompress_message(data: bytes) -> bytes:
    """Decompress the data of one message.

    Raises:
        ValueError: if they are damaged.
    """
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    try:
        plain = decompressor.decompress(data)
    except zstandard.ZstdError as error:
        message = f"cannot be decompressed: {error}"
        raise ValueError(message) from error
    if not decompressor.eof:
        message = "cannot be decompressed: it is cut off"
        raise ValueError(message)
    return plain


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


def decompress_file(path: Path, output: Path, losses: DamageLog) -> None:
    """Decompress a file, up to the first damaged place.

    Args:
        path: of the file.
        output: must not exist.
        losses: receives the damaged place.

    Raises:
        BagDamageError: if it is damaged, unless ``losses.salvage``.
        OSError: if a file cannot be read or written.
    """
    with path.open("rb") as source, output.open("xb") as target:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        try:
            while block := source.read(_BLOCK_BYTES):
                while block:
                    if decompressor.eof:  # there may be several frames
                        decompressor = zstandard.ZstdDecompressor().decompressobj()
                    target.write(decompressor.decompress(block))
                    block = decompressor.unused_data if decompressor.eof else b""
            problem = "" if decompressor.eof else "it is cut off"
        except zstandard.ZstdError as error:
            problem = str(error)
        if problem:
            place = f"after {target.tell()} bytes"
            losses.record(Loss.of_place(path, place, f"cannot be decompressed: {problem}"))
