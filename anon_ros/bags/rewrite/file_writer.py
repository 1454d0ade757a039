"""Write the finished items of one storage file."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anon_ros.bags.rewrite.anonymize_stage import FinishedItem, ImageResult
from anon_ros.bags.rewrite.image_encoder import ImageEncoder
from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.run_files.masks_db import ANONYMIZED, LOST, ImageRecord
from anon_ros.bags.run_files.message_delta import apply_delta
from anon_ros.bags.storage.compression import compress_message
from anon_ros.bags.storage.metadata import FileStatistics, parse_embedded_metadata
from anon_ros.bags.storage.records import (
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    Record,
    StorageWriter,
)
from anon_ros.utils.progress import ProgressListener

_FLUSH_BYTES = 32 * 2**20


@dataclass
class FileWriter:
    """Writer of one storage file. For the caller's thread.

    Attributes:
        path: of the file in the input.
        writer: of the output file.
        output_topic: returns the name of a topic in the output.
        is_compressed: the output is compressed by message.
        journal: of the run.
        num_done: the first images, which are in the journal.
        encoder: of the images.
        losses: gets the images that cannot be written.
        progress: counts what is written.
        statistics: of what was written.
        embedded_metadata: of rosbag2, from inside the input file; None without it.
    """

    path: Path
    writer: StorageWriter
    rename_topic: Callable[[str], str]
    is_compressed: bool
    journal: Journal
    num_done: int
    encoder: ImageEncoder
    losses: DamageLog
    progress: ProgressListener
    statistics: FileStatistics = field(default_factory=FileStatistics)
    embedded_metadata: Mapping[str, Any] | None = None

    def write_batches(self, batches: Iterable[Sequence[FinishedItem]], path: Path) -> None:
        """Write the items, and after each batch its records into the journal.

        Args:
            batches: of the file.
            path: of the output file.
        """
        num_unflushed_bytes = 0
        with path.open("rb") as stream:
            for batch in batches:
                num_unflushed_bytes += self._write_batch(batch)
                if num_unflushed_bytes > _FLUSH_BYTES:
                    num_unflushed_bytes = 0
                    # Begin to write to the disk now, and leave the page cache to others.
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _write_batch(self, batch: Sequence[FinishedItem]) -> int:
        """Write a batch, and return the number of bytes of its messages."""
        num_bytes, records = 0, []
        for item in batch:
            if isinstance(item, ImageResult):
                message, record = self._finish_image(item)
                records += [record] if item.task.number >= self.num_done else []
                num_bytes += self._write_message(message) if message is not None else 0
            else:
                num_bytes += self._copy_record(item)
        self.journal.add(records)
        return num_bytes

    def _copy_record(self, record: Record) -> int:
        """Write a record that is no image, and return the number of its bytes if a message."""
        if isinstance(record, MetadataRecord) and record.name == ROSBAG2_METADATA_NAME:
            text = record.values.get(ROSBAG2_METADATA_KEY, "")
            self.embedded_metadata = parse_embedded_metadata(text)
            return 0
        if not isinstance(record, Message):
            self.writer.write(record)
            return 0
        self.progress.add_bytes(len(record.data))
        return self._write_message(record)

    def _write_message(self, message: Message) -> int:
        """Write a message, and return the number of its bytes."""
        topic = self.rename_topic(message.channel.topic)
        if topic != message.channel.topic:
            message = message._replace(channel=replace(message.channel, topic=topic))
        self.writer.write(message)
        self.statistics.add(message)
        return len(message.data)

    def _finish_image(self, finished: ImageResult) -> tuple[Message | None, ImageRecord]:
        """Return the message to write, if any, and its record."""
        task = finished.task
        is_new = task.number >= self.num_done
        if is_new:
            record, data = self.encoder.encode(finished)
        else:
            record, data = self.journal.get_record(task.file, task.number), None
            if record.outcome == ANONYMIZED and record.delta is not None:
                data = apply_delta(task.message.data, record.delta)
        if record.outcome == LOST:
            self.losses.record(Loss.of_message(self.path, task.message, record.reason))
        self.progress.advance(len(record.boxes_xyxy), is_new=is_new)
        if data is None:
            return None, record
        data = compress_message(data) if self.is_compressed else data
        return task.message._replace(data=data), record
