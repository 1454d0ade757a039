"""MCAP files (mcap.dev/spec), through the format's own library.

rosbags reads and writes them, too, but leaves out what an unchanged recording must keep: publish
times, sequence numbers, attachments, metadata, keys of channels, lz4 and files without chunks.
"""

import os
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from mcap import records as mcap
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.stream_reader import get_chunk_data_stream
from mcap.summary import Summary
from mcap.writer import CompressionType, Writer

from anon_ros.bags.storage.metadata import dump_yaml
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    Attachment,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    Record,
)
from anon_ros.errors import BagDamageError, format_error

_MAGIC = b"\x89MCAP0\r\n"
_QOS, _HASH = "offered_qos_profiles", "topic_type_hash"
_READ: Mapping[int, Callable[[ReadDataStream], mcap.McapRecord]] = {
    Opcode.HEADER: mcap.Header.read,
    Opcode.CHUNK: mcap.Chunk.read,
    Opcode.ATTACHMENT: mcap.Attachment.read,
    Opcode.METADATA: mcap.Metadata.read,
    Opcode.SCHEMA: mcap.Schema.read,
    Opcode.CHANNEL: mcap.Channel.read,
}
# Of a channel, to look for samples in.
_FIRST_CHUNKS = 5
_FRAME = struct.Struct("<BQ")  # opcode, length
_CHECKSUM_AT = _FRAME.size + 24  # of a chunk, behind two times and a size
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_COMPRESSIONS = {
    "": CompressionType.NONE,
    "zstd": CompressionType.ZSTD,
    "lz4": CompressionType.LZ4,
}
_TRUNCATED = "the file ends inside a record"


@dataclass(frozen=True)
class McapOptions:
    """How an MCAP file is built.

    Attributes:
        compression: of chunks: "", "zstd" or "lz4".
        is_chunked: messages lie in chunks.
        has_checksums: chunks have one.
        profile: of the header, "ros2" from a ROS 2 recorder.
    """

    compression: str = ""
    is_chunked: bool = True
    has_checksums: bool = True
    profile: str = "ros2"


