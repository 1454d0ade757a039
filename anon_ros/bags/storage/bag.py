"""Bag on disk: its files, storage and compression."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from anon_ros.bags.storage.compression import (
    COMPRESSED_SUFFIX,
    decompress_file,
    decompress_message,
    is_compressed_message,
)
from anon_ros.bags.storage.decompression import DEFAULT_MAX_BYTES
from anon_ros.bags.storage.mcap.reader import McapReader
from anon_ros.bags.storage.metadata import METADATA_NAME, read_metadata
from anon_ros.bags.storage.records import MAX_TIME_NS, DamageLog, Loss, Message, StorageReader
from anon_ros.bags.storage.rosbag1 import Rosbag1Reader
from anon_ros.bags.storage.sqlite3.log import list_logs, recover_copy
from anon_ros.bags.storage.sqlite3.reader import Sqlite3Reader
from anon_ros.bags.storage.unreadable import UnreadableFile
from anon_ros.errors import BagDamageError, BagError, format_error

STORAGES = {".mcap": "mcap", ".db3": "sqlite3", ".bag": "ros1"}
"""Storages by the suffix of their files."""
SUFFIXES = {storage: suffix for suffix, storage in STORAGES.items()}
"""Suffixes of files by their storage."""

_ROSBAG2_STORAGES = {"mcap", "sqlite3"}
_ACTIVE_SUFFIX = ".active"  # of a .bag that is being recorded


@dataclass(frozen=True)
class Bag:
    """A bag.

    Attributes:
        path: as the user wrote it.
        storage: "sqlite3", "mcap" or "ros1".
        files: storage files in order.
        compression: "file" or "message" as in metadata.yaml, else "none".
        metadata: content of metadata.yaml; None for a file without one.
        max_bytes: of a record, chunk or message, as it declares it and as it is.
    """

    path: Path
    storage: str
    files: tuple[Path, ...]
    compression: str
    metadata: Mapping[str, Any] | None
    max_bytes: int = DEFAULT_MAX_BYTES

    @property
    def needs_scratch(self) -> bool:
        """True if a file must be decompressed or recovered to be read."""
        return any(map(self._needs_copy, self.files))

    def open(self, file: Path, losses: DamageLog, scratch: Path) -> StorageReader:
        """Open one of ``files``.

        Args:
            file: to open.
            losses: receives the damage.
            scratch: folder for a file that must be decompressed or recovered; the caller empties
                it.

        Raises:
            BagDamageError: if it is damaged so that it cannot be opened, unless ``losses.salvage``
                and it is one of several: then it has no messages.
            OSError: if it cannot be read.
        """
        try:
            return self._open(file, losses, scratch)
        except BagDamageError as error:
            if not losses.salvage or len(self.files) == 1:
                raise
            losses.record(Loss.of_place(file, "all of it", format_error(error)))
            return UnreadableFile(file)

    @contextmanager
    def open_in(self, folder: Path, file: Path, losses: DamageLog) -> Iterator[StorageReader]:
        """Open one of ``files``; it is closed with the context.

        Args:
            folder: receives a folder of its own for a file that must be decompressed or recovered.
            file: to open.
            losses: receives the damage.

        Raises:
            BagDamageError: as ``open``.
            OSError: if it cannot be read.
        """
        if not self._needs_copy(file):
            with closing(self.open(file, losses, folder)) as reader:
                yield reader
            return
        with (
            TemporaryDirectory(dir=folder, prefix=".anon_ros-") as scratch,
            closing(self.open(file, losses, Path(scratch))) as reader,
        ):
            yield reader

    def _needs_copy(self, file: Path) -> bool:
        has_log = self.storage == "sqlite3" and bool(list_logs(file))
        return file.suffix == COMPRESSED_SUFFIX or has_log

    def _open(self, file: Path, losses: DamageLog, scratch: Path) -> StorageReader:
        _check_file(file)
        if not self._needs_copy(file):
            return self.open_storage(file, losses)
        if file.suffix == COMPRESSED_SUFFIX:
            plain = scratch / file.stem
            decompress_file(file, plain, losses, self.max_bytes)
        else:
            plain = recover_copy(file, scratch)
        try:
            return self.open_storage(file, losses, plain)
        finally:
            plain.unlink()  # it is open, and gone when this process is

    def open_storage(
        self, file: Path, losses: DamageLog, content: Path | None = None
    ) -> StorageReader:
        """Open one of ``files`` as it is, or a copy of it; see ``open``.

        Args:
            file: to open.
            losses: receives the damage.
            content: copy that is read in its place; None for none.
        """
        if self.storage == "mcap":
            return McapReader(file, losses, content, self.max_bytes)
        if self.storage == "sqlite3":
            return Sqlite3Reader(file, content)
        return Rosbag1Reader(file, content, self.max_bytes)

    def decompress(self, data: bytes) -> bytes:
        """Return the data of a message, decompressed if needed; empty if they are damaged."""
        if self.compression != "message":
            return data
        try:
            return decompress_message(data, self.max_bytes)
        except ValueError:
            return b""


def open_bag(path: Path, *, salvage: bool = False, max_bytes: int = DEFAULT_MAX_BYTES) -> Bag:
    """Find the bag at ``path``: a rosbag2 folder, or a .mcap, .db3 or .bag file.

    Args:
        path: of the bag.
        salvage: accept a folder without metadata.yaml, by the names of its files, and a folder
            whose files are not those that metadata.yaml names.
        max_bytes: of a record, chunk or message.

    Raises:
        BagError: if there is no bag.
        BagDamageError: if metadata.yaml is missing or damaged.
    """
    bag = replace(_find_bag(path, salvage=salvage), max_bytes=max_bytes)
    return bag if bag.metadata is not None else replace(bag, compression=_detect_compression(bag))


def _find_bag(path: Path, *, salvage: bool) -> Bag:
    """Return the bag at a path; of one without metadata the compression is still missing."""
    if path.is_file():
        return _find_file(path)
    if not path.is_dir():
        message = f"{path} does not exist"
        raise BagError(message)
    try:
        return _find_folder(path, salvage=salvage)
    except (BagDamageError, FileNotFoundError) as error:
        if salvage:
            return _collect_files(path)
        problem = str(error) if isinstance(error, BagError) else f"{path} has no {METADATA_NAME}"
        message = f"{problem}; was the recording cut off? --salvage takes the files as they are"
        raise BagDamageError(message) from error


def _find_file(path: Path) -> Bag:
    if path.suffix == _ACTIVE_SUFFIX:
        target = path.with_suffix("")
        names = shlex.quote(str(path)), shlex.quote(str(target))
        message = (
            f"{path} has no index: its recorder died. Mend a copy with: "
            f"cp {' '.join(names)} && rosbag reindex {names[1]}"
        )
        raise BagDamageError(message)
    storage = STORAGES.get(_find_suffix(path))
    if storage is None:
        message = f"{path} is no recording; expected a folder, {', '.join(STORAGES)}"
        raise BagError(message)
    return Bag(path, storage, (path,), "none", None)


def _find_folder(path: Path, *, salvage: bool) -> Bag:
    metadata = read_metadata(path)
    names = [Path(name).name for name in metadata["relative_file_paths"]]
    files = tuple(path / name for name in dict.fromkeys(names))
    # The reindexing of ROS 2 Humble leaves it empty.
    storage = str(metadata.get("storage_identifier") or "") or _guess_storage(files)
    if storage not in _ROSBAG2_STORAGES:
        message = f"{path}: storage {storage!r} is not known; expected mcap or sqlite3"
        raise BagError(message)
    compression = _parse_compression(path, metadata)
    missing = [file for file in files if not file.is_file()]
    unnamed = _list_unnamed(path, storage, files)
    if len(files) < len(names) and not salvage:
        message = f"{path / METADATA_NAME} names a file twice: {', '.join(names)}"
        raise BagDamageError(message)
    if missing and not salvage:
        _check_file(missing[0])
    if unnamed and not salvage:
        message = f"{unnamed[0]} is not named in {METADATA_NAME}; move it away if it is no part"
        raise BagDamageError(message)
    if not files and not unnamed:
        message = f"{path / METADATA_NAME} names no file, and there is none"
        raise BagDamageError(message)
    all_files = tuple(sorted((*files, *unnamed), key=_order_file)) if unnamed else files
    return Bag(path, storage, all_files, compression, metadata)


def _check_file(file: Path) -> None:
    """Check that there is a file, and no pipe or device in its place: reading those may not end.

    Raises:
        BagDamageError: if not.
    """
    if not file.is_file():
        problem = "is no regular file" if file.exists() else "is missing"
        message = f"{file} {problem}, which {METADATA_NAME} names"
        raise BagDamageError(message)


def _guess_storage(files: Iterable[Path]) -> str:
    """Return the storage of files by their suffixes; empty if it is not the same for all."""
    storages = {STORAGES.get(_find_suffix(file), "") for file in files}
    return storages.pop() if len(storages) == 1 else ""


def _list_unnamed(path: Path, storage: str, files: Iterable[Path]) -> list[Path]:
    """Return the storage files of a folder that are none of ``files`` and no copy of one."""
    names = {file.name.removesuffix(COMPRESSED_SUFFIX) for file in files}
    return [
        file
        for file in _list_storage_files(path, {SUFFIXES[storage]})
        if file.name.removesuffix(COMPRESSED_SUFFIX) not in names
    ]


def _list_storage_files(path: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the storage files of a folder but for hidden ones, which other programs write."""
    return [
        file
        for file in sorted(path.iterdir())
        if _find_suffix(file) in suffixes and not file.name.startswith(".")
    ]


