"""Reader and writer of ROS 1 bags (wiki.ros.org/Bags/Format/2.0), through rosbags."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag1
from rosbags.rosbag1 import Writer

from anon_ros.bags.storage.decompression import DEFAULT_MAX_BYTES
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    PrivateRecord,
    Record,
)
from anon_ros.bags.storage.rosbag1_chunks import BoundedReader
from anon_ros.errors import BagDamageError, format_error
from anon_ros.utils.files import fsync_path


class Rosbag1Reader:
    """StorageReader of a ROS 1 bag, in the order of time, which is that of its index."""

    attachments: Sequence[tuple[str, str]] = ()

    def __init__(
        self, path: Path, content: Path | None = None, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        """Open ``path``.

        Args:
            path: of the file.
            content: copy that is read in its place; None for none.
            max_bytes: of a chunk, as it declares it and as it is.

        Raises:
            BagDamageError: if it is no bag of ROS 1, or has no index.
            OSError: if it cannot be read.
        """
        self.path = path
        self._reader = _open_reader(path, content or path, max_bytes)
        connections = self._reader.connections
        self._channels = {item.id: _make_channel(item) for item in connections}
        self.channels = list(self._channels.values())
        self.message_counts: Mapping[int, int] = {item.id: item.msgcount for item in connections}
        has_messages = any(self.message_counts.values())
        self.start_ns = self._reader.start_time if has_messages else MAX_TIME_NS
        self.end_ns = self._reader.end_time - 1 if has_messages else 0
        self.compression = self._reader.compression

    def iter_extras(self) -> Iterator[MetadataRecord | PrivateRecord]:
        """Read nothing: the storage has no such records."""
        return iter(())

    def read_samples(self, channels: Collection[Channel], count: int) -> dict[int, list[bytes]]:
        """Read the first messages of channels; see ``StorageReader``."""
        wanted = {channel.id for channel in channels}
        connections = [item for item in self._reader.connections if item.id in wanted]
        return {item.id: self._read_first(item, count) for item in connections}

    def _read_first(self, connection: Connection, count: int) -> list[bytes]:
        try:
            messages = islice(self._reader.messages([connection]), count)
            return [bytes(data) for _, _, data in messages]
        except Exception:  # noqa: BLE001 - damaged bytes raise anything; the run will say where
            return []

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        """Read the messages in the order of time; see ``StorageReader``."""
        last_ns = start_ns
        messages = self._reader.messages(start=start_ns, stop=stop_ns)
        while True:
            try:
                item = next(messages, None)
            except Exception as error:  # noqa: BLE001 - damaged bytes raise anything
                problem = f"{format_error(error)}; all later messages are lost"
                losses.record(Loss.of_place(self.path, f"after {last_ns} ns", problem))
                return
            if item is None:
                return
            connection, last_ns, data = item
            yield Message(self._channels[connection.id], last_ns, bytes(data), last_ns, 0)


class Rosbag1Writer:
    """StorageWriter of a ROS 1 bag."""

    def __init__(self, path: Path, channels: Sequence[Channel], compression: str) -> None:
        """Create a file.

        Args:
            path: must not exist.
            channels: all that the file will have.
            compression: of chunks: "", "bz2" or "lz4".
        """
        self._path = path
        self._writer = Writer(path)
        if compression:
            self._writer.set_compression(Writer.CompressionFormat[compression.upper()])
        self._writer.open()
        self._connections: dict[int, Connection] = {}
        unique: dict[Channel, Connection] = {}
        for channel in channels:
            # Two recorded connections may differ in nothing but their number.
            key = replace(channel, id=0)
            if key not in unique:
                unique[key] = self._add_connection(channel)
            self._connections[channel.id] = unique[key]

    def write(self, record: Record) -> None:
        """Append a message; the storage has no other records."""
        if isinstance(record, Message):
            connection = self._connections[record.channel.id]
            self._writer.write(connection, record.log_time_ns, record.data)

    def finish(self, metadata: Mapping[str, Any] | None) -> None:  # noqa: ARG002 - the format has none
        """Complete the file."""
        self._writer.close()
        fsync_path(self._path)

    def close(self) -> None:
        """Close a file that may be unfinished."""
        self._writer.abort()

    def _add_connection(self, channel: Channel) -> Connection:
        extra = dict(channel.extra)
        latching = extra.get("latching")
        return self._writer.add_connection(
            channel.topic,
            channel.type_name,
            msgdef=channel.definition,
            md5sum=channel.type_hash,
            callerid=extra.get("callerid"),
            latching=None if latching is None else int(latching),
        )


def _open_reader(path: Path, content: Path, max_bytes: int) -> BoundedReader:
    reader = BoundedReader(content, max_bytes)
    try:
        reader.open()
    except OSError:
        raise
    except Exception as error:  # damaged bytes raise anything
        remedy = "rosbag reindex mends one that was cut off"
        message = f"{path} is no ROS 1 bag, or damaged: {format_error(error)}; {remedy}"
        raise BagDamageError(message) from error
    return reader


def _make_channel(connection: Connection) -> Channel:
    extra = connection.ext
    assert isinstance(extra, ConnectionExtRosbag1)  # noqa: S101 - narrows the type
    values = {"callerid": extra.callerid, "latching": extra.latching}
    return Channel(
        id=connection.id,
        topic=connection.topic,
        type_name=connection.msgtype,
        serialization="ros1",
        definition=connection.msgdef.data,
        definition_encoding="ros1msg",
        type_hash=connection.digest,
        extra=tuple((name, str(value)) for name, value in values.items() if value is not None),
    )
