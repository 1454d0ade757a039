"""Atomic writes and digests of files."""

import hashlib
from pathlib import Path

import pytest

from anon_ros.utils.files import fsync_path, sha256_of_file, write_atomic


def test_write_atomic_replaces_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    for data in (b"first", b"second"):
        write_atomic(path, data)
        assert path.read_bytes() == data
    assert [file.name for file in path.parent.iterdir()] == ["a.bin"]


def test_write_atomic_leaves_nothing_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.mkdir()
    with pytest.raises(OSError, match=r"a\.bin"):
        write_atomic(path, b"data")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("num_bytes", [0, 1, 2**20, 2**20 + 1])
def test_sha256_of_file_equals_hashlib(tmp_path: Path, num_bytes: int) -> None:
    data = bytes(num_bytes)
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    assert sha256_of_file(path) == hashlib.sha256(data).hexdigest()


def test_fsync_path_takes_files_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"data")
    fsync_path(path)
    fsync_path(tmp_path)
    with pytest.raises(FileNotFoundError):
        fsync_path(tmp_path / "absent")
