"""A recording in, the same recording without its persons out."""

import json
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from anon_ros.bags.plan.decisions import TopicAction
from anon_ros.bags.plan.inspect import BagPlan
from anon_ros.bags.rewrite.batch_reader import BatchReader, ImageTask, Item
from anon_ros.bags.rewrite.tracked_persons import TrackedPersons
from anon_ros.bags.run_files.journal import (
    ANONYMIZED,
    LOST,
    FileRecord,
    ImageRecord,
    Journal,
    apply_delta,
    encode_mask_png,
    make_delta,
)
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.compression import COMPRESSED_SUFFIX, compress_file, compress_message
from anon_ros.bags.storage.metadata import (
    FileStatistics,
    add_file_statistics,
    build_metadata,
    parse_embedded_metadata,
)
from anon_ros.bags.storage.output import OutputBag
from anon_ros.bags.storage.records import (
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    Record,
    StorageReader,
    StorageWriter,
)
from anon_ros.bags.storage.type_definitions import complete_channel
from anon_ros.config import Config, mirrored_topic
from anon_ros.core import AnonymizedFrame, Anonymizer, CoverReason, FramePersons, OutcomeKind
from anon_ros.errors import BagError, ModelError, SegmentationError, drop_traceback, format_error
from anon_ros.tracking import FrameProcessor, FrameTask, reuses_synthetics
from anon_ros.utils.failure_streak import FailureStreak
from anon_ros.utils.prefetch import Prefetcher
from anon_ros.utils.progress import ProgressListener

_BATCHES_AHEAD = 2
_FLUSH_BYTES = 32 * 2**20


