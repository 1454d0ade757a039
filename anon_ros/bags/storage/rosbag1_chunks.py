"""Chunks of ROS 1 bags within a limit; the reader of rosbags takes whatever they become."""

from functools import partial
from pathlib import Path

from rosbags.rosbag1 import Reader
from rosbags.rosbag1.reader import Chunk, Header, RecordType, read_bytes

from anon_ros.bags.storage.decompression import decompress, reject_oversized


class BoundedReader(Reader):
    """Reader of rosbags that reads and decompresses no more than a limit at once."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Remember ``path``.

        Args:
            path: of the file.
            max_bytes: of a chunk, as it declares it and as it is.
        """
        super().__init__(path)
        self._max_bytes = max_bytes
        self.compression = ""
        """The first compression of chunks that is in use; empty if there is none."""

    def read_chunk(self) -> Chunk:
        """Read the head of a chunk, whose content is then read by its ``decompressor``."""
        assert self.bio is not None  # noqa: S101 - narrows the type
        start = self.bio.tell()
        header = Header.read(self.bio, RecordType.CHUNK)
        self.bio.seek(start)
        chunk = super().read_chunk()
        compression, num_bytes = header.get_string("compression"), header.get_uint32("size")
        compression = "" if compression == "none" else compression
        self.compression = self.compression or compression
        read = partial(self._read, chunk.datasize, compression, num_bytes)
        return chunk._replace(datasize=0, decompressor=read)

    def _read(self, num_stored: int, compression: str, num_declared: int, _: bytes) -> bytes:
        """Return the content of the chunk that the file is at."""
        assert self.bio is not None  # noqa: S101 - narrows the type
        reject_oversized(max(num_stored, num_declared), self._max_bytes)
        stored = read_bytes(self.bio, num_stored)
        if not compression:
            return stored
        return decompress(stored, compression, num_declared, self._max_bytes)
