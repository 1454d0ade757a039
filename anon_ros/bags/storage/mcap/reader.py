"""Reader of MCAP files (mcap.dev/spec), through the format's own library.

The reader of rosbags leaves out what an unchanged bag must keep: publish times, sequence numbers,
attachments, metadata, keys of channels, lz4 and files without chunks.
"""

import os
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from mcap import records as mcap
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.stream_reader import get_chunk_data_stream
from mcap.summary import Summary

from anon_ros.bags.storage.mcap.writer import (
    CHUNK_COMPRESSIONS,
    QOS_KEY,
    TYPE_HASH_KEY,
    McapOptions,
)
from anon_ros.bags.storage.mcap_attachments import read_attachment
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    UNKNOWN_ENCODING,
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
_PARSERS: Mapping[int, Callable[[ReadDataStream], mcap.McapRecord]] = {
    Opcode.HEADER: mcap.Header.read,
    Opcode.CHUNK: mcap.Chunk.read,
    Opcode.METADATA: mcap.Metadata.read,
    Opcode.SCHEMA: mcap.Schema.read,
    Opcode.CHANNEL: mcap.Channel.read,
}
_MAX_SAMPLED_CHUNKS = 5  # per channel
_RECORD_HEAD = struct.Struct("<BQ")  # opcode, length
_CHECKSUM_OFFSET = _RECORD_HEAD.size + 24  # of a chunk, behind two times and a size
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_TRUNCATED = "the file ends inside a record"
_NO_END = "the file has no end mark: it is cut off"


