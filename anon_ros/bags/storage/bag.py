"""A recording on disk: which files, which storage, how compressed."""

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
SUFFIXES = {storage: suffix for suffix, storage in STORAGES.items()}


@dataclass(frozen=True)
class Bag:
    """A recording.

    Attributes:
        path: as the user named it.
        storage: "sqlite3", "mcap" or "ros1".
        files: its storage files in order.
        compression: "file" or "message" as metadata.yaml has it, else "none".
        metadata: what metadata.yaml says; None for a file on its own.
    """

    path: Path
    storage: str
    files: tuple[Path, ...]
    compression: str
    metadata: Mapping[str, Any] | None

    def open(self, file: Path, losses: DamageLog, scratch: Path) -> StorageReader:
        """Open one of ``files``.

        Args:
            file: to open.
            losses: where damage is told.
            scratch: folder for a file that has to be decompressed; the caller empties it.

        Raises:
            BagDamageError: if it is damaged.
            OSError: if it cannot be read.
        """
        if file.suffix != COMPRESSED_SUFFIX:
            return _opened(self.storage, file, losses)
        unpacked = scratch / file.stem
        decompress_file(file, unpacked, losses)
        try:
            return _opened(self.storage, unpacked, losses)
        finally:
            unpacked.unlink()  # it is open, and gone when this process is

    def decompress(self, data: bytes) -> bytes:
        """Return the data of a message, decompressed if needed; empty if they are damaged."""
        if self.compression != "message":
            return data
        try:
            return decompress_message(data)
        except ValueError:
            return b""

    @property
    def needs_scratch(self) -> bool:
        """Whether a file has to be decompressed to be read."""
        return any(file.suffix == COMPRESSED_SUFFIX for file in self.files)


def _opened(storage: str, file: Path, losses: DamageLog) -> StorageReader:
    if storage == "mcap":
        return McapReader(file, losses)
    return Sqlite3Reader(file) if storage == "sqlite3" else Rosbag1Reader(file)


def open_bag(path: Path, *, salvage: bool = False) -> Bag:
    """Look at what lies at ``path``: a rosbag2 folder, or a .mcap, .db3 or .bag file.

    Args:
        path: of the recording.
        salvage: take a folder without metadata.yaml for what its files' names say.

    Raises:
        BagError: if there is no recording.
        BagDamageError: if metadata.yaml is missing or damaged.
    """
    if path.is_file():
        storage = STORAGES.get(_suffix(path))
        if storage is None:
            message = f"{path} is no recording; expected a folder, {', '.join(STORAGES)}"
            raise BagError(message)
        return Bag(path, storage, (path,), _compression(storage, (path,)), None)
    if not path.is_dir():
        message = f"{path} does not exist"
        raise BagError(message)
    try:
        return _folder(path)
    except (BagDamageError, FileNotFoundError) as error:
        if not salvage:
            told = str(error) if isinstance(error, BagError) else f"{path} has no {METADATA_NAME}"
            message = f"{told}; was the recording cut off? --salvage takes the files as they are"
            raise BagDamageError(message) from error
    return _bag_from_files(path)


def _folder(path: Path) -> Bag:
    information = read_metadata(path)
    storage = information["storage_identifier"]
    if storage not in {"mcap", "sqlite3"}:
        message = f"{path}: storage {storage!r} is not known; expected mcap or sqlite3"
        raise BagError(message)
    kind = str(information.get("compression_format") or "")
    compression = str(information.get("compression_mode") or "none").lower() if kind else "none"
    if compression != "none" and kind != "zstd":
        message = f"{path}: compression {kind!r} is not known; expected zstd"
        raise BagError(message)
    files = tuple(path / Path(name).name for name in information["relative_file_paths"])
    if missing := [file for file in files if not file.exists()]:
        message = f"{missing[0]} is missing, which {METADATA_NAME} names"
        raise BagDamageError(message)
    return Bag(path, storage, files, compression, information)


def _bag_from_files(path: Path) -> Bag:
    found = [file for file in path.iterdir() if STORAGES.get(_suffix(file)) in {"mcap", "sqlite3"}]
    storages = {STORAGES[_suffix(file)] for file in found}
    if len(storages) != 1:
        message = f"{path} holds no .mcap files and no .db3 files, or both"
        raise BagError(message)
    # A recorder that died may have left a file and the beginning of its compressed copy.
    names = {
        file.name.removesuffix(COMPRESSED_SUFFIX): file for file in sorted(found, reverse=True)
    }
    files = tuple(names[name] for name in sorted(names, key=lambda n: (len(n), n)))  # _2 before _10
    storage = storages.pop()
    return Bag(path, storage, files, _compression(storage, files), None)


def _compression(storage: str, files: tuple[Path, ...]) -> str:
    """How the bag of these files is compressed, when no metadata.yaml says so."""
    if any(file.suffix == COMPRESSED_SUFFIX for file in files):
        return "file"
    losses = DamageLog(salvage=True)
    for file in files:
        with suppress(BagDamageError, OSError), closing(_opened(storage, file, losses)) as opened:
            for record in opened.records(losses, 0, MAX_TIME_NS):
                if isinstance(record, Message):
                    return "message" if is_compressed_message(record.data) else "none"
    return "none"


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == COMPRESSED_SUFFIX else path.suffix