@dataclass
class Rewriter:
    """Writes the files of a recording into ``target.staged``, from where the journal stops.

    Attributes:
        bag: the input.
        target: the output.
        bag_plan: what becomes of each topic.
        prefix: put before the topics' names; empty for none.
        config: of the models and of what is skipped.
        anonymizer: replaces the persons.
        journal: of this run.
        losses: what could not be taken over; ``salvage`` decides whether that ends the run.
        keep_masks: write the masks into the journal.
        progress: is told.
        tracked_persons: who is in each image, found before; None to find them in each image alone.
    """

    bag: Bag
    target: OutputBag
    bag_plan: BagPlan
    prefix: str
    config: Config
    anonymizer: Anonymizer
    journal: Journal
    losses: DamageLog
    keep_masks: bool
    progress: ProgressListener
    tracked_persons: TrackedPersons | None = None
    _done: int = 0

    def __post_init__(self) -> None:
        self._failures = FailureStreak(self.config.fail.max_consecutive)

    @cached_property
    def intake(self) -> BatchReader:
        repacks = self.compression == "message"
        return BatchReader(self.bag, self.bag_plan, self.config, self.losses, repacks)

    def run(self) -> None:
        """Write all files, and metadata.yaml of a folder.

        Raises:
            BagDamageError: if the input is damaged and not to be salvaged.
            ModelError: if no persons can be found any more.
            OSError, sqlite3.Error: if a file cannot be read or written.
        """
        finished = self.journal.finished()
        self.target.staging_dir.mkdir(exist_ok=True)
        for index, file in enumerate(self.bag.files):
            if index in finished:
                self._replay_finished(index, finished[index])
            else:
                finished[index] = self._rewrite(index, file)

    def output_topic(self, topic: str) -> str:
        return mirrored_topic(topic, self.prefix) if self.prefix else topic

    def output_metadata(self, like: Mapping[str, Any] | None) -> dict[str, Any]:
        channels = {self.output_topic(each.topic): each for each in self.bag_plan.channels}
        return build_metadata(channels, self.target.storage, like)

    @property
    def input_metadata(self) -> Mapping[str, Any] | None:
        """What the input says about itself, in metadata.yaml or in its only file."""
        if self.bag.metadata is not None:
            return self.bag.metadata
        found = self.journal.get("like")
        return json.loads(found) if found else None

    @property
    def compression(self) -> str:
        """By file or by message, in the output."""
        if self.target.is_file or self.target.write_storage == "ros1":
            return "none"
        return self.target.compression or self.bag.compression

    def _replay_finished(self, index: int, finished: FileRecord) -> None:
        for entry in finished.losses:
            self.losses.losses.append(entry)
        self.losses.count += finished.loss_count
        for row in self.journal.rows(index):
            self.intake.accepts(row.topic, row.log_time_ns)
            self.progress.advance(len(row.boxes_xyxy), is_new=False)

    def _rewrite(self, index: int, file: Path) -> FileRecord:
        scratch = self.target.partial_dir / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        before = self.losses.count, len(self.losses.losses)
        name = self.target.file_name(file, self.compression)
        unfinished = scratch / f"out-{name.removesuffix(COMPRESSED_SUFFIX)}"
        tally = FileStatistics()
        with closing(self.bag.open(file, self.losses, scratch)) as source:
            channels = [self._renamed(each) for each in source.channels if self._is_kept(each)]
            if self.target.write_storage != self.bag.storage:
                channels = [complete_channel(each, self.bag.metadata) for each in channels]
            with closing(self.target.create(unfinished, channels, source)) as writer:
                with unfinished.open("rb") as written:
                    like = self._copy(index, source, writer, tally, written.fileno())
                information = None
                if like is not None:
                    self.journal.set("like", json.dumps(like, default=str))
                if self.input_metadata is not None:
                    made = self.output_metadata(self.input_metadata)
                    information = add_file_statistics(made, [(name, tally)], self.compression)
                writer.finish(information)
        staged = self.target.staging_dir / name
        if self.compression == "file":
            compress_file(unfinished, staged)
        else:
            unfinished.replace(staged)
        shutil.rmtree(scratch)
        count = self.losses.count - before[0]
        finished = FileRecord(name, tally, self.losses.losses[before[1] :], count)
        self.journal.finish(index, finished)
        return finished

    def _copy(
        self,
        index: int,
        source: StorageReader,
        writer: StorageWriter,
        tally: FileStatistics,
        written: int,
    ) -> Mapping[str, Any] | None:
        """Write everything; return what rosbag2 had left in the file about itself."""
        like, waiting_bytes = None, 0
        self._done = self.journal.count_done(index)
        again = self.journal.last_keyframes(index) if reuses_synthetics(self.config) else {}
        batches = self.intake.iter_batches(source, index, self._done, again)
        with (
            Prefetcher(batches, _BATCHES_AHEAD, "reader") as read,
            Prefetcher(self._worked(read), _BATCHES_AHEAD, "models", read) as worked,
        ):
            for batch in worked:
                rows = []
                for each in batch:
                    record: Record | None
                    if isinstance(each, ImageTask):
                        record, row, is_new = self._to_output(index, each)
                        rows += [row] if is_new else []
                    else:
                        record = self._renamed_message(each) if isinstance(each, Message) else each
                    if isinstance(record, MetadataRecord) and record.name == ROSBAG2_METADATA_NAME:
                        like = parse_embedded_metadata(record.values.get(ROSBAG2_METADATA_KEY, ""))
                    elif record is not None:
                        writer.write(record)
                    if isinstance(record, Message):
                        tally.add(record)
                        waiting_bytes += len(record.data)
                        if not isinstance(each, ImageTask):
                            self.progress.add_bytes(len(record.data))
                self.journal.add(rows)
                if waiting_bytes > _FLUSH_BYTES:
                    waiting_bytes = 0
                    # Begin to write to the disk now, and leave the page cache to others.
                    os.posix_fadvise(written, 0, 0, os.POSIX_FADV_DONTNEED)
        return like

    # In the thread of the models.

    def _worked(self, batches: Iterable[list[Item]]) -> Generator[list[Item], None, None]:
        processor = FrameProcessor(self.config)
        depends = reuses_synthetics(self.config)
        for batch in batches:
            slots = [
                each for each in batch if isinstance(each, ImageTask) and each.image is not None
            ]
            for group in [[slot] for slot in slots] if depends else [slots]:
                for result in processor.process(self.anonymizer, self._frame_tasks(group)):
                    result.source.result = result.frame
                    result.source.is_keyframe = result.is_keyframe
            yield batch

    def _frame_tasks(self, slots: Sequence[ImageTask]) -> Iterator[FrameTask[ImageTask]]:
        for slot in slots:
            assert slot.image is not None  # noqa: S101 - narrows the type
            try:
                persons = self._persons(slot)
            except BagError:
                raise
            except Exception as error:  # noqa: BLE001 - of this frame alone
                slot.result = drop_traceback(error)
            else:
                cover_reason = CoverReason.SKIPPED if slot.cover_only else None
                topic, image = slot.message.channel.topic, slot.image
                yield FrameTask(slot, topic, image, slot.stamp_ns, cover_reason, persons)
            slot.image = None

    def _persons(self, slot: ImageTask) -> FramePersons | None:
        """Return the tracked persons; None to detect them in each image alone."""
        if self.tracked_persons is None:
            return None
        key, message = (slot.file, slot.number), slot.message
        persons = self.tracked_persons.get(message.channel.topic, key, message.data)
        slot.num_propagated = persons.num_propagated
        return persons

    # In the thread of the caller.

    def _to_output(self, index: int, slot: ImageTask) -> tuple[Message | None, ImageRecord, bool]:
        """The message to write, if any, and what the journal is to know."""
        is_new = slot.number >= self._done
        if is_new:
            row, data = self._new_row(index, slot)
        else:
            row, data = self.journal.row(index, slot.number), None
            if row.outcome == ANONYMIZED and row.delta is not None:
                data = apply_delta(slot.message.data, row.delta)
        if row.outcome == LOST:
            self.losses.record(Loss.of_message(self.bag.files[index], slot.message, row.reason))
        self.progress.advance(len(row.boxes_xyxy), is_new=is_new)
        if data is None:
            return None, row, is_new
        packed = compress_message(data) if self.compression == "message" else data
        return self._renamed_message(slot.message._replace(data=packed)), row, is_new

    def _new_row(self, index: int, slot: ImageTask) -> tuple[ImageRecord, bytes | None]:
        message = slot.message
        row = ImageRecord(
            index, slot.number, message.channel.topic, message.log_time_ns, ANONYMIZED
        )
        if slot.outcome:
            return replace(row, outcome=slot.outcome, reason=slot.problem), None
        try:
            data, result = self._encoded(slot)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            self._count_failure(error)
            return replace(row, outcome=LOST, reason=format_error(error)), None
        self._failures.record_success()
        cover_reasons = [
            (outcome.cover_reason, outcome.reason_text)
            for outcome in result.outcomes
            if outcome.kind is OutcomeKind.COVERED and outcome.cover_reason
        ]
        row = replace(
            row,
            boxes_xyxy=[[round(float(x), 1) for x in box] for box in result.detections.boxes_xyxy],
            cover_reasons=cover_reasons,
            mask=encode_mask_png(result.replaced_mask) if self.keep_masks else None,
            delta=make_delta(message.data, data),
            track_ids=result.track_ids,
            num_propagated=slot.num_propagated,
            is_keyframe=slot.is_keyframe,
        )
        return row, data

    def _encoded(self, slot: ImageTask) -> tuple[bytes, AnonymizedFrame]:
        result, frame = slot.result, slot.frame
        if isinstance(result, Exception):
            raise result
        assert result is not None  # noqa: S101 - narrows the type
        assert frame is not None  # noqa: S101 - narrows the type
        return frame.encode(result, self.config.output.jpeg_quality), result

    def _count_failure(self, error: Exception) -> None:
        """Models that fail with everything must not turn a recording into an empty one."""
        if isinstance(error, SegmentationError):
            self._failures.record_failure()
        if self._failures.is_too_long:
            message = f"{self._failures.format_limit('images')}: {format_error(error)}"
            raise ModelError(message) from error

    # Any thread.

    def _is_kept(self, channel: Channel) -> bool:
        entry = self.intake.entry(channel)
        return entry is not None and entry.action is not TopicAction.DROP

    def _renamed(self, channel: Channel) -> Channel:
        return replace(channel, topic=self.output_topic(channel.topic))

    def _renamed_message(self, message: Message) -> Message:
        if not self.prefix:
            return message
        return message._replace(channel=self._renamed(message.channel))