class McapReader:
    """A BagFile, read from front to end; the index is only used to learn what is in it."""

    def __init__(self, path: Path, losses: DamageLog) -> None:
        """Open ``path``.

        Raises:
            BagDamageError: if it has no valid beginning, or, unless ``losses.salvage``, end.
            OSError: if it cannot be read.
        """
        self.path = path
        self._stream = path.open("rb")
        self._schemas: dict[int, mcap.Schema] = {}
        self._channels: dict[int, Channel] = {}
        self.message_counts: dict[int, int] = defaultdict(int)
        self.start_ns, self.end_ns = MAX_TIME_NS, 0
        self.attachments: list[tuple[str, str]] = []
        self.form = McapOptions(is_chunked=False, has_checksums=False, profile="")
        self._size = os.fstat(self._stream.fileno()).st_size
        self._chunk_offsets: list[int] = []
        self._first_chunks: dict[int, list[int]] = {}
        self._is_indexed = False
        self._summary_tables: tuple[dict[int, mcap.Schema], dict[int, Channel]] = {}, {}
        try:
            self._open(losses)
        except BaseException:
            self._stream.close()
            raise

    @property
    def channels(self) -> Sequence[Channel]:
        return list(self._channels.values())

    @property
    def compression(self) -> str:
        return self.form.compression

    def close(self) -> None:
        self._stream.close()

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        # A damaged chunk may have been the one that announced them.
        self._schemas, self._channels = dict(self._summary_tables[0]), dict(self._summary_tables[1])
        seen: Counter[int] = Counter()
        before = losses.count
        for at, opcode, body in self._iter_raw_records(losses):
            try:
                found = self._parse(opcode, body)
            except Exception as error:  # noqa: BLE001 - damaged bytes raise anything
                losses.record(Loss.of_place(self.path, f"byte {at}", format_error(error)))
                continue
            for each in found:
                try:
                    record = self._convert(each)
                except Exception as error:  # noqa: BLE001 - as above
                    losses.record(Loss.of_place(self.path, f"byte {at}", _problem(error)))
                    continue
                if isinstance(record, Message):
                    seen[record.channel.id] += 1
                    if not start_ns <= record.log_time_ns < stop_ns:
                        continue
                if record is not None:
                    yield record
        if self._is_indexed and losses.count == before and seen != Counter(self.message_counts):
            told = (
                f"the index tells of {sum(self.message_counts.values())} messages, "
                f"there are {seen.total()}"
            )
            losses.record(Loss.of_place(self.path, "all of it", told))

    def read_samples(self, channel: Channel, count: int) -> list[bytes]:
        messages = self._indexed(channel.id) if self._first_chunks else self._all()
        return list(islice((m.data for m in messages if m.channel.id == channel.id), count))

    def _indexed(self, channel_id: int) -> Iterator[Message]:
        """The messages of the first chunks that hold some of a channel."""
        for offset in self._first_chunks.get(channel_id, ()):
            self._stream.seek(offset)
            try:
                _, length = _FRAME.unpack(self._stream.read(_FRAME.size))
                chunk = self._stream.read(min(length, self._size))
                taken = [self._convert(record) for record in self._parse(Opcode.CHUNK, chunk)]
            except Exception:  # noqa: BLE001, S112 - damaged bytes raise anything; the run says where
                continue
            yield from (each for each in taken if isinstance(each, Message))

    def _all(self) -> Iterator[Message]:
        records = self.records(DamageLog(salvage=True), 0, MAX_TIME_NS)
        return (record for record in records if isinstance(record, Message))

    def _open(self, losses: DamageLog) -> None:
        if self._stream.read(len(_MAGIC)) != _MAGIC:
            message = f"{self.path} is no MCAP file, or its beginning is damaged"
            raise BagDamageError(message)
        summary = self._summary(losses)
        if summary is not None and summary.statistics is not None:
            self._take(summary, summary.statistics)
        else:
            self._scan()

    def _summary(self, losses: DamageLog) -> Summary | None:
        """The index, if the file has one that is whole."""
        try:
            self._stream.seek(0)
            reader = make_reader(self._stream)
            self.form = replace(self.form, profile=reader.get_header().profile)
            summary = reader.get_summary()
        except Exception as error:
            if losses.salvage:
                return None
            message = (
                f"{self.path} is cut off or its index is damaged ({format_error(error)}); "
                "--salvage "
                "keeps what can be read"
            )
            raise BagDamageError(message) from error
        if summary is None or summary.statistics is None:
            return None
        announced = set(summary.statistics.channel_message_counts) <= set(summary.channels)
        schemas = {channel.schema_id for channel in summary.channels.values()} - {0}
        return summary if announced and schemas <= set(summary.schemas) else None

    def _take(self, summary: Summary, statistics: mcap.Statistics) -> None:
        self._schemas = dict(summary.schemas)
        self._channels = {each.id: self._channel(each) for each in summary.channels.values()}
        self._is_indexed, self._summary_tables = True, (dict(self._schemas), dict(self._channels))
        self.message_counts.update(
            {k: n for k, n in statistics.channel_message_counts.items() if n}
        )
        if statistics.message_count:
            self.start_ns, self.end_ns = statistics.message_start_time, statistics.message_end_time
        self.attachments = [(each.name, each.media_type) for each in summary.attachment_indexes]
        for chunk in sorted(summary.chunk_indexes, key=lambda chunk: chunk.chunk_start_offset):
            self._chunk_offsets.append(chunk.chunk_start_offset)
            for channel_id in chunk.message_index_offsets:
                first = self._first_chunks.setdefault(channel_id, [])
                if len(first) < _FIRST_CHUNKS:
                    first.append(chunk.chunk_start_offset)
        chunked = bool(summary.chunk_indexes) or not statistics.message_count
        self.form = replace(self.form, is_chunked=chunked)
        if summary.chunk_indexes:
            compression = summary.chunk_indexes[0].compression
            if compression not in _COMPRESSIONS:
                message = f"{self.path}: compression {compression!r} of its chunks is not known"
                raise BagDamageError(message)
            self._stream.seek(summary.chunk_indexes[0].chunk_start_offset + _CHECKSUM_AT)
            self._update_options(compression, any(self._stream.read(4)))

    def _scan(self) -> None:
        """Learn from the whole file what is in it."""
        channels: dict[int, Channel] = {}
        for record in self.records(DamageLog(salvage=True), 0, MAX_TIME_NS):
            if isinstance(record, Message):
                self.message_counts[record.channel.id] += 1
                self.start_ns = min(self.start_ns, record.log_time_ns)
                self.end_ns = max(self.end_ns, record.log_time_ns)
            elif isinstance(record, Attachment):
                self.attachments.append((record.name, record.media_type))
            channels.update(self._channels)
        self._channels = channels | self._channels

    def _iter_raw_records(self, losses: DamageLog) -> Iterator[tuple[int, int, bytes]]:
        """Offset, opcode and content of each record up to the end of the data section."""
        size = self._size
        at = len(_MAGIC)
        while at < size:
            self._stream.seek(at)
            head = self._stream.read(_FRAME.size)
            opcode, length = _FRAME.unpack(head) if len(head) == _FRAME.size else (0, size)
            if opcode in {Opcode.DATA_END, Opcode.FOOTER}:
                return
            if not opcode or length > size - at - len(head):
                losses.record(Loss.of_place(self.path, f"byte {at}", _TRUNCATED))
                # The index, if there is one, knows where the next chunk begins.
                at = next((offset for offset in self._chunk_offsets if offset > at), size)
                continue
            if opcode in _READ or opcode == Opcode.MESSAGE:
                yield at, opcode, self._stream.read(length)
            at += len(head) + length
        problem = "the file has no end mark: it is cut off"
        losses.record(Loss.of_place(self.path, f"byte {at}", problem))

    def _parse(self, opcode: int, body: bytes) -> list[mcap.McapRecord]:
        stream = ReadDataStream(BytesIO(body))
        if opcode != Opcode.CHUNK:
            if opcode == Opcode.MESSAGE:
                return [mcap.Message.read(stream, len(body))]
            return [_READ[opcode](stream)]
        chunk = mcap.Chunk.read(stream)
        if chunk.compression not in _COMPRESSIONS:
            message = f"compression {chunk.compression!r} is not known"
            raise ValueError(message)
        stream, size = get_chunk_data_stream(chunk, validate_crc=True)
        self._update_options(chunk.compression, chunk.uncompressed_crc != 0)
        return list(_split(stream.read(size)))

    def _convert(self, record: mcap.McapRecord) -> Record | None:
        if isinstance(record, mcap.Message):
            if record.log_time > MAX_TIME_NS:
                message = f"a message's time {record.log_time} is out of range"
                raise ValueError(message)
            channel = self._channels[record.channel_id]
            published_ns, number = record.publish_time, record.sequence
            return Message(channel, record.log_time, record.data, published_ns, number)
        if isinstance(record, mcap.Attachment):
            made, logged = record.create_time, record.log_time
            return Attachment(record.name, record.media_type, made, logged, record.data)
        if isinstance(record, mcap.Metadata):
            return MetadataRecord(record.name, record.metadata)
        if isinstance(record, mcap.Schema):
            self._schemas[record.id] = record
        elif isinstance(record, mcap.Channel):
            self._channels[record.id] = self._channel(record)
        elif isinstance(record, mcap.Header):
            self.form = replace(self.form, profile=record.profile)
        return None

    def _update_options(self, compression: str, checksum: bool) -> None:  # noqa: FBT001 - private
        """The form of a chunk, once for the file."""
        if not self.form.is_chunked or not (self.form.compression or self.form.has_checksums):
            form = replace(self.form, is_chunked=True, compression=compression)
            self.form = replace(form, has_checksums=checksum)

    def _channel(self, found: mcap.Channel) -> Channel:
        schema = self._schemas[found.schema_id] if found.schema_id else None
        metadata = dict(found.metadata)
        return Channel(
            id=found.id,
            topic=found.topic,
            type_name=schema.name if schema else "",
            serialization=found.message_encoding,
            definition=schema.data.decode(errors="surrogateescape") if schema else "",
            definition_encoding=schema.encoding if schema else "",
            qos=metadata.get(_QOS, ""),
            type_hash=metadata.get(_HASH, ""),
            extra=tuple(metadata.items()),
        )


