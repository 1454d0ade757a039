"""SHA-256 of models, of which some are directories."""

import hashlib
from functools import lru_cache
from pathlib import Path

from anon_ros.utils.files import sha256_of_file


def hash_model(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and hashes of a directory's files.

    A directory's files are sorted by their names.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = "".join(
            f"{file.relative_to(path).as_posix()} {hash_model(file)}\n" for file in files
        )
        return hashlib.sha256(lines.encode()).hexdigest()
    status = path.stat()
    return _hash_file(path, status.st_size, status.st_mtime_ns)


@lru_cache  # gigabytes, and a report asks for them several times
def _hash_file(path: Path, _size_bytes: int, _changed_ns: int) -> str:
    return sha256_of_file(path)