class McapReader:
    """StorageReader of an MCAP file, from front to end; its index only tells the contents."""

    def __init__(self, path: Path, losses: DamageLog, content: Path | None = None) -> None:
        """Open ``path``.

        Args:
            path: of the file.
            losses: receives the damage.
            content: copy that is read in its place; None for none.

        Raises:
            BagDamageError: if it has no valid beginning, or, unless ``losses.salvage``, end.
            OSError: if it cannot be read.
        """
        self.path = path
        self._stream = (content or path).open("rb")
        self._schemas: dict[int, mcap.Schema] = {}
        self._channels: dict[int, Channel] = {}
        self.message_counts: dict[int, int] = defaultdict(int)
        self.start_ns, self.end_ns = MAX_TIME_NS, 0
        self.attachments: list[tuple[str, str]] = []
        self.options = McapOptions(is_chunked=False, has_checksums=False, profile="")
        self._size = os.fstat(self._stream.fileno()).st_size
        self._chunk_offsets: list[int] = []
        self._sampled_chunks: dict[int, list[int]] = {}
        self._num_announced: int | None = None  # messages, as the index tells
        self._summary_tables: tuple[dict[int, mcap.Schema], dict[int, Channel]] = {}, {}
        try:
            self._open(losses)
        except BaseException:
            self._stream.close()
            raise

    @property
    def channels(self) -> Sequence[Channel]:
        """The channels that the file announces."""
        return list(self._channels.values())

    @property
    def compression(self) -> str:
        """The compression of chunks."""
        return self.options.compression

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:
        """Read everything in the order of the file; see ``StorageReader``."""
        # A damaged chunk may have been the one that announced them.
        self._schemas, self._channels = dict(self._summary_tables[0]), dict(self._summary_tables[1])
        counts: Counter[int] = Counter()
        num_losses = losses.count
        for record in self._iter_records(losses):
            if isinstance(record, Message):
                counts[record.channel.id] += 1
                if not start_ns <= record.log_time_ns < stop_ns:
                    continue
            yield record
        is_complete = counts == Counter(self.message_counts)
        if counts.total() == self._num_announced and is_complete:
            return
        if self._num_announced is not None and losses.count == num_losses:
            problem = (
                f"the index tells of {self._num_announced} messages, there are {counts.total()}"
            )
            losses.record(Loss.of_place(self.path, "all of it", problem))

    def read_samples(self, channels: Collection[Channel], count: int) -> dict[int, list[bytes]]:
        """Read the first messages of channels in one pass; see ``StorageReader``."""
        samples: dict[int, list[bytes]] = {channel.id: [] for channel in channels}
        totals = {number: min(count, self.message_counts.get(number, 0)) for number in samples}
        missing = {number for number, total in totals.items() if total}
        for message in self._iter_sampled(missing) if missing else ():
            number = message.channel.id
            if number in missing:
                samples[number].append(message.data)
                if len(samples[number]) == totals[number]:
                    missing.remove(number)
            if not missing:
                break
        return samples

    def _iter_sampled(self, channel_ids: set[int]) -> Iterator[Message]:
        """Yield the messages of the first chunks that hold some of these channels."""
        if not channel_ids <= self._sampled_chunks.keys():
            yield from self._iter_messages()
            return
        for offset in sorted({at for key in channel_ids for at in self._sampled_chunks[key]}):
            self._stream.seek(offset)
            try:
                _, length = _RECORD_HEAD.unpack(self._stream.read(_RECORD_HEAD.size))
                chunk = self._stream.read(min(length, self._size))
                records = [self._convert(item) for item in self._parse(Opcode.CHUNK, chunk)]
            except Exception:  # noqa: BLE001, S112 - damaged bytes raise anything; a run reports them
                continue
            yield from (record for record in records if isinstance(record, Message))

    def _iter_messages(self) -> Iterator[Message]:
        records = self.records(DamageLog(salvage=True), 0, MAX_TIME_NS)
        return (record for record in records if isinstance(record, Message))

    def _open(self, losses: DamageLog) -> None:
        if self._stream.read(len(_MAGIC)) != _MAGIC:
            message = f"{self.path} is no MCAP file, or its beginning is damaged"
            raise BagDamageError(message)
        summary = self._read_summary(losses)
        if summary is None or summary.statistics is None:
            self._scan()
            return
        self._use_summary(summary, summary.statistics)
        if not self._chunk_offsets:
            self._find_chunk_options()
        if summary.statistics.message_count != sum(self.message_counts.values()):
            self._scan()
            self._num_announced = summary.statistics.message_count or None
        elif summary.statistics.attachment_count != len(self.attachments):
            self._list_attachments()

    def _read_summary(self, losses: DamageLog) -> Summary | None:
        """Read the index; None if the file has none, or an incomplete one."""
        try:
            self._stream.seek(0)
            reader = make_reader(self._stream)
            self.options = replace(self.options, profile=reader.get_header().profile)
            summary = reader.get_summary()
        except Exception as error:
            if losses.salvage:
                return None
            message = (
                f"{self.path} is cut off or its index is damaged ({format_error(error)}); "
                "--salvage keeps what can be read"
            )
            raise BagDamageError(message) from error
        return summary if summary is not None and _is_complete(summary) else None

    def _use_summary(self, summary: Summary, statistics: mcap.Statistics) -> None:
        self._schemas = dict(summary.schemas)
        self._channels = {item.id: self._make_channel(item) for item in summary.channels.values()}
        self._summary_tables = dict(self._schemas), dict(self._channels)
        self._num_announced = statistics.message_count
        counts = statistics.channel_message_counts
        self.message_counts.update({key: count for key, count in counts.items() if count})
        if statistics.message_count:
            self.start_ns, self.end_ns = statistics.message_start_time, statistics.message_end_time
        self.attachments = [(item.name, item.media_type) for item in summary.attachment_indexes]
        # An index that is missing says nothing: the file itself does.
        is_chunked = bool(summary.chunk_indexes) or not statistics.message_count
        self.options = replace(self.options, is_chunked=is_chunked)
        self._use_chunk_indexes(summary.chunk_indexes)

    def _use_chunk_indexes(self, indexes: Sequence[mcap.ChunkIndex]) -> None:
        for index in sorted(indexes, key=lambda index: index.chunk_start_offset):
            self._chunk_offsets.append(index.chunk_start_offset)
            for channel_id in index.message_index_offsets:
                offsets = self._sampled_chunks.setdefault(channel_id, [])
                if len(offsets) < _MAX_SAMPLED_CHUNKS:
                    offsets.append(index.chunk_start_offset)
        if not indexes:
            return
        if indexes[0].compression not in CHUNK_COMPRESSIONS:
            message = (
                f"{self.path}: compression {indexes[0].compression!r} of its chunks is not known"
            )
            raise BagDamageError(message)
        self._stream.seek(indexes[0].chunk_start_offset + _CHECKSUM_OFFSET)
        self._update_options(indexes[0].compression, has_checksums=any(self._stream.read(4)))

    def _find_chunk_options(self) -> None:
        """Learn the options from the first chunk, unless a message comes first."""
        for _, opcode, length in self._iter_raw_records(DamageLog(salvage=True)):
            if opcode == Opcode.CHUNK:
                with suppress(Exception):  # damaged bytes raise anything; a run reports them
                    self._parse(opcode, self._stream.read(length))
            if opcode in {Opcode.CHUNK, Opcode.MESSAGE}:
                return

    def _list_attachments(self) -> None:
        """Learn the attachments from the file itself."""
        self.attachments = []
        for offset, opcode, length in self._iter_raw_records(DamageLog(salvage=True)):
            if opcode == Opcode.ATTACHMENT:
                with suppress(Exception):  # as above
                    attachment = read_attachment(self._stream, offset, length)
                    self.attachments.append((attachment.name, attachment.media_type))

    def _scan(self) -> None:
        """Learn the contents from the file itself."""
        self.message_counts.clear()
        self.attachments = []
        for record in self.records(DamageLog(salvage=True), 0, MAX_TIME_NS):
            if isinstance(record, Message):
                self.message_counts[record.channel.id] += 1
                self.start_ns = min(self.start_ns, record.log_time_ns)
                self.end_ns = max(self.end_ns, record.log_time_ns)
            elif isinstance(record, Attachment):
                self.attachments.append((record.name, record.media_type))

    def _iter_records(self, losses: DamageLog) -> Iterator[Record]:
        for offset, opcode, length in self._iter_raw_records(losses):
            if opcode == Opcode.ATTACHMENT:
                yield from self._iter_attachment(offset, length, losses)
                continue
            try:
                items = self._parse(opcode, self._stream.read(length))
            except Exception as error:  # noqa: BLE001 - damaged bytes raise anything
                losses.record(Loss.of_place(self.path, f"byte {offset}", format_error(error)))
                continue
            for item in items:
                try:
                    record = self._convert(item)
                except Exception as error:  # noqa: BLE001 - as above
                    problem = _format_problem(error)
                    losses.record(Loss.of_place(self.path, f"byte {offset}", problem))
                    continue
                if record is not None:
                    yield record

    def _iter_attachment(self, offset: int, length: int, losses: DamageLog) -> Iterator[Attachment]:
        """Yield an attachment, unless it is damaged."""
        try:
            attachment = read_attachment(self._stream, offset, length)
        except (McapError, struct.error, ValueError) as error:
            losses.record(Loss.of_place(self.path, f"byte {offset}", format_error(error)))
            return
        yield attachment

    def _iter_raw_records(self, losses: DamageLog) -> Iterator[tuple[int, int, int]]:
        """Yield offset, opcode and length of records up to the end of the data section.

        The file is read behind the head of the record.
        """
        offset = len(_MAGIC)
        while offset < self._size:
            self._stream.seek(offset)
            head = self._stream.read(_RECORD_HEAD.size)
            is_complete = len(head) == _RECORD_HEAD.size
            opcode, length = _RECORD_HEAD.unpack(head) if is_complete else (0, self._size)
            if opcode in {Opcode.DATA_END, Opcode.FOOTER}:
                return
            if not opcode or length > self._size - offset - len(head):
                losses.record(Loss.of_place(self.path, f"byte {offset}", _TRUNCATED))
                offset = self._find_next_chunk(offset)
                continue
            if opcode in _PARSERS or opcode in {Opcode.MESSAGE, Opcode.ATTACHMENT}:
                yield offset, opcode, length
            offset += len(head) + length
        losses.record(Loss.of_place(self.path, f"byte {offset}", _NO_END))

    def _find_next_chunk(self, offset: int) -> int:
        """Return the offset of the next chunk that the index tells; the file's size if none."""
        return next((chunk for chunk in self._chunk_offsets if chunk > offset), self._size)

    def _parse(self, opcode: int, body: bytes) -> list[mcap.McapRecord]:
        """Parse a record; a chunk into the records in it."""
        stream = ReadDataStream(BytesIO(body))
        if opcode == Opcode.MESSAGE:
            return [mcap.Message.read(stream, len(body))]
        if opcode != Opcode.CHUNK:
            return [_PARSERS[opcode](stream)]
        chunk = mcap.Chunk.read(stream)
        if chunk.compression not in CHUNK_COMPRESSIONS:
            message = f"compression {chunk.compression!r} is not known"
            raise ValueError(message)
        stream, size = get_chunk_data_stream(chunk, validate_crc=True)
        self._update_options(chunk.compression, has_checksums=chunk.uncompressed_crc != 0)
        return list(_split_chunk(stream.read(size)))

    def _convert(self, item: mcap.McapRecord) -> Record | None:
        """Convert a record of the library; None for one that only describes others."""
        if isinstance(item, mcap.Message):
            return self._make_message(item)
        if isinstance(item, mcap.Metadata):
            return MetadataRecord(item.name, item.metadata)
        if isinstance(item, mcap.Schema):
            self._schemas[item.id] = item
        elif isinstance(item, mcap.Channel):
            self._channels[item.id] = self._make_channel(item)
        elif isinstance(item, mcap.Header):
            self.options = replace(self.options, profile=item.profile)
        return None

    def _make_message(self, item: mcap.Message) -> Message:
        if item.log_time > MAX_TIME_NS:
            message = f"a message's time {item.log_time} is out of range"
            raise ValueError(message)
        channel = self._channels[item.channel_id]
        return Message(channel, item.log_time, item.data, item.publish_time, item.sequence)

    def _make_channel(self, item: mcap.Channel) -> Channel:
        schema = self._schemas[item.schema_id] if item.schema_id else None
        metadata = dict(item.metadata)
        recorded = ("", "", "")
        if schema is not None:
            recorded = schema.name, schema.encoding, schema.data.decode(errors="surrogateescape")
        standard = _make_standard_schema(item.message_encoding, *recorded)
        type_name, encoding, definition = standard
        return Channel(
            id=item.id,
            topic=item.topic,
            type_name=type_name,
            serialization=item.message_encoding,
            definition=definition,
            definition_encoding=encoding,
            qos=metadata.get(QOS_KEY, ""),
            type_hash=metadata.get(TYPE_HASH_KEY, ""),
            extra=tuple(metadata.items()),
            recorded_schema=recorded if recorded != standard else None,
        )

    def _update_options(self, compression: str, *, has_checksums: bool) -> None:
        """Take over the options of a chunk, unless an earlier one had a compression or checksum."""
        options = self.options
        if not options.is_chunked or not (options.compression or options.has_checksums):
            options = replace(options, compression=compression, is_chunked=True)
            self.options = replace(options, has_checksums=has_checksums)


