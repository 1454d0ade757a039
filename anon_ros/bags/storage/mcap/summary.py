"""Index at the end of an MCAP file, read within a limit.

The reader of the format's library decompresses whatever an index leads it to.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

from mcap import records as mcap
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.summary import Summary

from anon_ros.bags.storage.decompression import reject_oversized

MAGIC = b"\x89MCAP0\r\n"
RECORD_HEAD = struct.Struct("<BQ")
"""Opcode and length of a record."""

_FOOTER = struct.Struct("<QQI")  # begin of the summary, of its offsets, checksum
_FOOTER_BYTES = RECORD_HEAD.size + _FOOTER.size + len(MAGIC)


def read_header(stream: BinaryIO, max_bytes: int) -> mcap.Header:
    """Read the first record of a file.

    Raises:
        ValueError, McapError, struct.error: if it is damaged.
    """
    stream.seek(len(MAGIC))
    opcode, length = RECORD_HEAD.unpack(stream.read(RECORD_HEAD.size))
    reject_oversized(length, max_bytes)
    if opcode != Opcode.HEADER:
        message = "it has no header"
        raise ValueError(message)
    header: mcap.Header = mcap.Header.read(_wrap(stream.read(length)))
    return header


def read_summary(stream: BinaryIO, num_bytes: int, max_bytes: int) -> Summary | None:
    """Read the index; None if there is none.

    Args:
        stream: of the file.
        num_bytes: size of the file.
        max_bytes: of a record.

    Raises:
        ValueError, McapError, struct.error: if it is damaged.
    """
    start = _find_summary(stream, num_bytes)
    if start is None:
        return None
    summary = Summary()
    for opcode, body in _iter_records(stream, start, num_bytes - _FOOTER_BYTES, max_bytes):
        _add_record(summary, opcode, body)
    return summary


def is_complete_summary(summary: Summary) -> bool:
    """Return True if an index has the statistics, channels and schemas that it refers to."""
    if summary.statistics is None:
        return False
    schemas = {channel.schema_id for channel in summary.channels.values()} - {0}
    channels = set(summary.statistics.channel_message_counts)
    return channels <= set(summary.channels) and schemas <= set(summary.schemas)


def _find_summary(stream: BinaryIO, num_bytes: int) -> int | None:
    """Return the offset of the index; None if there is none."""
    stream.seek(max(0, num_bytes - _FOOTER_BYTES))
    footer = stream.read(_FOOTER_BYTES)
    head = RECORD_HEAD.pack(Opcode.FOOTER, _FOOTER.size)
    if not footer.startswith(head) or not footer.endswith(MAGIC):
        message = "there is no footer at its end"
        raise ValueError(message)
    start, *_ = _FOOTER.unpack_from(footer, len(head))
    return int(start) or None


def _iter_records(
    stream: BinaryIO, start: int, stop: int, max_bytes: int
) -> Iterator[tuple[int, ReadDataStream]]:
    """Yield opcode and content of the records in a part of the file."""
    offset = start
    while offset < stop:
        stream.seek(offset)
        opcode, length = RECORD_HEAD.unpack(stream.read(RECORD_HEAD.size))
        offset += RECORD_HEAD.size + length
        if not opcode or offset > stop:
            message = "a record of it has no type, or reaches beyond it"
            raise ValueError(message)
        reject_oversized(length, max_bytes)
        yield opcode, _wrap(stream.read(length))


def _add_record(summary: Summary, opcode: int, body: ReadDataStream) -> None:
    if opcode == Opcode.STATISTICS:
        summary.statistics = mcap.Statistics.read(body)
    elif opcode == Opcode.SCHEMA:
        schema = mcap.Schema.read(body)
        summary.schemas[schema.id] = schema
    elif opcode == Opcode.CHANNEL:
        channel = mcap.Channel.read(body)
        summary.channels[channel.id] = channel
    elif opcode == Opcode.ATTACHMENT_INDEX:
        summary.attachment_indexes.append(mcap.AttachmentIndex.read(body))
    elif opcode == Opcode.CHUNK_INDEX:
        summary.chunk_indexes.append(mcap.ChunkIndex.read(body))
    elif opcode == Opcode.METADATA_INDEX:
        summary.metadata_indexes.append(mcap.MetadataIndex.read(body))


def _wrap(body: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(body))
