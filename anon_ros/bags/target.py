"""Where the result goes and what it is like."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anon_ros.bags.bag import STORAGES, SUFFIXES, Bag
from anon_ros.bags.mcap_storage import McapFile, McapForm, McapWriter
from anon_ros.bags.records import BagFile, BagWriter, Channel
from anon_ros.bags.ros1_storage import Ros1Writer
from anon_ros.bags.sqlite_storage import SqliteFile, SqliteWriter
from anon_ros.errors import BagError

COMPRESSIONS = ("none", "file", "message", "storage")


@dataclass(frozen=True)
class Target:
    """The output recording.

    Attributes:
        path: of the folder, or of the one file.
        storage: "sqlite3", "mcap" or "ros1".
        compression: one of COMPRESSIONS as asked for; empty for that of the input.
        is_file: ``path`` is a file instead of a rosbag2 folder.
        written_as: storage that is written at first; "ros1" is then converted to ``storage``.
    """

    path: Path
    storage: str
    compression: str
    is_file: bool
    written_as: str

    @property
    def partial(self) -> Path:
        """The folder of an unfinished run."""
        return self.path.with_name(f"{self.path.name}.partial")

    @property
    def staged(self) -> Path:
        """The folder that is filled, and takes its place when it is complete."""
        return self.partial / self.path.name

    def sidecar(self, name: str) -> Path:
        """Where ``name`` (report.json, masks.db) lies in the end."""
        if self.is_file:
            return self.path.with_name(f"{self.path.name}.{name}")
        return self.path / name

    def file_name(self, file: Path, compression: str) -> str:
        """What a storage file of the input is called in the output.

        Args:
            file: of the input.
            compression: "file" adds .zstd.
        """
        if self.is_file:
            return self.path.name
        plain = file.name.removesuffix(".zstd")
        name = Path(plain).stem + SUFFIXES[self.written_as]
        return f"{name}.zstd" if compression == "file" else name

    def create(self, path: Path, channels: Sequence[Channel], source: BagFile) -> BagWriter:
        """Begin a storage file that is like ``source``, but for what was asked for."""
        if self.written_as == "ros1":
            return Ros1Writer(path, channels, source.compression)
        if self.written_as == "sqlite3":
            return SqliteWriter(path, channels, source if isinstance(source, SqliteFile) else None)
        form = source.form if isinstance(source, McapFile) else McapForm()
        if self.compression == "storage":
            form = replace(form, compression="zstd", is_chunked=True)
        elif self.compression:
            form = replace(form, compression="")
        return McapWriter(path, channels, form)


def find_target(bag: Bag, path: Path, storage: str, compression: str) -> Target:
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
        _refuse(f"{path} names a {named} file, but --storage asks for {storage}")
    if found == "ros1" and bag.storage != "ros1":
        _refuse(f"{path}: a recording of ROS 2 cannot become a .bag; give a folder")
    if named and bag.storage == "ros1" and found != "ros1":
        _refuse(f"{path}: a .bag becomes a .bag or a folder, not a {path.suffix} file")
    if named and len(bag.files) > 1:
        _refuse(f"{path} is one file, but {bag.path} has {len(bag.files)}; give a folder")
    if compression == "storage" and found != "mcap":
        _refuse(f"--compression storage is for mcap; {found} knows none, file and message")
    if compression in {"file", "message"} and named:
        _refuse(f"--compression {compression} needs metadata.yaml; give a folder instead of {path}")
    if not path.name:
        _refuse(f"the output {path} has no name")
    written_as = "ros1" if bag.storage == "ros1" else found
    target = Target(path, found, compression, bool(named), written_as)
    _check_apart(bag.path, target)
    return target


def _check_apart(source: Path, target: Target) -> None:
    """A run deletes its unfinished folder in the end, and must not delete its input."""
    one, *others = (Path(os.path.realpath(p)) for p in (source, target.path, target.partial))
    for other in others:
        if one == other or one in other.parents or other in one.parents:
            _refuse(
                f"the output {target.path} (or {target.partial}) and the input {source} overlap"
            )


def _refuse(message: str) -> None:
    raise BagError(message)
