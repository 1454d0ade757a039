"""Reader of MCAP files (mcap.dev/spec), through the format's own library.

The reader of rosbags leaves out what an unchanged bag must keep: publish times, sequence numbers,
attachments, metadata, keys of channels, lz4 and files without chunks.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mcap import records as mcap
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.summary import Summary

from anon_ros.bags.storage.decompression import DEFAULT_MAX_BYTES
from anon_ros.bags.storage.mcap.chunks import (
    ParsedRecord,
    StrayRecord,
    make_channel,
    open_chunk,
    parse_record,
    split_chunk,
)
from anon_ros.bags.storage.mcap.record_file import RecordFile, RecordHead
from anon_ros.bags.storage.mcap.summary import (
    MAGIC,
    RECORD_HEAD,
    is_complete_summary,
    read_header,
    read_summary,
)
from anon_ros.bags.storage.mcap.writer import (
    CHUNK_COMPRESSIONS,
    McapOptions,
)
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    Attachment,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    PrivateRecord,
    Record,
)
from anon_ros.errors import BagDamageError, format_error

_MAX_SAMPLED_CHUNKS = 5  # per channel
_CHECKSUM_OFFSET = RECORD_HEAD.size + 24  # of a chunk, behind two times and a size


class McapReader:
    """StorageReader of an MCAP file, from front to end; its index only tells the contents."""

    def __init__(
        self,
        path: Path,
        losses: DamageLog,
        content: Path | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """Open ``path``.

        Args:
            path: of the file.
            losses: receives the damage.
            content: copy that is read in its place; None for none.
            max_bytes: of a record or chunk, as it declares it and as it is.

        Raises:
            BagDamageError: if it has no valid beginning, or, unless ``losses.salvage``, end.
            OSError: if it cannot be read.
        """
        self.path = path
        self._file = RecordFile(path, content, max_bytes)
        self._schemas: dict[int, mcap.Schema] = {}
        self._channels: dict[int, Channel] = {}
        self.message_counts: dict[int, int] = defaultdict(int)
        self.start_ns, self.end_ns = MAX_TIME_NS, 0
        self.attachments: list[tuple[str, str]] = []
        self.options = McapOptions(is_chunked=False, has_checksums=False, profile="")
        self._sampled_chunks: dict[int, list[int]] = {}
        self._jumps: dict[int, int] = {}  # from a chunk to what is behind its indexes
        self._num_announced: int | None = None  # messages, as the index tells
        self._summary_tables: tuple[dict[int, mcap.Schema], dict[int, Channel]] = {}, {}
        try:
            self._open(losses)
        except BaseException:
            self._file.close()
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
        self._file.close()

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

    def iter_extras(self) -> Iterator[MetadataRecord | PrivateRecord]:
        """Read the metadata and private records; see ``StorageReader``."""
        losses = DamageLog(salvage=True)
        for head in self._file.iter_heads(losses, self._jumps):
            if head.opcode == Opcode.METADATA:
                records = self._iter_converted(head, losses)
                yield from (record for record in records if isinstance(record, MetadataRecord))
            elif head.is_private:
                yield self._file.make_private(head)

    def iter_samples(
        self, channels: Collection[Channel], count: int
    ) -> Iterator[tuple[int, bytes]]:
        """Read the first messages of channels in one pass; see ``StorageReader``."""
        counts = {item.id: min(count, self.message_counts.get(item.id, 0)) for item in channels}
        missing = {number: total for number, total in counts.items() if total}
        for message in self._iter_sampled(set(missing)) if missing else ():
            number = message.channel.id
            if number in missing:
                yield number, message.data
                missing[number] -= 1
                if not missing[number]:
                    del missing[number]
            if not missing:
                return

    def _iter_sampled(self, channel_ids: set[int]) -> Iterator[Message]:
        """Yield the messages of the first chunks that hold some of these channels."""
        if not channel_ids <= self._sampled_chunks.keys():
            yield from self._iter_messages()
            return
        for offset in sorted({at for key in channel_ids for at in self._sampled_chunks[key]}):
            head = self._file.read_head(offset)._replace(opcode=Opcode.CHUNK)
            try:
                for item in self._iter_items(head):
                    if isinstance(record := self._convert(item), Message):
                        yield record
            except Exception:  # noqa: BLE001, S112 - damaged bytes raise anything; a run reports them
                continue

    def _iter_messages(self) -> Iterator[Message]:
        records = self.records(DamageLog(salvage=True), 0, MAX_TIME_NS)
        return (record for record in records if isinstance(record, Message))

    def _open(self, losses: DamageLog) -> None:
        if self._file.stream.read(len(MAGIC)) != MAGIC:
            message = f"{self.path} is no MCAP file, or its beginning is damaged"
            raise BagDamageError(message)
        summary = self._read_summary(losses)
        if summary is None or summary.statistics is None:
            self._scan()
            return
        self._use_summary(summary, summary.statistics)
        if not self._file.chunk_offsets:
            self._find_chunk_options()
        if summary.statistics.message_count != sum(self.message_counts.values()):
            self._scan()
            self._num_announced = summary.statistics.message_count or None
        elif summary.statistics.attachment_count != len(self.attachments):
            self._list_attachments()

    def _read_summary(self, losses: DamageLog) -> Summary | None:
        """Read the index; None if the file has none, or an incomplete one."""
        try:
            stream, max_bytes = self._file.stream, self._file.max_bytes
            profile = read_header(stream, max_bytes).profile
            self.options = replace(self.options, profile=profile)
            summary = read_summary(stream, self._file.num_bytes, max_bytes)
        except Exception as error:
            if losses.salvage:
                return None
            message = (
                f"{self.path} is cut off or its index is damaged ({format_error(error)}); "
                "--salvage keeps what can be read"
            )
            raise BagDamageError(message) from error
        return summary if summary is not None and is_complete_summary(summary) else None

    def _use_summary(self, summary: Summary, statistics: mcap.Statistics) -> None:
        self._schemas = dict(summary.schemas)
        self._channels = {
            item.id: make_channel(item, self._schemas) for item in summary.channels.values()
        }
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
            self._file.chunk_offsets.append(index.chunk_start_offset)
            end = index.chunk_start_offset + index.chunk_length + index.message_index_length
            self._jumps[index.chunk_start_offset] = max(end, index.chunk_start_offset + 1)
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
        self._file.stream.seek(indexes[0].chunk_start_offset + _CHECKSUM_OFFSET)
        checksum = self._file.stream.read(4)
        self._update_options(indexes[0].compression, has_checksums=any(checksum))

    def _find_chunk_options(self) -> None:
        """Learn the options from the first chunk, unless a message comes first."""
        for head in self._file.iter_heads(DamageLog(salvage=True)):
            if head.opcode == Opcode.CHUNK:
                with suppress(Exception):  # damaged bytes raise anything; a run reports them
                    next(self._iter_items(head), None)
            if head.opcode in {Opcode.CHUNK, Opcode.MESSAGE}:
                return

    def _list_attachments(self) -> None:
        """Learn the attachments from the file itself."""
        self.attachments = []
        for head in self._file.iter_heads(DamageLog(salvage=True)):
            if head.opcode == Opcode.ATTACHMENT:
                with suppress(Exception):  # as above
                    attachment = self._file.read_attachment(head)
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
        for head in self._file.iter_heads(losses):
            if head.opcode == Opcode.ATTACHMENT:
                yield from self._iter_attachment(head, losses)
            elif head.is_private:
                yield self._file.make_private(head)
            else:
                yield from self._iter_converted(head, losses)

    def _iter_converted(self, head: RecordHead, losses: DamageLog) -> Iterator[Record]:
        """Yield the records of a record that is parsed, up to the first damaged place."""
        place, items = f"byte {head.offset}", self._iter_items(head)
        while True:
            try:
                item = next(items, None)
            except Exception as error:  # noqa: BLE001 - damaged bytes raise anything
                losses.record(Loss.of_place(self.path, place, format_error(error)))
                return
            if item is None:
                return
            try:
                record = self._convert(item)
            except Exception as error:  # noqa: BLE001 - as above
                losses.record(Loss.of_place(self.path, place, _format_problem(error)))
                continue
            if record is not None:
                yield record

    def _iter_attachment(self, head: RecordHead, losses: DamageLog) -> Iterator[Attachment]:
        """Yield an attachment, unless it is damaged."""
        try:
            attachment = self._file.read_attachment(head)
        except (McapError, struct.error, ValueError) as error:
            losses.record(Loss.of_place(self.path, f"byte {head.offset}", format_error(error)))
            return
        yield attachment

    def _iter_items(self, head: RecordHead) -> Iterator[ParsedRecord]:
        """Parse a record whose head was read; a chunk into the records in it."""
        body = self._file.read_body(head.length)
        if head.opcode != Opcode.CHUNK:
            yield parse_record(head.opcode, body)
            return
        chunk = open_chunk(body, self._file.max_bytes)
        self._update_options(chunk.compression, has_checksums=chunk.has_checksum)
        yield from split_chunk(chunk.data)

    def _convert(self, item: ParsedRecord) -> Record | None:
        """Convert a record of the library; None for one that only describes others."""
        if isinstance(item, mcap.Message):
            return self._make_message(item)
        if isinstance(item, StrayRecord):
            message = f"a record of kind 0x{item.opcode:02x}, which must not be in a chunk"
            raise BagDamageError(message)
        if isinstance(item, mcap.Metadata):
            return MetadataRecord(item.name, item.metadata)
        if isinstance(item, mcap.Schema):
            self._schemas[item.id] = item
        elif isinstance(item, mcap.Channel):
            self._channels[item.id] = make_channel(item, self._schemas)
        elif isinstance(item, mcap.Header):
            self.options = replace(self.options, profile=item.profile)
        return None

    def _make_message(self, item: mcap.Message) -> Message:
        if item.log_time > MAX_TIME_NS:
            message = f"a message's time {item.log_time} is out of range"
            raise ValueError(message)
        channel = self._channels[item.channel_id]
        return Message(channel, item.log_time, item.data, item.publish_time, item.sequence)

    def _update_options(self, compression: str, *, has_checksums: bool) -> None:
        """Take over the options of a chunk, unless an earlier one had a compression or checksum."""
        options = self.options
        if not options.is_chunked or not (options.compression or options.has_checksums):
            options = replace(options, compression=compression, is_chunked=True)
            self.options = replace(options, has_checksums=has_checksums)


def _format_problem(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"a record refers to number {error}, which the file does not announce"
    return format_error(error)
