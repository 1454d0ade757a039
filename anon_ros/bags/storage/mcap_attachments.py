"""Attachments and private records of MCAP files, block by block: they may exceed the memory."""

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import AttachmentIndex
from mcap.writer import Writer

from anon_ros.bags.storage.records import Attachment, FileExtent, PrivateRecord

_RECORD_HEAD = struct.Struct("<BQ")  # opcode, length
_MAX_HEAD_BYTES = 2**24  # two times, a name and a media type


def read_attachment(stream: BinaryIO, offset: int, length: int) -> Attachment:
    """Read the fields of an attachment before its data, which stay in the file.

    Args:
        stream: of the file, behind the head of the record.
        offset: of the record.
        length: of the record behind its head, bytes.

    Raises:
        McapError, struct.error, ValueError: if they are damaged.
    """
    head = ReadDataStream(BytesIO(stream.read(min(length, _MAX_HEAD_BYTES))))
    log_time_ns, create_time_ns = head.read8(), head.read8()
    name, media_type = head.read_prefixed_string(), head.read_prefixed_string()
    num_bytes = head.read8()
    if head.count + num_bytes > length:
        message = f"attachment {name!r} is larger than its record"
        raise ValueError(message)
    data = FileExtent(stream.fileno(), offset + _RECORD_HEAD.size + head.count, num_bytes)
    return Attachment(name, media_type, create_time_ns, log_time_ns, data)


class StreamingWriter(Writer):
    """Writer of the format's library, which itself wants all of an attachment in memory."""

    def stream_attachment(self, attachment: Attachment) -> None:
        """Append an attachment.

        Raises:
            OSError: if it cannot be read or written.
        """
        private, stream = self._get_private()
        offset, head = stream.tell(), _pack_head(attachment)
        length = len(head) + attachment.num_bytes + 4
        stream.write(_RECORD_HEAD.pack(Opcode.ATTACHMENT, length) + head)
        checksum = zlib.crc32(head)
        for block in attachment.iter_blocks():
            stream.write(block)
            checksum = zlib.crc32(block, checksum)
        stream.write(struct.pack("<I", checksum))
        private["statistics"].attachment_count += 1
        private["attachment_indexes"].append(
            AttachmentIndex(
                offset=offset,
                length=_RECORD_HEAD.size + length,
                create_time=attachment.create_time_ns,
                log_time=attachment.log_time_ns,
                data_size=attachment.num_bytes,
                name=attachment.name,
                media_type=attachment.media_type,
            )
        )

    def stream_private(self, record: PrivateRecord) -> None:
        """Append a private record.

        Raises:
            OSError: if it cannot be read or written.
        """
        _, stream = self._get_private()
        stream.write(_RECORD_HEAD.pack(record.opcode, record.content.num_bytes))
        for block in record.content.iter_blocks():
            stream.write(block)

    def _get_private(self) -> tuple[Mapping[str, Any], BinaryIO]:
        """Return the private attributes of the library's writer, and its stream, for a record."""
        private = {name.removeprefix("_Writer__"): value for name, value in vars(self).items()}
        stream: BinaryIO = private["stream"]
        stream.write(private["record_builder"].end())
        return private, stream


def _pack_head(attachment: Attachment) -> bytes:
    """Return the fields of an attachment up to its data."""
    name, media_type = attachment.name.encode(), attachment.media_type.encode()
    return b"".join(
        (
            struct.pack("<QQ", attachment.log_time_ns, attachment.create_time_ns),
            *(struct.pack("<I", len(name)), name),
            *(struct.pack("<I", len(media_type)), media_type),
            struct.pack("<Q", attachment.num_bytes),
        )
    )
