"""Where the result goes and what it is like."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anon_ros.bags.storage.bag import STORAGES, SUFFIXES, Bag
from anon_ros.bags.storage.compression import COMPRESSED_SUFFIX
from anon_ros.bags.storage.mcap_reader import McapOptions, McapReader, McapWriter
from anon_ros.bags.storage.records import Channel, StorageReader, StorageWriter
from anon_ros.bags.storage.rosbag1 import Rosbag1Writer
from anon_ros.bags.storage.sqlite3_reader import Sqlite3Reader, Sqlite3Writer
from anon_ros.errors import BagError

COMPRESSIONS = ("none", "file", "message", "storage")


@dataclass(frozen=True)
class OutputBag:
    """The output recording.

    Attributes:
        path: of the folder, or of the one file.
        storage: "sqlite3", "mcap" or "ros1".
        compression: one of COMPRESSIONS as asked for; empty for that of the input.
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
        """The folder that is filled, and takes its place when it is complete."""
        return self.partial_dir / self.path.name

    def sidecar_path(self, name: str) -> Path:
        """Where ``name`` (report.json, masks.db) lies in the end."""
        if self.is_file:
            return self.path.with_name(f"{self.path.name}.{name}")
        return self.path / name

    def file_name(self, file: Path, compression: str) -> str:
        """What a storage file of the input is called in the output.

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
        """Begin a storage file that is like ``source``, but for what was asked for."""
        if self.write_storage == "ros1":
            return Rosbag1Writer(path, channels, source.compression)
        if self.write_storage == "sqlite3":
            return Sqlite3Writer(
                path, channels, source if isinstance(source, Sqlite3Reader) else None
            )
        form = source.form if isinstance(source, McapReader) else McapOptions()
        if self.compression == "storage":
            form = replace(form, compression="zstd", is_chunked=True)
        elif self.compression:
            form = replace(form, compression="")
        return McapWriter(path, channels, form)


def plan_output(bag: Bag, path: Path, storage: str, compression: str) -> OutputBag:
    """Decide what the output is like.

    Args:
        bag: the input.
        path: of the output; a suffix .mcap, .db3 or .bag asks for one file.
        storage: "sqlite3" or "mcap"; empty for that of the input or of ``path``.
        compression: one of COMPRESSIONS; empty for that of the input.

    Raises:
        BagError: if that cannot be.
    """
    named = STORAGES.get(path.suffix, "")
    found = storage or named or bag.storage
    if found == "ros1" and not named:
        found = "mcap"  # a folder for ROS 2
    if named and found != named:
        _fail(f"{path} names a {named} file, but --storage asks for {storage}")
    if found == "ros1" and bag.storage != "ros1":
        _fail(f"{path}: a recording of ROS 2 cannot become a .bag; give a folder")
    if named and bag.storage == "ros1" and found != "ros1":
        _fail(f"{path}: a .bag becomes a .bag or a folder, not a {path.suffix} file")
    if named and len(bag.files) > 1:
        _fail(f"{path} is one file, but {bag.path} has {len(bag.files)}; give a folder")
    if compression == "storage" and found != "mcap":
        _fail(f"--compression storage is for mcap; {found} knows none, file and message")
    if compression in {"file", "message"} and named:
        _fail(f"--compression {compression} needs metadata.yaml; give a folder instead of {path}")
    if not path.name:
        _fail(f"the output {path} has no name")
    written_as = "ros1" if bag.storage == "ros1" else found
    target = OutputBag(path, found, compression, bool(named), written_as)
    _check_apart(bag.path, target)
    return target


def _check_apart(source: Path, target: OutputBag) -> None:
    """A run deletes its unfinished folder in the end, and must not delete its input."""
    one, *others = (Path(os.path.realpath(p)) for p in (source, target.path, target.partial_dir))
    for other in others:
        if one == other or one in other.parents or other in one.parents:
            _fail(
                f"the output {target.path} (or {target.partial_dir}) and the input {source} overlap"
            )


def _fail(message: str) -> None:
    raise BagError(message)
