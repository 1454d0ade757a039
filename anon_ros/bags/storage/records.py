"""Channels and records of a bag, and protocols of its storages."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from anon_ros.errors import BagDamageError

MAX_TIME_NS = 2**63 - 1
_MAX_LOSSES = 1000
_BLOCK_BYTES = 2**20
UNKNOWN_ENCODING = "unknown"
"""Encoding of a definition that the recorder did not find (rosbag2)."""
METADATA_KIND, PRIVATE_KIND = "MCAP metadata", "private MCAP record"
"""Kinds of records that have a name, but no media type."""
ROSBAG2_METADATA_NAME, ROSBAG2_METADATA_KEY = "rosbag2", "serialized_metadata"
"""Name and key of the MetadataRecord that rosbag2 writes about the file that it is in."""
MARK_NAME = "anon_ros.mark"
"""Name of our own MetadataRecord about persons that a model drew."""


@dataclass(frozen=True)
class Channel:
    """Name and type of messages; a topic has one channel or several.

    Attributes:
        id: within the file.
        topic: as recorded.
        type_name: as in "sensor_msgs/msg/Image", for ROS 1, too.
        serialization: of the messages: "cdr", "ros1" or whatever an MCAP file names.
        definition: text of the message definition; empty if the bag has none.
        definition_encoding: "ros2msg", "ros2idl" or whatever an MCAP file names; empty, as the
            definition, if the recorder did not know it.
        type_hash: RIHS01 (REP 2011), or the MD5 sum of ROS 1; empty if the bag has none.
        qos: offered QoS profiles as YAML text, as recorded.
        extra: key-value pairs: all of an MCAP channel, or callerid and latching of ROS 1.
        recorded_schema: name, encoding and definition in an MCAP file, if they differ from those
            above; None if they do not.
    """

    id: int
    topic: str
    type_name: str
    serialization: str
    definition: str = ""
    definition_encoding: str = ""
    type_hash: str = ""
    qos: str = ""
    extra: tuple[tuple[str, str], ...] = ()
    recorded_schema: tuple[str, str, str] | None = None


class Message(NamedTuple):
    """A recorded message, not deserialized.

    Attributes:
        channel: of the message.
        log_time_ns: time of recording, ns.
        data: as stored; in bags compressed by message still compressed.
        publish_time_ns: MCAP only, else ``log_time_ns``.
        sequence: MCAP only, else 0.
    """

    channel: Channel
    log_time_ns: int
    data: bytes
    publish_time_ns: int
    sequence: int


class FileExtent(NamedTuple):
    """A stretch of an open file, for any thread.

    Attributes:
        descriptor: of the file.
        offset: of the first byte.
        num_bytes: in the stretch.
    """

    descriptor: int
    offset: int
    num_bytes: int

    def iter_blocks(self) -> Iterator[bytes]:
        """Read the bytes block by block.

        Raises:
            OSError: if they cannot be read.
        """
        offset, stop = self.offset, self.offset + self.num_bytes
        while offset < stop:
            block = os.pread(self.descriptor, min(_BLOCK_BYTES, stop - offset), offset)
            if not block:
                message = f"the file ends at byte {offset}, inside an attachment"
                raise OSError(message)
            yield block
            offset += len(block)


class Attachment(NamedTuple):
    """A file inside an MCAP file.

    Attributes:
        name: of the file.
        media_type: of the file.
        create_time_ns: of the file, ns.
        log_time_ns: time of recording, ns.
        content: its bytes, or their place.
    """

    name: str
    media_type: str
    create_time_ns: int
    log_time_ns: int
    content: bytes | FileExtent

    @property
    def num_bytes(self) -> int:
        """The number of bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.num_bytes

    @property
    def data(self) -> bytes:
        """The bytes, read into memory."""
        return b"".join(self.iter_blocks())

    def iter_blocks(self) -> Iterator[bytes]:
        """Read the bytes block by block.

        Raises:
            OSError: if they cannot be read.
        """
        if isinstance(self.content, bytes):
            yield self.content
        else:
            yield from self.content.iter_blocks()


class MetadataRecord(NamedTuple):
    """Named key-value pairs of an MCAP file."""

    name: str
    values: Mapping[str, str]

    @property
    def media_type(self) -> str:
        """The kind of record, in the place of an attachment's media type."""
        return METADATA_KIND

    @classmethod
    def of_mark(cls, mark: Mapping[str, Any]) -> "MetadataRecord":
        """Return the record of a mark."""
        return cls(MARK_NAME, {key: str(value) for key, value in mark.items()})


