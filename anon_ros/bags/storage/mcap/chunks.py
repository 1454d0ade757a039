"""Records of MCAP files: those of a chunk, and channels in the form that ROS 2 has."""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import NamedTuple, TypeAlias

from mcap import records as mcap
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.stream_reader import CRCValidationError

from anon_ros.bags.storage.decompression import decompress
from anon_ros.bags.storage.mcap.summary import RECORD_HEAD
from anon_ros.bags.storage.mcap.writer import CHUNK_COMPRESSIONS, QOS_KEY, TYPE_HASH_KEY
from anon_ros.bags.storage.records import UNKNOWN_ENCODING, Channel

_PARSERS: Mapping[int, Callable[[ReadDataStream], mcap.McapRecord]] = {
    Opcode.HEADER: mcap.Header.read,
    Opcode.METADATA: mcap.Metadata.read,
    Opcode.SCHEMA: mcap.Schema.read,
    Opcode.CHANNEL: mcap.Channel.read,
}
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time


class StrayRecord(NamedTuple):
    """A record that must not be in a chunk."""

    opcode: int


ParsedRecord: TypeAlias = mcap.McapRecord | StrayRecord


class ChunkContent(NamedTuple):
    """A decompressed chunk.

    Attributes:
        data: its records.
        compression: "", "zstd" or "lz4".
        has_checksum: of its records, CRC-32.
    """

    data: bytes
    compression: str
    has_checksum: bool


def parse_record(opcode: int, body: bytes) -> mcap.McapRecord:
    """Parse a record that is no chunk.

    Raises:
        McapError, struct.error, ValueError: if it is damaged.
    """
    stream = ReadDataStream(BytesIO(body))
    if opcode == Opcode.MESSAGE:
        message: mcap.McapRecord = mcap.Message.read(stream, len(body))
        return message
    return _PARSERS[opcode](stream)


def open_chunk(body: bytes, max_bytes: int) -> ChunkContent:
    """Decompress a chunk.

    Args:
        body: of the record.
        max_bytes: that the chunk may become.

    Raises:
        McapError, struct.error, ValueError: if it is damaged; SizeLimitError if it is too large.
    """
    chunk = mcap.Chunk.read(ReadDataStream(BytesIO(body)))
    if chunk.compression not in CHUNK_COMPRESSIONS:
        message = f"compression {chunk.compression!r} is not known"
        raise ValueError(message)
    data = chunk.data
    if chunk.compression:
        data = decompress(data, chunk.compression, chunk.uncompressed_size, max_bytes)
    checksum = zlib.crc32(data)
    if chunk.uncompressed_crc not in {0, checksum}:
        raise CRCValidationError(chunk.uncompressed_crc, checksum, chunk)
    return ChunkContent(data, chunk.compression, chunk.uncompressed_crc != 0)


def split_chunk(chunk: bytes) -> Iterator[ParsedRecord]:
    """Yield the records of a decompressed chunk, one by one: there may be millions.

    Raises:
        McapError, struct.error, ValueError: at a damaged place.
    """
    view, offset = memoryview(chunk), 0
    while offset < len(view):
        opcode, length = RECORD_HEAD.unpack_from(view, offset)
        offset += RECORD_HEAD.size
        if not opcode or length > len(view) - offset:
            message = "a record has no type, or reaches beyond its chunk"
            raise ValueError(message)
        if opcode == Opcode.MESSAGE:
            channel_id, sequence, log_time, publish_time = _MESSAGE_HEAD.unpack_from(view, offset)
            data = chunk[offset + _MESSAGE_HEAD.size : offset + length]
            yield mcap.Message(channel_id, log_time, data, publish_time, sequence)
        elif opcode in {Opcode.SCHEMA, Opcode.CHANNEL}:
            yield _PARSERS[opcode](ReadDataStream(BytesIO(view[offset : offset + length])))
        else:
            yield StrayRecord(opcode)
        offset += length


def make_channel(item: mcap.Channel, schemas: Mapping[int, mcap.Schema]) -> Channel:
    """Convert a channel.

    Args:
        item: as recorded.
        schemas: of the file, by number.

    Raises:
        KeyError: if its schema is none of them.
    """
    schema = schemas[item.schema_id] if item.schema_id else None
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


def _make_standard_schema(
    serialization: str, name: str, encoding: str, definition: str
) -> tuple[str, str, str]:
    """Return type name, encoding and definition in the form that ROS 2 has for all of them."""
    if serialization == "ros1" and name.count("/") == 1:
        name = name.replace("/", "/msg/")
    is_unknown = encoding == UNKNOWN_ENCODING
    return (name, "", "") if is_unknown else (name, encoding, definition)
