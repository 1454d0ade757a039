"""Atomic writes, synchronization to disk and digests of files."""

import hashlib
import os
from pathlib import Path

_BLOCK_BYTES = 2**20


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``path``, and the folders above it.

    Raises:
        OSError: if it cannot be written; no partial file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def fsync_path(path: Path) -> None:
    """Wait until a file or folder is on disk, so that a power failure cannot undo it.

    Raises:
        OSError: if it cannot be opened or written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 digest of a file as 64 hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