class McapWriter:
    """A BagWriter."""

    def __init__(
        self,
        path: Path,
        channels: Sequence[Channel],
        form: McapOptions,
    ) -> None:
        """Create ``path``.

        Args:
            path: of a file that does not exist.
            channels: all of them.
            form: of the file.
        """
        self._stream: BinaryIO = path.open("xb")
        self._writer = Writer(
            self._stream,
            compression=_COMPRESSIONS[form.compression],
            use_chunking=form.is_chunked,
            enable_crcs=form.has_checksums,
        )
        self._writer.start(form.profile, "anon_ros")
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._ids = {channel.id: self._register(channel) for channel in channels}

    def write(self, record: Record) -> None:
        if isinstance(record, Message):
            channel_id = self._ids[record.channel.id]
            self._writer.add_message(
                channel_id, record.log_time_ns, record.data, record.publish_time_ns, record.sequence
            )
        elif isinstance(record, Attachment):
            times = record.create_time_ns, record.log_time_ns
            self._writer.add_attachment(*times, record.name, record.media_type, record.data)
        elif record.name != ROSBAG2_METADATA_NAME:  # that one is written anew
            self._writer.add_metadata(record.name, dict(record.values))

    def finish(self, information: Mapping[str, Any] | None) -> None:
        self._writer.flush()  # type: ignore[no-untyped-call]  # the library
        if information is not None:
            self._writer.add_metadata(
                ROSBAG2_METADATA_NAME, {ROSBAG2_METADATA_KEY: dump_yaml(information)}
            )
        self._writer.finish()  # type: ignore[no-untyped-call]  # the library
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def close(self) -> None:
        self._stream.close()

    def _register(self, channel: Channel) -> int:
        key = channel.type_name, channel.definition_encoding, channel.definition
        if channel.type_name and key not in self._schemas:
            definition = channel.definition.encode(errors="surrogateescape")
            self._schemas[key] = self._writer.register_schema(*key[:2], definition)
        metadata = dict(channel.extra)
        metadata |= {
            name: text for name, text in _described(channel) if text and name not in metadata
        }
        schema_id = self._schemas.get(key, 0)
        return self._writer.register_channel(
            channel.topic, channel.serialization, schema_id, metadata
        )


def _described(channel: Channel) -> list[tuple[str, str]]:
    return [(_QOS, channel.qos), (_HASH, channel.type_hash)]


def _split(chunk: bytes) -> Iterator[mcap.McapRecord]:
    """The records of a decompressed chunk."""
    view, at = memoryview(chunk), 0
    while at < len(view):
        opcode, length = _FRAME.unpack_from(view, at)
        at += _FRAME.size
        if length > len(view) - at:
            message = "a record reaches beyond its chunk"
            raise ValueError(message)
        if opcode == Opcode.MESSAGE:
            channel_id, sequence, log_time, publish_time = _MESSAGE.unpack_from(view, at)
            data = chunk[at + _MESSAGE.size : at + length]
            yield mcap.Message(channel_id, log_time, data, publish_time, sequence)
        elif opcode in {Opcode.SCHEMA, Opcode.CHANNEL}:
            yield _READ[opcode](ReadDataStream(BytesIO(view[at : at + length])))
        at += length


def _problem(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"a record refers to number {error}, which the file does not announce"
    return format_error(error)
