"""Write the storage files of the output, from where the journal ends."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from anon_ros.bags.plan.decisions import TopicAction
from anon_ros.bags.rewrite.anonymize_stage import AnonymizeStage, FinishedItem
from anon_ros.bags.rewrite.batch_reader import BatchReader
from anon_ros.bags.rewrite.file_writer import FileWriter
from anon_ros.bags.rewrite.image_encoder import ImageEncoder
from anon_ros.bags.rewrite.job_spec import RewriteJob
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.run_files.journal import FileRecord, Journal
from anon_ros.bags.storage.compression import COMPRESSED_SUFFIX, compress_file
from anon_ros.bags.storage.metadata import add_file_statistics, add_mark, build_metadata
from anon_ros.bags.storage.records import (
    Channel,
    DamageLog,
    MetadataRecord,
    StorageReader,
    StorageWriter,
)
from anon_ros.bags.storage.type_definitions import complete_channel
from anon_ros.config import mirrored_topic
from anon_ros.core import Anonymizer
from anon_ros.images import describe_mark
from anon_ros.tracking import reuses_synthetics
from anon_ros.utils.prefetch import Prefetcher
from anon_ros.utils.progress import ProgressListener

_MAX_BATCHES_AHEAD = 2
_INPUT_METADATA = "input metadata"
_SIZE_WARNINGS = "size_warnings"


@dataclass
class Rewriter:
    """Writer of all storage files into the staging folder. For the caller's thread.

    A thread of its own reads a file ahead (BatchReader), another anonymizes it (AnonymizeStage).

    Attributes:
        job: the task.
        anonymizer: replaces the persons.
        journal: of the run.
        scratch: folder for unfinished files.
        progress: counts the images.
        tracked_persons: of the detection pass; None to detect the persons in each image alone.
    """

    job: RewriteJob
    anonymizer: Anonymizer
    journal: Journal
    scratch: Path
    progress: ProgressListener
    tracked_persons: TrackedPersons | None = None

    def run(self) -> None:
        """Write all files.

        Raises:
            BagDamageError: if the input is damaged and must not be salvaged.
            ModelError: if the models always fail.
            OSError, sqlite3.Error: if a file cannot be read or written.
        """
        finished_files = self.journal.read_finished_files()
        self.job.target.staging_dir.mkdir(exist_ok=True)
        for index, file in enumerate(self.job.bag.files):
            if index in finished_files:
                self._replay_finished(index)
            else:
                self.journal.finish_file(index, self._rewrite(index, file))

    @property
    def compression(self) -> str:
        """By "file" or "message" in the output, else any other word."""
        target = self.job.target
        if target.is_file or target.write_storage == "ros1":
            return "none"
        return target.compression or self.job.bag.compression

    def rename_topic(self, topic: str) -> str:
        """Return the name of a topic in the output."""
        return mirrored_topic(topic, self.job.prefix) if self.job.prefix else topic

    def find_mark(self, file: int | None = None) -> dict[str, Any] | None:
        """Return the mark of the output; None if no model drew, or nothing is to be marked.

        Args:
            file: index of a finished file, for its mark; None for that of all.
        """
        output = self.job.config.output
        is_drawn = self.anonymizer.inpainter.draws_persons and self.journal.has_inpainted(file)
        return describe_mark(self.anonymizer.min_beta_d) if is_drawn and output.mark else None

    def make_output_metadata(self, file: int | None = None) -> dict[str, Any]:
        """Return metadata of the output, or of one file, still without numbers of messages."""
        channels = {
            self.rename_topic(channel.topic): channel for channel in self.job.bag_plan.channels
        }
        metadata = build_metadata(channels, self.job.target.storage, self.input_metadata)
        mark = self.find_mark(file)
        return metadata if mark is None else add_mark(metadata, mark)

    @property
    def input_metadata(self) -> Mapping[str, Any] | None:
        """The metadata of the input, from metadata.yaml or from its only file."""
        if self.job.bag.metadata is not None:
            return self.job.bag.metadata
        text = self.journal.get(_INPUT_METADATA)
        return json.loads(text) if text else None

    @property
    def size_warnings(self) -> dict[str, str]:
        """By topic, of images that the detector sees much reduced, those of earlier runs, too."""
        return dict(json.loads(self.journal.get(_SIZE_WARNINGS) or "{}"))

    @cached_property
    def _reader(self) -> BatchReader:
        job, is_compressed = self.job, self.compression == "message"
        max_images = self.anonymizer.inpainter.max_batch
        if self.tracked_persons is None:
            max_images = max(max_images, self.anonymizer.max_detection_batch)
        return BatchReader(job.bag, job.bag_plan, job.config, max_images, is_compressed)

    @cached_property
    def _encoder(self) -> ImageEncoder:
        return ImageEncoder(self.job.config, self.job.keep_masks)

    def _replay_finished(self, index: int) -> None:
        for record in self.journal.iter_file(index):
            self._reader.accept_frame(record.topic, record.log_time_ns)
            self.progress.advance(len(record.boxes_xyxy), is_new=False)

    def _rewrite(self, index: int, file: Path) -> FileRecord:
        """Write one storage file."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        name = self.job.target.file_name(file, self.compression)
        unfinished = self.scratch / f"out-{name.removesuffix(COMPRESSED_SUFFIX)}"
        # Two logs: of the thread that reads, and of this one.
        read_losses, losses = (DamageLog(salvage=self.job.salvage) for _ in range(2))
        with closing(self.job.bag.open(file, read_losses, self.scratch)) as source:
            channels = self._list_output_channels(source)
            with closing(self.job.target.create(unfinished, channels, source)) as writer:
                output = self._make_file_writer(index, file, writer, losses)
                with self._iter_finished(index, source, read_losses, output.num_done) as batches:
                    output.write_batches(batches, unfinished)
                self._finish_file(index, name, output)
        self._stage_file(unfinished, self.job.target.staging_dir / name)
        shutil.rmtree(self.scratch)
        all_losses = [*read_losses.losses, *losses.losses]
        return FileRecord(name, output.statistics, all_losses, read_losses.count + losses.count)

    def _keep_warnings(self, batches: Iterable[list[FinishedItem]]) -> Iterator[list[FinishedItem]]:
        """Write warnings before the records of their images: no later run decodes those again."""
        for batch in batches:
            kept_warnings = self.size_warnings
            warnings = kept_warnings | self._reader.size_warnings
            if warnings != kept_warnings:
                self.journal.set(_SIZE_WARNINGS, json.dumps(warnings))
            yield batch

    def _make_file_writer(
        self, index: int, file: Path, writer: StorageWriter, losses: DamageLog
    ) -> FileWriter:
        return FileWriter(
            path=file,
            writer=writer,
            rename_topic=self.rename_topic,
            is_compressed=self.compression == "message",
            journal=self.journal,
            num_done=self.journal.count_done(index),
            encoder=self._encoder,
            losses=losses,
            progress=self.progress,
        )

    def _finish_file(self, index: int, name: str, output: FileWriter) -> None:
        if output.embedded_metadata is not None:
            self.journal.set(_INPUT_METADATA, json.dumps(output.embedded_metadata, default=str))
        metadata = None
        if self.input_metadata is not None:
            files = [(name, output.statistics)]
            metadata = self.make_output_metadata(index)
            metadata = add_file_statistics(metadata, files, self.compression)
        if mark := self.find_mark(index):
            output.writer.write(MetadataRecord.of_mark(mark))
        output.writer.finish(metadata)

    @contextmanager
    def _iter_finished(
        self, index: int, source: StorageReader, losses: DamageLog, num_done: int
    ) -> Iterator[Iterable[list[FinishedItem]]]:
        """Give the batches of a file, read and anonymized by threads that end with the context."""
        redecode_from: Mapping[str, int] = {}
        if reuses_synthetics(self.job.config):
            redecode_from = self.journal.find_last_keyframes(index)
        batches = self._reader.iter_batches(source, index, losses, num_done, redecode_from)
        stage = AnonymizeStage(self.anonymizer, self.job.config, self.tracked_persons)
        with (
            Prefetcher(batches, _MAX_BATCHES_AHEAD, "reader") as tasks,
            Prefetcher(stage.run(tasks), _MAX_BATCHES_AHEAD, "models", tasks) as results,
        ):
            yield self._keep_warnings(results)

    def _list_output_channels(self, source: StorageReader) -> list[Channel]:
        channels = [
            replace(channel, topic=self.rename_topic(channel.topic))
            for channel in source.channels
            if self._is_in_output(channel)
        ]
        if self.job.target.write_storage == self.job.bag.storage:
            return channels
        return [complete_channel(channel, self.job.bag.metadata) for channel in channels]

    def _is_in_output(self, channel: Channel) -> bool:
        decision = self._reader.find_decision(channel)
        return decision is not None and decision.action is not TopicAction.DROP

    def _stage_file(self, unfinished: Path, path: Path) -> None:
        if self.compression == "file":
            compress_file(unfinished, path)
        else:
            unfinished.replace(path)
