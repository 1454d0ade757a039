"""Bag on disk: its files, storage and compression."""

from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anon_ros.bags.storage.compression import (
    COMPRESSED_SUFFIX,
    decompress_file,
    decompress_message,
    is_compressed_message,
)
from anon_ros.bags.storage.mcap_reader import McapReader
from anon_ros.bags.storage.metadata import METADATA_NAME, read_metadata
from anon_ros.bags.storage.records import MAX_TIME_NS, DamageLog, Message, StorageReader
from anon_ros.bags.storage.rosbag1 import Rosbag1Reader
from anon_ros.bags.storage.sqlite3_reader import Sqlite3Reader
from anon_ros.errors import BagDamageError, BagError

STORAGES = {".mcap": "mcap", ".db3": "sqlite3", ".bag": "ros1"}
"""Storages by the suffix of their files."""
SUFFIXES = {storage: suffix for suffix, storage in STORAGES.items()}
"""Suffixes of files by their storage."""

_ROSBAG2_STORAGES = {"mcap", "sqlite3"}


@dataclass(frozen=True)
class Bag:
    """A bag.

    Attributes:
        path: as the user wrote it.
        storage: "sqlite3", "mcap" or "ros1".
        files: storage files in order.
        compression: "file" or "message" as in metadata.yaml, else "none".
        metadata: content of metadata.yaml; None for a file without one.
    """

    path: Path
    storage: str
    files: tuple[Path, ...]
    compression: str
    metadata: Mapping[str, Any] | None

    @property
    def needs_scratch(self) -> bool:
        """True if a file must be decompressed to be read."""
        return any(file.suffix == COMPRESSED_SUFFIX for file in self.files)

    def open(self, file: Path, losses: DamageLog, scratch: Path) -> StorageReader:
        """Open one of ``files``.

        Args:
            file: to open.
            losses: receives the damage.
            scratch: folder for a file that must be decompressed; the caller empties it.

        Raises:
            BagDamageError: if it is damaged.
            OSError: if it cannot be read.
        """
        if file.suffix != COMPRESSED_SUFFIX:
            return _open_storage(self.storage, file, losses)
        plain = scratch / file.stem
        decompress_file(file, plain, losses)
        try:
            return _open_storage(self.storage, plain, losses)
        finally:
            plain.unlink()  # it is open, and gone when this process is

    def decompress(self, data: bytes) -> bytes:
        """Return the data of a message, decompressed if needed; empty if they are damaged."""
        if self.compression != "message":
            return data
        try:
            return decompress_message(data)
        except ValueError:
            return b""


def open_bag(path: Path, *, salvage: bool = False) -> Bag:
    """Find the bag at ``path``: a rosbag2 folder, or a .mcap, .db3 or .bag file.

    Args:
        path: of the bag.
        salvage: accept a folder without metadata.yaml, by the names of its files.

    Raises:
        BagError: if there is no bag.
        BagDamageError: if metadata.yaml is missing or damaged.
    """
    if path.is_file():
        return _open_file(path)
    if not path.is_dir():
        message = f"{path} does not exist"
        raise BagError(message)
    try:
        return _open_folder(path)
    except (BagDamageError, FileNotFoundError) as error:
        if salvage:
            return _collect_files(path)
        problem = str(error) if isinstance(error, BagError) else f"{path} has no {METADATA_NAME}"
        message = f"{problem}; was the recording cut off? --salvage takes the files as they are"
        raise BagDamageError(message) from error


def _open_file(path: Path) -> Bag:
    storage = STORAGES.get(_find_suffix(path))
    if storage is None:
        message = f"{path} is no recording; expected a folder, {', '.join(STORAGES)}"
        raise BagError(message)
    return Bag(path, storage, (path,), _detect_compression(storage, (path,)), None)


def _open_folder(path: Path) -> Bag:
    metadata = read_metadata(path)
    storage = metadata["storage_identifier"]
    if storage not in _ROSBAG2_STORAGES:
        message = f"{path}: storage {storage!r} is not known; expected mcap or sqlite3"
        raise BagError(message)
    compression = _parse_compression(path, metadata)
    files = tuple(path / Path(name).name for name in metadata["relative_file_paths"])
    if missing := [file for file in files if not file.exists()]:
        message = f"{missing[0]} is missing, which {METADATA_NAME} names"
        raise BagDamageError(message)
    return Bag(path, storage, files, compression, metadata)


def _parse_compression(path: Path, metadata: Mapping[str, Any]) -> str:
    format_ = str(metadata.get("compression_format") or "")
    mode = str(metadata.get("compression_mode") or "none").lower() if format_ else "none"
    if mode != "none" and format_ != "zstd":
        message = f"{path}: compression {format_!r} is not known; expected zstd"
        raise BagError(message)
    return mode


def _collect_files(path: Path) -> Bag:
    """Return the bag of the storage files in a folder, without its metadata."""
    suffixes = [SUFFIXES[storage] for storage in _ROSBAG2_STORAGES]
    files = [file for file in path.iterdir() if _find_suffix(file) in suffixes]
    storages = {STORAGES[_find_suffix(file)] for file in files}
    if len(storages) != 1:
        message = f"{path} holds no .mcap files and no .db3 files, or both"
        raise BagError(message)
    storage = storages.pop()
    # A recorder that died may have left a file and the beginning of its compressed copy.
    names = {
        file.name.removesuffix(COMPRESSED_SUFFIX): file for file in sorted(files, reverse=True)
    }
    in_order = sorted(names, key=lambda name: (len(name), name))  # _2 before _10
    unique = tuple(names[name] for name in in_order)
    return Bag(path, storage, unique, _detect_compression(storage, unique), None)


def _detect_compression(storage: str, files: tuple[Path, ...]) -> str:
    """Return the compression of a bag without metadata, by its first message."""
    if any(file.suffix == COMPRESSED_SUFFIX for file in files):
        return "file"
    losses = DamageLog(salvage=True)
    for file in files:
        with (
            suppress(BagDamageError, OSError),
            closing(_open_storage(storage, file, losses)) as reader,
        ):
            for record in reader.records(losses, 0, MAX_TIME_NS):
                if isinstance(record, Message):
                    return "message" if is_compressed_message(record.data) else "none"
    return "none"


def _open_storage(storage: str, file: Path, losses: DamageLog) -> StorageReader:
    if storage == "mcap":
        return McapReader(file, losses)
    return Sqlite3Reader(file) if storage == "sqlite3" else Rosbag1Reader(file)


def _find_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == COMPRESSED_SUFFIX else path.suffix
