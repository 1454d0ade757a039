"""Atomic writes and digests of files."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from anon_ros.utils.files import (
    fsync_path,
    make_private_dir,
    make_private_file,
    sha256_of_file,
    write_atomic,
)


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


def test_write_atomic_takes_the_longest_name(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 251}.jpg"
    write_atomic(path, b"data")
    assert path.read_bytes() == b"data"


def test_write_atomic_never_follows_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has guessed the partial name, or put a link in the place of the file."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "a.bin").symlink_to(victim)
    write_atomic(tmp_path / "a.bin", b"data")
    assert not (tmp_path / "a.bin").is_symlink()
    assert (tmp_path / "a.bin").read_bytes() == b"data"
    monkeypatch.setattr("secrets.token_hex", lambda _: "guessed")
    planted = tmp_path / ".guessed.partial"
    for link in (victim, tmp_path / "absent"):
        planted.symlink_to(link)
        with pytest.raises(FileExistsError):
            write_atomic(tmp_path / "b.bin", b"data")
        assert planted.is_symlink()
        planted.unlink()
    assert victim.read_text() == "mine"
    assert not (tmp_path / "absent").exists()


def test_write_atomic_partial_names_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (names.append(self.name), replace(self, to))[1]
    )
    for _ in range(9):
        write_atomic(tmp_path / "a.bin", b"data")
    assert len(set(names)) == 9


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


def test_private_dir_of_somebody_else_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "theirs"
    path.mkdir()
    user = os.geteuid() + 1
    monkeypatch.setattr("os.geteuid", lambda: user)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        make_private_dir(path)


def test_private_file_of_earlier_version_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"data")
    path.chmod(0o644)
    make_private_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"data"
