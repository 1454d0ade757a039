"""Files of ROS 1 (wiki.ros.org/Bags/Format/2.0), through rosbags."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, ConnectionExtRosbag1
from rosbags.rosbag1 import Reader, Writer
from rosbags.rosbag1.reader import decompressors

from anon_ros.bags.storage.records import MAX_TIME_NS, Channel, DamageLog, Loss, Message, Record
from anon_ros.errors import BagDamageError, format_error
from anon_ros.utils.files import fsync_path


class Rosbag1Reader:
    """A BagFile, read in the order of time: that is what its index offers."""

    attachments: Sequence[tuple[str, str]] = ()

    def __init__(self, path: Path) -> None:
        """Open ``path``.

        Raises:
            BagDamageError: if it is no bag of ROS 1, or has no index.
            OSError: if it cannot be read.
        """
        self.path = path
        self._reader = Reader(path)
        try:
            self._reader.open()
        except OSError:
            raise
        except Exception as error:  # damaged bytes raise anything
            remedy = "rosbag reindex mends one that was cut off"
            message = f"{path} is no ROS 1 bag, or damaged: {format_error(error)}; {remedy}"
            raise BagDamageError(message) from error
        self._channels = {each.id: _channel(each) for each in self._reader.connections}
        self.channels = list(self._channels.values())
        self.message_counts: Mapping[int, int] = {
            each.id: each.msgcount for each in self._reader.connections
        }
        has_any = any(self.message_counts.values())
        self.start_ns = self._reader.start_time if has_any else MAX_TIME_NS
        self.end_ns = self._reader.end_time - 1 if has_any else 0
        used = {chunk.decompressor for chunk in self._reader.chunks.values()}
        names = [name for name, function in decompressors.items() if function in used]
        self.compression = next((name for name in names if name != "none"), "")

    def read_samples(self, channel: Channel, count: int) -> list[bytes]:
        connections = [each for each in self._reader.connections if each.id == channel.id]
        try:
            return [bytes(each[2]) for each in islice(self._reader.messages(connections), count)]
        except Exception:  # noqa: BLE001 - damaged bytes raise anything; the run will say where
            return []

    def close(self) -> None:
        self._reader.close()

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        last_ns = start_ns
        messages = self._reader.messages(start=start_ns, stop=stop_ns)
        while True:
            try:
                found = next(messages, None)
            except Exception as error:  # noqa: BLE001 - damaged bytes raise anything
                problem = f"{format_error(error)}; all later messages are lost"
                losses.record(Loss.of_place(self.path, f"after {last_ns} ns", problem))
                return
            if found is None:
                return
            connection, last_ns, data = found
            yield Message(self._channels[connection.id], last_ns, bytes(data), last_ns, 0)


class Rosbag1Writer:
    """A BagWriter."""

    def __init__(self, path: Path, channels: Sequence[Channel], compression: str) -> None:
        """Create ``path``.

        Args:
            path: of a file that does not exist.
            channels: all of them.
            compression: of chunks: "", "bz2" or "lz4".
        """
        self._path = path
        self._writer = Writer(path)
        if compression:
            self._writer.set_compression(Writer.CompressionFormat[compression.upper()])
        self._writer.open()
        self._connections: dict[int, Connection] = {}
        known: dict[Channel, Connection] = {}
        for channel in channels:
            # Two recorded connections may differ in nothing but their number.
            key = Channel(**{**vars(channel), "id": 0})
            if key not in known:
                known[key] = self._add(channel)
            self._connections[channel.id] = known[key]

    def write(self, record: Record) -> None:
        if isinstance(record, Message):
            connection = self._connections[record.channel.id]
            self._writer.write(connection, record.log_time_ns, record.data)

    def finish(self, information: Mapping[str, Any] | None) -> None:  # noqa: ARG002 - the format has none
        self._writer.close()
        fsync_path(self._path)

    def close(self) -> None:
        self._writer.abort()

    def _add(self, channel: Channel) -> Connection:
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


def _channel(found: Connection) -> Channel:
    assert isinstance(found.ext, ConnectionExtRosbag1)  # noqa: S101 - narrows the type
    known = {"callerid": found.ext.callerid, "latching": found.ext.latching}
    return Channel(
        id=found.id,
        topic=found.topic,
        type_name=found.msgtype,
        serialization="ros1",
        definition=found.msgdef.data,
        definition_encoding="ros1msg",
        type_hash=found.digest,
        extra=tuple((name, str(value)) for name, value in known.items() if value is not None),
    )
