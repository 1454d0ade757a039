"""MCAP file as a sequence of records, from which no more is read at once than a limit allows."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mcap.opcode import Opcode

from anon_ros.bags.storage.decompression import reject_oversized
from anon_ros.bags.storage.mcap.summary import MAGIC, RECORD_HEAD
from anon_ros.bags.storage.mcap_attachments import read_attachment
from anon_ros.bags.storage.records import Attachment, DamageLog, FileExtent, Loss, PrivateRecord

_PARSED = {
    *(Opcode.HEADER, Opcode.CHUNK, Opcode.METADATA, Opcode.SCHEMA, Opcode.CHANNEL),
    Opcode.MESSAGE,
}
_SKIPPED = {*Opcode} - _PARSED - {Opcode.ATTACHMENT}
_NO_JUMPS: Mapping[int, int] = {}
_TRUNCATED = "the file ends inside a record"
_NO_END = "the file has no end mark: it is cut off"


class RecordHead(NamedTuple):
    """The head of a record.

    Attributes:
        offset: of the record.
        opcode: its kind.
        length: of the record behind its head, bytes.
    """

    offset: int
    opcode: int
    length: int

    @property
    def is_private(self) -> bool:
        """True for a kind that the format leaves to others, or to later versions."""
        return self.opcode not in _PARSED and self.opcode != Opcode.ATTACHMENT


class RecordFile:
    """An MCAP file, opened for reading.

    Attributes:
        path: of the file.
        stream: of the file, or of a copy.
        num_bytes: size of the file.
        max_bytes: of a record or chunk, as it declares it and as it is.
        chunk_offsets: ascending, as the index tells them, to go on behind damage.
    """

    def __init__(self, path: Path, content: Path | None, max_bytes: int) -> None:
        """Open ``path``, or ``content`` in its place.

        Raises:
            OSError: if it cannot be read.
        """
        self.path = path
        self.stream = (content or path).open("rb")
        self.num_bytes = os.fstat(self.stream.fileno()).st_size
        self.max_bytes = max_bytes
        self.chunk_offsets: list[int] = []

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def iter_heads(
        self, losses: DamageLog, jumps: Mapping[int, int] = _NO_JUMPS
    ) -> Iterator[RecordHead]:
        """Yield the heads of records up to the end of the data section, but of indexes.

        The file is read behind the head of the record.

        Args:
            losses: receives the damage.
            jumps: offsets at which to go on behind some records, by their offsets.
        """
        offset = len(MAGIC)
        while offset < self.num_bytes:
            head = self.read_head(offset)
            if head.opcode in {Opcode.DATA_END, Opcode.FOOTER}:
                return
            start = offset + RECORD_HEAD.size
            if not head.opcode or head.length > self.num_bytes - start:
                losses.record(Loss.of_place(self.path, f"byte {offset}", _TRUNCATED))
                offset = self._find_next_chunk(offset)
                continue
            if head.opcode not in _SKIPPED:
                yield head
            offset = jumps.get(offset, start + head.length)
        losses.record(Loss.of_place(self.path, f"byte {offset}", _NO_END))

    def read_head(self, offset: int) -> RecordHead:
        """Read the head of a record; opcode 0 behind the end. The file is then behind the head."""
        self.stream.seek(offset)
        head = self.stream.read(RECORD_HEAD.size)
        is_complete = len(head) == RECORD_HEAD.size
        return RecordHead(offset, *(RECORD_HEAD.unpack(head) if is_complete else (0, 0)))

    def read_body(self, length: int) -> bytes:
        """Read the rest of a record, from behind its head.

        Raises:
            SizeLimitError: if it is too large.
        """
        reject_oversized(length, self.max_bytes)
        return self.stream.read(length)

    def read_attachment(self, head: RecordHead) -> Attachment:
        """Read the fields of an attachment before its data, from behind its head.

        Raises:
            McapError, struct.error, ValueError: if they are damaged.
        """
        return read_attachment(self.stream, head.offset, head.length)

    def make_private(self, head: RecordHead) -> PrivateRecord:
        """Return a private record, which stays in the file."""
        start = head.offset + RECORD_HEAD.size
        content = FileExtent(self.stream.fileno(), start, head.length)
        return PrivateRecord(head.opcode, content)

    def _find_next_chunk(self, offset: int) -> int:
        """Return the offset of the next chunk that the index tells; the file's size if none."""
        return next((chunk for chunk in self.chunk_offsets if chunk > offset), self.num_bytes)