class PrivateRecord(NamedTuple):
    """A record of an MCAP file whose kind the format leaves to others, or to later versions."""

    opcode: int
    content: FileExtent

    @property
    def name(self) -> str:
        """The name of all records of this kind."""
        return f"record-0x{self.opcode:02x}"

    @property
    def media_type(self) -> str:
        """The kind of record, in the place of an attachment's media type."""
        return PRIVATE_KIND


Extra: TypeAlias = Attachment | MetadataRecord | PrivateRecord
"""What a file holds beside messages; has a name and a media type."""
Record: TypeAlias = Message | Extra


def format_extra(extra: Extra) -> str:
    """Return the place of a loss that is an extra."""
    return f"{extra.media_type or 'attachment'} {extra.name}"


@dataclass(frozen=True)
class Loss:
    """A message, or a stretch of a storage file, that could not be read or anonymized.

    Attributes:
        file: name or path of the storage file.
        topic: as recorded; empty for a stretch of the file.
        log_time_ns: as recorded, ns; None for a stretch of the file.
        problem: as a sentence without its end.
        place: of a stretch within the file, such as "byte 8"; empty for a message.
    """

    file: str
    topic: str
    log_time_ns: int | None
    problem: str
    place: str = ""

    @classmethod
    def of_message(cls, path: Path, message: Message, problem: str) -> "Loss":
        """Return the loss of one message of the file at ``path``."""
        return cls(path.name, message.channel.topic, message.log_time_ns, problem)

    @classmethod
    def of_place(cls, path: Path, place: str, problem: str) -> "Loss":
        """Return the loss of a stretch of the file at ``path``."""
        return cls(str(path), "", None, problem, place)

    def __str__(self) -> str:
        place = self.place or f"{self.topic} at {self.log_time_ns} ns"
        return f"{self.file}, {place}: {self.problem}"


@dataclass
class DamageLog:
    """Losses of a bag.

    Attributes:
        salvage: keep on reading behind a damaged place.
        losses: the first thousand.
        count: of all losses.
    """

    salvage: bool = False
    losses: list[Loss] = field(default_factory=list)
    count: int = 0

    def record(self, loss: Loss) -> None:
        """Add a loss.

        Raises:
            BagDamageError: unless ``salvage``.
        """
        if not self.salvage:
            message = f"{loss}; --salvage leaves it out and keeps the rest"
            raise BagDamageError(message)
        self.count += 1
        if len(self.losses) < _MAX_LOSSES:
            self.losses.append(loss)


class StorageReader(Protocol):
    """A storage file, opened for reading.

    Attributes:
        path: of the file.
        channels: that the file announces.
        message_counts: messages by channel id; wrong if the file's index is.
        start_ns: smallest log time; MAX_TIME_NS without messages.
        end_ns: largest log time; 0 without messages.
        attachments: names and media types.
        compression: of chunks: "", "zstd", "lz4" or "bz2".
    """

    @property
    def path(self) -> Path: ...
    @property
    def channels(self) -> Sequence[Channel]: ...
    @property
    def message_counts(self) -> Mapping[int, int]: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def attachments(self) -> Sequence[tuple[str, str]]: ...
    @property
    def compression(self) -> str: ...

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        """Read everything in the order of the file; messages with start_ns <= log time < stop_ns.

        Raises:
            BagDamageError: at a damaged place, unless ``losses.salvage``.
        """
        ...

    def read_samples(self, channels: Collection[Channel], count: int) -> dict[int, list[bytes]]:
        """Read the first messages of channels, by their ids; fewer where they cannot be read."""
        ...

    def iter_extras(self) -> Iterator[MetadataRecord | PrivateRecord]:
        """Read the records that are neither messages nor attachments, where the index tells of any.

        Damage is left to ``records``.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class StorageWriter(Protocol):
    """A storage file, opened for writing."""

    def write(self, record: Record) -> None:
        """Append ``record``, of a channel that the file was created with."""
        ...

    def finish(self, metadata: Mapping[str, Any] | None) -> None:
        """Complete the file.

        Args:
            metadata: as in metadata.yaml, of this file alone; None to write none into it.
        """
        ...

    def close(self) -> None:
        """Close a file that may be unfinished."""
        ...