def _order_file(file: Path) -> tuple[int, str]:
    """Return a key that puts _2 before _10."""
    name = file.name.removesuffix(COMPRESSED_SUFFIX)
    return len(name), name


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
    files = _list_storage_files(path, suffixes)
    storages = {STORAGES[_find_suffix(file)] for file in files}
    if len(storages) != 1:
        message = f"{path} holds no .mcap files and no .db3 files, or both"
        raise BagError(message)
    storage = storages.pop()
    # A recorder that died may have left a file and the beginning of its compressed copy.
    names = {file.name.removesuffix(COMPRESSED_SUFFIX): file for file in reversed(files)}
    unique = tuple(sorted(names.values(), key=_order_file))
    return Bag(path, storage, unique, "none", None)


def _detect_compression(bag: Bag) -> str:
    """Return the compression of a bag without metadata, by its first message."""
    if any(file.suffix == COMPRESSED_SUFFIX for file in bag.files):
        return "file"
    for file in bag.files:
        if (data := _read_first(bag, file)) is not None:
            return "message" if is_compressed_message(data) else "none"
    return "none"


def _read_first(bag: Bag, file: Path) -> bytes | None:
    """Return the data of the first message; None if there is none that can be read."""
    losses = DamageLog(salvage=True)
    if not file.is_file():
        return None
    with suppress(BagDamageError, OSError), closing(bag.open_storage(file, losses)) as reader:
        if (data := _find_first(reader)) is not None:
            return data
    if bag.storage == "sqlite3" and list_logs(file):  # all of it may be in the log
        folder = Path(gettempdir())
        with suppress(BagDamageError, OSError), bag.open_in(folder, file, losses) as reader:
            return _find_first(reader)
    return None


def _find_first(reader: StorageReader) -> bytes | None:
    for record in reader.records(DamageLog(salvage=True), 0, MAX_TIME_NS):
        if isinstance(record, Message):
            return record.data
    return None


def _find_suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == COMPRESSED_SUFFIX else path.suffix
