"""Writer of MCAP files (mcap.dev/spec), and the options with which a file is written."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mcap.writer import CompressionType

from anon_ros.bags.storage.mcap_attachments import StreamingWriter
from anon_ros.bags.storage.metadata import dump_yaml
from anon_ros.bags.storage.records import (
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    Attachment,
    Channel,
    Message,
    PrivateRecord,
    Record,
)

QOS_KEY, TYPE_HASH_KEY = "offered_qos_profiles", "topic_type_hash"
"""Keys that rosbag2 uses in the metadata of an MCAP channel."""
CHUNK_COMPRESSIONS = {
    "": CompressionType.NONE,
    "zstd": CompressionType.ZSTD,
    "lz4": CompressionType.LZ4,
}
"""Compressions of chunks, by their names in a file."""

_LIBRARY = "anon_ros"


@dataclass(frozen=True)
class McapOptions:
    """Options with which an MCAP file is written.

    Attributes:
        compression: of chunks: "", "zstd" or "lz4".
        is_chunked: messages lie in chunks.
        has_checksums: chunks have a CRC-32.
        profile: of the header; "ros2" from a ROS 2 recorder.
    """

    compression: str = ""
    is_chunked: bool = True
    has_checksums: bool = True
    profile: str = "ros2"


class McapWriter:
    """StorageWriter of an MCAP file."""

    def __init__(self, path: Path, channels: Sequence[Channel], options: McapOptions) -> None:
        """Create a file.

        Args:
            path: must not exist.
            channels: all that the file will have.
            options: of the file.

        Raises:
            OSError: if it cannot be created.
        """
        self._stream: BinaryIO = path.open("xb")
        self._writer = StreamingWriter(
            self._stream,
            compression=CHUNK_COMPRESSIONS[options.compression],
            use_chunking=options.is_chunked,
            enable_crcs=options.has_checksums,
        )
        self._writer.start(options.profile, _LIBRARY)
        self._schemas: dict[tuple[str, str, str], int] = {}
        self._ids = {channel.id: self._register(channel) for channel in channels}

    def write(self, record: Record) -> None:
        """Append ``record``."""
        if isinstance(record, Message):
            channel_id = self._ids[record.channel.id]
            times = record.publish_time_ns, record.sequence
            self._writer.add_message(channel_id, record.log_time_ns, record.data, *times)
        elif isinstance(record, Attachment):
            self._writer.stream_attachment(record)
        elif isinstance(record, PrivateRecord):
            self._writer.stream_private(record)
        elif record.name != ROSBAG2_METADATA_NAME:  # ``finish`` writes it anew
            self._writer.add_metadata(record.name, dict(record.values))

    def finish(self, metadata: Mapping[str, Any] | None) -> None:
        """Complete the file, with the metadata of rosbag2 in it unless None."""
        self._writer.flush()  # type: ignore[no-untyped-call]  # the library
        if metadata is not None:
            values = {ROSBAG2_METADATA_KEY: dump_yaml(metadata)}
            self._writer.add_metadata(ROSBAG2_METADATA_NAME, values)
        self._writer.finish()  # type: ignore[no-untyped-call]  # the library
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def close(self) -> None:
        """Close a file that may be unfinished."""
        self._stream.close()

    def _register(self, channel: Channel) -> int:
        key = channel.type_name, channel.definition_encoding, channel.definition
        key = channel.recorded_schema or key
        if channel.type_name and key not in self._schemas:
            definition = key[2].encode(errors="surrogateescape")
            self._schemas[key] = self._writer.register_schema(*key[:2], definition)
        schema_id = self._schemas.get(key, 0)
        metadata = _make_channel_metadata(channel)
        return self._writer.register_channel(
            channel.topic, channel.serialization, schema_id, metadata
        )


def _make_channel_metadata(channel: Channel) -> dict[str, str]:
    """Return ``extra`` of a channel, with QoS and type hash where another storage had them."""
    metadata = dict(channel.extra)
    for name, text in ((QOS_KEY, channel.qos), (TYPE_HASH_KEY, channel.type_hash)):
        if text:
            metadata.setdefault(name, text)
    return metadata