def _make_standard_schema(
    serialization: str, name: str, encoding: str, definition: str
) -> tuple[str, str, str]:
    """Return type name, encoding and definition in the form that ROS 2 has for all of them."""
    if serialization == "ros1" and name.count("/") == 1:
        name = name.replace("/", "/msg/")
    is_unknown = encoding == UNKNOWN_ENCODING
    return (name, "", "") if is_unknown else (name, encoding, definition)


def _is_complete(summary: Summary) -> bool:
    """Return True if an index has the statistics, channels and schemas that it refers to."""
    if summary.statistics is None:
        return False
    schemas = {channel.schema_id for channel in summary.channels.values()} - {0}
    channels = set(summary.statistics.channel_message_counts)
    return channels <= set(summary.channels) and schemas <= set(summary.schemas)


def _split_chunk(chunk: bytes) -> Iterator[mcap.McapRecord]:
    """Yield the records of a decompressed chunk."""
    view, offset = memoryview(chunk), 0
    while offset < len(view):
        opcode, length = _RECORD_HEAD.unpack_from(view, offset)
        offset += _RECORD_HEAD.size
        if length > len(view) - offset:
            message = "a record reaches beyond its chunk"
            raise ValueError(message)
        if opcode == Opcode.MESSAGE:
            channel_id, sequence, log_time, publish_time = _MESSAGE_HEAD.unpack_from(view, offset)
            data = chunk[offset + _MESSAGE_HEAD.size : offset + length]
            yield mcap.Message(channel_id, log_time, data, publish_time, sequence)
        elif opcode in {Opcode.SCHEMA, Opcode.CHANNEL}:
            yield _PARSERS[opcode](ReadDataStream(BytesIO(view[offset : offset + length])))
        offset += length


def _format_problem(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"a record refers to number {error}, which the file does not announce"
    return format_error(error)
