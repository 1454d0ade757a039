"""Atomic writes, private files, synchronization to disk and digests of files."""

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

_BLOCK_BYTES = 2**20
_PRIVATE_DIR, _PRIVATE_FILE = 0o700, 0o600
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``path``, and the folders above it.

    The name of the partial file is short, as names may have 255 bytes, and cannot be guessed. A
    link that somebody has put there is not followed.

    Raises:
        OSError: if it cannot be written; no partial file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, _NEW_FILE, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def make_private_dir(path: Path) -> None:
    """Create a folder, and those above it, that nobody else may look into; or make it so.

    Raises:
        PermissionError: if it exists as a link, or as the folder of somebody else, who could have
            put links into it.
        OSError: if it cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(_PRIVATE_DIR)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            message = "is a link, or belongs to somebody else; remove it or choose another place"
            raise PermissionError(errno.EPERM, message, str(path)) from None
        path.chmod(_PRIVATE_DIR)


def make_private_file(path: Path) -> None:
    """Create an empty file that nobody else may read, or make an existing one so.

    Raises:
        OSError: if it cannot be created, or is a link.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, _PRIVATE_FILE)
    try:
        os.fchmod(descriptor, _PRIVATE_FILE)
    finally:
        os.close(descriptor)


def require_regular(path: Path) -> None:
    """Refuse a pipe or device in the place of a file: reading it may never end.

    Raises:
        OSError: if it is one, or cannot be looked at.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(path))


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


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those below it in the order of their paths.

    Links are followed, but not round in circles; a link that leads nowhere counts as a file.

    Raises:
        OSError: if a folder cannot be read.
    """
    yield from _walk(folder, frozenset())


def _walk(folder: Path, ancestors: frozenset[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in ancestors:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _walk(path, ancestors | {real})
        elif path.is_file() or path.is_symlink():
            yield path


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
