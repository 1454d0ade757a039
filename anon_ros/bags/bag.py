"""A recording on disk: which files, which storage, how compressed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from anon_ros.bags.mcap_storage import McapFile
from anon_ros.bags.metadata import METADATA_NAME, read_information
from anon_ros.bags.records import BagFile, Losses
from anon_ros.bags.ros1_storage import Ros1File
from anon_ros.bags.sqlite_storage import SqliteFile
from anon_ros.errors import BagDamageError, BagError

STORAGES = {".mcap": "mcap", ".db3": "sqlite3", ".bag": "ros1"}
SUFFIXES = {storage: suffix for suffix, storage in STORAGES.items()}
_PACKED = ".zstd"


@dataclass(frozen=True)
class Bag:
    """A recording.

    Attributes:
        path: as the user named it.
        storage: "sqlite3", "mcap" or "ros1".
        files: its storage files in order.
        compression: "file" or "message" as metadata.yaml has it, else "none".
        information: what metadata.yaml says; None for a file on its own.
    """

    path: Path
    storage: str
    files: tuple[Path, ...]
    compression: str
    information: Mapping[str, Any] | None

    def open(self, file: Path, losses: Losses, scratch: Path) -> BagFile:
        """Open one of ``files``.

        Args:
            file: to open.
            losses: where damage is told.
            scratch: folder for a file that has to be decompressed; the caller empties it.

        Raises:
            BagDamageError: if it is damaged.
            OSError: if it cannot be read.
        """
        if file.suffix == _PACKED:
            file = _unpacked(file, scratch / file.stem, losses)
        if self.storage == "mcap":
            return McapFile(file, losses)
        return SqliteFile(file) if self.storage == "sqlite3" else Ros1File(file)


def find_bag(path: Path, *, salvage: bool = False) -> Bag:
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
        compression = "file" if path.suffix == _PACKED else "none"
        return Bag(path, storage, (path,), compression, None)
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
    return _unlisted(path)


def _folder(path: Path) -> Bag:
    information = read_information(path)
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


def _unlisted(path: Path) -> Bag:
    found = [file for file in path.iterdir() if STORAGES.get(_suffix(file)) in {"mcap", "sqlite3"}]
    storages = {STORAGES[_suffix(file)] for file in found}
    if len(storages) != 1:
        message = f"{path} holds no .mcap files and no .db3 files, or both"
        raise BagError(message)
    files = tuple(sorted(found, key=lambda file: (len(file.name), file.name)))  # _2 before _10
    compression = "file" if files[0].suffix == _PACKED else "none"
    return Bag(path, storages.pop(), files, compression, None)


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == _PACKED else path.suffix


def _unpacked(file: Path, target: Path, losses: Losses) -> Path:
    with file.open("rb") as packed, target.open("wb") as unpacked:
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        try:
            shutil.copyfileobj(reader, unpacked, 2**20)
        except zstandard.ZstdError as error:
            losses.add(f"{file}, after {unpacked.tell()} bytes", f"cannot be decompressed: {error}")
    return target
