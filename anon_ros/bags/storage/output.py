"""Plan of the output bag: path, storage, compression."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from anon_ros.bags.storage.bag import STORAGES, SUFFIXES, Bag
from anon_ros.bags.storage.compression import COMPRESSED_SUFFIX
from anon_ros.bags.storage.mcap.reader import McapReader
from anon_ros.bags.storage.mcap.writer import McapOptions, McapWriter
from anon_ros.bags.storage.records import Channel, StorageReader, StorageWriter
from anon_ros.bags.storage.rosbag1 import Rosbag1Writer
from anon_ros.bags.storage.sqlite3.reader import Sqlite3Reader
from anon_ros.bags.storage.sqlite3.writer import Sqlite3Writer
from anon_ros.errors import BagError

COMPRESSIONS = ("none", "file", "message", "storage")
"""Compressions of an output; "storage" is that of chunks in mcap."""


@dataclass(frozen=True)
class OutputBag:
    """The output bag.

    Attributes:
        path: of the folder, or of the only file.
        storage: "sqlite3", "mcap" or "ros1".
        compression: one of COMPRESSIONS as the user chose; empty for that of the input.
        is_file: ``path`` is a file instead of a rosbag2 folder.
        write_storage: storage that is written at first; "ros1" is then converted to ``storage``.
    """

    path: Path
    storage: str
    compression: str
    is_file: bool
    write_storage: str

    @property
    def partial_dir(self) -> Path:
        """The folder of an unfinished run."""
        return self.path.with_name(f"{self.path.name}.partial")

    @property
    def staging_dir(self) -> Path:
        """The folder that is filled, and replaces ``path`` when it is complete."""
        return self.partial_dir / self.path.name

    def sidecar_path(self, name: str) -> Path:
        """Return the path of ``name`` (report.json, masks.db) in the finished output."""
        if self.is_file:
            return self.path.with_name(f"{self.path.name}.{name}")
        return self.path / name

    def file_name(self, file: Path, compression: str) -> str:
        """Return the name in the output of a storage file of the input.

        Args:
            file: of the input.
            compression: "file" adds COMPRESSED_SUFFIX.
        """
        if self.is_file:
            return self.path.name
        plain = file.name.removesuffix(COMPRESSED_SUFFIX)
        name = Path(plain).stem + SUFFIXES[self.write_storage]
        return f"{name}{COMPRESSED_SUFFIX}" if compression == "file" else name

    def create(
        self, path: Path, channels: Sequence[Channel], source: StorageReader
    ) -> StorageWriter:
        """Create a storage file like ``source``, but for what the user chose.

        Args:
            path: must not exist.
            channels: all that the file will have.
            source: file of the input.

        Raises:
            OSError, sqlite3.Error: if it cannot be created.
        """
        if self.write_storage == "ros1":
            return Rosbag1Writer(path, channels, source.compression)
        if self.write_storage == "sqlite3":
            template = source if isinstance(source, Sqlite3Reader) else None
            return Sqlite3Writer(path, channels, template)
        return McapWriter(path, channels, self._choose_options(source))

    def _choose_options(self, source: StorageReader) -> McapOptions:
        options = source.options if isinstance(source, McapReader) else McapOptions()
        if self.compression == "storage":
            return replace(options, compression="zstd", is_chunked=True)
        return replace(options, compression="") if self.compression else options


def plan_output(bag: Bag, path: Path, storage: str, compression: str) -> OutputBag:
    """Decide the storage, form and compression of the output.

    Args:
        bag: the input.
        path: of the output; a suffix .mcap, .db3 or .bag means a single file.
        storage: "sqlite3" or "mcap"; empty for that of the input or of ``path``.
        compression: one of COMPRESSIONS; empty for that of the input.

    Raises:
        BagError: if the choices exclude each other, or the output overlaps the input.
    """
    file_storage = STORAGES.get(path.suffix, "")
    chosen = storage or file_storage or bag.storage
    if chosen == "ros1" and not file_storage:
        chosen = "mcap"  # a folder for ROS 2
    if file_storage and chosen != file_storage:
        _fail(f"{path} names a {file_storage} file, but --storage asks for {storage}")
    if file_storage:
        _check_file(bag, path, chosen, compression)
    if compression == "storage" and chosen != "mcap":
        _fail(f"--compression storage is for mcap; {chosen} knows none, file and message")
    if not path.name:
        _fail(f"the output {path} has no name")
    write_storage = "ros1" if bag.storage == "ros1" else chosen
    output = OutputBag(path, chosen, compression, bool(file_storage), write_storage)
    _check_overlap(bag.path, output)
    return output


def _check_file(bag: Bag, path: Path, storage: str, compression: str) -> None:
    """Check that the input can become a single file."""
    if storage == "ros1" and bag.storage != "ros1":
        _fail(f"{path}: a recording of ROS 2 cannot become a .bag; give a folder")
    if bag.storage == "ros1" and storage != "ros1":
        _fail(f"{path}: a .bag becomes a .bag or a folder, not a {path.suffix} file")
    if len(bag.files) > 1:
        _fail(f"{path} is one file, but {bag.path} has {len(bag.files)}; give a folder")
    if compression in {"file", "message"}:
        _fail(f"--compression {compression} needs metadata.yaml; give a folder instead of {path}")


def _check_overlap(input_path: Path, output: OutputBag) -> None:
    """Check that the input is no part of the output: a run deletes its unfinished folder."""
    source = Path(os.path.realpath(input_path))
    for path in (output.path, output.partial_dir):
        target = Path(os.path.realpath(path))
        if source == target or source in target.parents or target in source.parents:
            _fail(
                f"the output {output.path} (or {output.partial_dir}) and the input {input_path} "
                "overlap"
            )


def _fail(message: str) -> NoReturn:
    raise BagError(message)
