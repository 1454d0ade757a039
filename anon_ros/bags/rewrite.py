"""A recording in, the same recording without its persons out."""

import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import zstandard

from anon_ros.bags.ahead import Ahead
from anon_ros.bags.bag import Bag
from anon_ros.bags.frames import Frame, described, read_frame
from anon_ros.bags.journal import (
    ANONYMIZED,
    LOST,
    SKIPPED,
    Finished,
    Journal,
    Row,
    difference,
    packed_mask,
    patched,
)
from anon_ros.bags.metadata import Tally, completed, made_information, parsed_yaml
from anon_ros.bags.plan import Decision, Entry, is_text, why_not_copied
from anon_ros.bags.records import (
    ROSBAG2,
    SERIALIZED,
    Attachment,
    BagFile,
    BagWriter,
    Channel,
    Losses,
    Message,
    Metadata,
    Record,
)
from anon_ros.bags.survey import Survey, unpacked
from anon_ros.bags.target import Target
from anon_ros.config import Config, mirrored_topic
from anon_ros.core import Anonymized, Anonymizer, OutcomeKind, RgbImage, SkipPolicy
from anon_ros.errors import AnonRosError, ModelError, SegmentationError, describe, freed

_NOT_INPAINTED = "skipped"
_IN_JOURNAL = "in journal"
# Handed from thread to thread together, and written to the journal together.
_BATCH_BYTES = 16 * 2**20
_BATCH_RECORDS = 1000
_BATCHES_AHEAD = 2
_FLUSH_BYTES = 32 * 2**20


class Progress(Protocol):
    """Who is told how far the work is."""

    def frame(self, row: Row, *, is_new: bool) -> None:
        """An image message is dealt with, now or in an earlier run."""
        ...

    def copied(self, data_bytes: int) -> None:
        """A message was written that is no image."""
        ...


@dataclass
class _Slot:
    """An image message on its way.

    Attributes:
        message: as recorded, its data decompressed.
        number: among the image messages of its file.
        outcome: what has been decided before the models see it; empty if they are to.
        problem: why it is lost.
        cover_only: nobody is to be inpainted.
        frame: deserialised.
        image: decoded.
        result: from the models.
    """

    message: Message
    number: int
    outcome: str = ""
    problem: str = ""
    cover_only: bool = False
    frame: Frame | None = None
    image: RgbImage | None = None
    result: Anonymized | Exception | None = None


@dataclass
class Rewriter:
    """Writes the files of a recording into ``target.staged``, from where the journal stops.

    Attributes:
        bag: the input.
        target: the output.
        survey: what becomes of each topic.
        prefix: put before the topics' names; empty for none.
        config: of the models and of what is skipped.
        anonymizer: replaces the persons.
        journal: of this run.
        losses: what could not be taken over; ``salvage`` decides whether that ends the run.
        keep_masks: write the masks into the journal.
        progress: is told.
    """

    bag: Bag
    target: Target
    survey: Survey
    prefix: str
    config: Config
    anonymizer: Anonymizer
    journal: Journal
    losses: Losses
    keep_masks: bool
    progress: Progress
    _streak: int = 0
    _done: int = 0
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)

    def run(self) -> None:
        """Write all files, and metadata.yaml of a folder.

        Raises:
            BagDamageError: if the input is damaged and not to be salvaged.
            ModelError: if no persons can be found any more.
            OSError, sqlite3.Error: if a file cannot be read or written.
        """
        finished = self.journal.finished()
        self.target.staged.mkdir(exist_ok=True)
        for index, file in enumerate(self.bag.files):
            if index in finished:
                self._skip_over(index, finished[index])
            else:
                finished[index] = self._rewrite(index, file)

    def output_topic(self, topic: str) -> str:
        return mirrored_topic(topic, self.prefix) if self.prefix else topic

    def information(self, like: Mapping[str, Any] | None) -> dict[str, Any]:
        channels = {self.output_topic(each.topic): each for each in self.survey.channels}
        return made_information(channels, self.target.storage, like)

    @property
    def like(self) -> Mapping[str, Any] | None:
        """What the input says about itself, in metadata.yaml or in its only file."""
        if self.bag.information is not None:
            return self.bag.information
        found = self.journal.get("like")
        return json.loads(found) if found else None

    @property
    def compression(self) -> str:
        """By file or by message, in the output."""
        if self.target.is_file or self.target.written_as == "ros1":
            return "none"
        return self.target.compression or self.bag.compression

    def _skip_over(self, index: int, finished: Finished) -> None:
        for entry in finished.losses:
            self.losses.entries.append(entry)
        self.losses.count += finished.loss_count
        for row in self.journal.rows(index):
            self._policy(row.topic).accepts(row.log_time_ns)
            self.progress.frame(row, is_new=False)

    def _rewrite(self, index: int, file: Path) -> Finished:
        scratch = self.target.partial / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        before = self.losses.count, len(self.losses.entries)
        name = self.target.file_name(file, self.compression)
        unfinished = scratch / f"out-{name.removesuffix('.zstd')}"
        tally = Tally()
        with closing(self.bag.open(file, self.losses, scratch)) as source:
            channels = [self._renamed(each) for each in source.channels if self._is_kept(each)]
            if self.target.written_as != self.bag.storage:
                channels = [described(each, self.bag.information) for each in channels]
            with closing(self.target.create(unfinished, channels, source)) as writer:
                with unfinished.open("rb") as written:
                    like = self._copy(index, source, writer, tally, written.fileno())
                information = None
                if like is not None:
                    self.journal.set("like", json.dumps(like, default=str))
                if self.like is not None:
                    made = self.information(self.like)
                    information = completed(made, [(name, tally)], self.compression)
                writer.finish(information)
        _put_in_place(unfinished, self.target.staged / name, self.compression == "file")
        shutil.rmtree(scratch)
        count = self.losses.count - before[0]
        finished = Finished(name, tally, self.losses.entries[before[1] :], count)
        self.journal.finish(index, finished)
        return finished

    def _copy(
        self, index: int, source: BagFile, writer: BagWriter, tally: Tally, written: int
    ) -> Mapping[str, Any] | None:
        """Write everything; return what rosbag2 had left in the file about itself."""
        like, waiting_bytes = None, 0
        self._done = self.journal.done(index)
        with (
            Ahead(self._batches(source), _BATCHES_AHEAD, "reader") as read,
            Ahead(self._worked(read), _BATCHES_AHEAD, "models", read) as worked,
        ):
            for batch in worked:
                rows = []
                for each in batch:
                    record: Record | None
                    if isinstance(each, _Slot):
                        record, row, is_new = self._finished(index, each)
                        rows += [row] if is_new else []
                    else:
                        record = each
                    if isinstance(record, Metadata) and record.name == ROSBAG2:
                        like = parsed_yaml(record.values.get(SERIALIZED, ""))
                    elif record is not None:
                        writer.write(record)
                    if isinstance(record, Message):
                        tally.add(record)
                        waiting_bytes += len(record.data)
                        if not isinstance(each, _Slot):
                            self.progress.copied(len(record.data))
                self.journal.add(rows)
                if waiting_bytes > _FLUSH_BYTES:
                    waiting_bytes = 0
                    # Begin to write to the disk now, and leave the page cache to others.
                    os.posix_fadvise(written, 0, 0, os.POSIX_FADV_DONTNEED)
        return like

    # In the thread of the reader.

    def _batches(self, source: BagFile) -> Generator[list[Record | _Slot], None, None]:
        """What is taken over, in batches that depend on nothing but the recording."""
        batch: list[Record | _Slot] = []
        size = frames = number = 0
        most_frames = 8 if self.config.inpaint.kind == "sdxl" else 1
        entries = {channel: self._entry(channel) for channel in source.channels}
        for record in source.records(self.losses, self.survey.start_ns, self.survey.stop_ns):
            if isinstance(record, Message):
                entry = entries.get(record.channel)
                if entry is None:
                    problem = "its topic was not announced, so nothing was decided for it"
                    self.losses.add(_place(source.path, record), problem)
                    continue
                if entry.decision is Decision.DROP:
                    continue
                if entry.decision is Decision.ANONYMIZE:
                    slot = self._slot(source.path, record, number)
                    number += 1
                    frames += slot.outcome != SKIPPED
                    batch.append(slot)
                elif (copy := self._copied(source.path, record, entry)) is not None:
                    batch.append(copy)
                size += len(record.data)
            elif isinstance(record, Metadata) or self._is_attached(source.path, record):
                batch.append(record)
            if frames >= most_frames or size >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
                yield batch
                batch, size, frames = [], 0, 0
        yield batch

    def _slot(self, path: Path, message: Message, number: int) -> _Slot:
        """Decode; what has been done in an earlier run is not decoded again."""
        accepted = self._policy(message.channel.topic).accepts(message.log_time_ns)
        slot = _Slot(message, number)
        try:
            if self.bag.compression == "message":
                slot.message = message._replace(data=unpacked(message.data))
            if not accepted and self.config.skip.on_skipped == "drop":
                slot.outcome = SKIPPED
            elif number < self._done:
                slot.outcome = _IN_JOURNAL
            else:
                slot.cover_only = not accepted
                slot.frame = read_frame(message.channel, slot.message.data)
                slot.image = slot.frame.decode()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            slot.outcome, slot.problem = LOST, f"{_place(path, message)}: {describe(error)}"
        return slot

    def _copied(self, path: Path, message: Message, entry: Entry) -> Message | None:
        problem = ""
        try:
            if entry.is_checked:
                packed = self.bag.compression == "message"
                plain = unpacked(message.data) if packed else message.data
                problem = why_not_copied(message.channel, plain)
            if not problem:
                return self._renamed_message(message, self._recompressed(message.data))
        except (ValueError, AnonRosError) as error:
            problem = describe(error)
        self.losses.add(_place(path, message), problem)
        return None

    def _is_attached(self, path: Path, attachment: Attachment) -> bool:
        entry = self.survey.plan.entry_of(attachment.name, attachment.media_type)
        place = f"{path}, attachment {attachment.name}"
        if entry is None:
            self.losses.add(place, "it was not announced")
            return False
        if entry.is_checked and entry.decision is Decision.COPY and not is_text(attachment.data):
            self.losses.add(place, "it is called a text, but is none")
            return False
        return entry.decision is Decision.COPY

    # In the thread of the models.

    def _worked(
        self, batches: Iterable[list[Record | _Slot]]
    ) -> Generator[list[Record | _Slot], None, None]:
        for batch in batches:
            slots = [each for each in batch if isinstance(each, _Slot) and each.image is not None]
            self._anonymize(slots)
            yield batch

    def _anonymize(self, slots: Sequence[_Slot]) -> None:
        waiting = []
        for slot in slots:
            assert slot.image is not None  # noqa: S101 - narrows the type
            try:
                covered = self.anonymizer.cover(slot.image, self.config.inpaint.seed)
                if slot.cover_only:
                    slot.result = self.anonymizer.leave_covered(covered, _NOT_INPAINTED)
                else:
                    waiting.append((slot, covered))
            except Exception as error:  # noqa: BLE001 - of this frame alone
                slot.result = freed(error)
            slot.image = None
        results = self.anonymizer.inpaint_all([covered for _, covered in waiting])
        for (slot, _), result in zip(waiting, results, strict=True):
            slot.result = result

    # In the thread of the caller.

    def _finished(self, index: int, slot: _Slot) -> tuple[Message | None, Row, bool]:
        """The message to write, if any, and what the journal is to know."""
        is_new = slot.number >= self._done
        if is_new:
            row, data = self._new_row(index, slot)
        else:
            row, data = self.journal.row(index, slot.number), None
            if row.outcome == ANONYMIZED and row.payload is not None:
                data = patched(slot.message.data, row.payload)
        if row.outcome == LOST:
            self.losses.add(*row.reason.split(": ", 1))
        self.progress.frame(row, is_new=is_new)
        if data is None:
            return None, row, is_new
        packed = zstandard.compress(data) if self.compression == "message" else data
        return self._renamed_message(slot.message, packed), row, is_new

    def _new_row(self, index: int, slot: _Slot) -> tuple[Row, bytes | None]:
        message = slot.message
        row = Row(index, slot.number, message.channel.topic, message.log_time_ns, ANONYMIZED)
        if slot.outcome:
            return replace(row, outcome=slot.outcome, reason=slot.problem), None
        try:
            data, result = self._encoded(slot)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            self._count_failure(error)
            place = _place(self.bag.files[index], message)
            return replace(row, outcome=LOST, reason=f"{place}: {describe(error)}"), None
        self._streak = 0
        covered = [o.reason for o in result.outcomes if o.kind is OutcomeKind.COVERED]
        row = replace(
            row,
            boxes_xyxy=[[round(float(x), 1) for x in box] for box in result.detections.boxes_xyxy],
            covered=covered,
            mask=packed_mask(result.mask) if self.keep_masks else None,
            payload=difference(message.data, data),
        )
        return row, data

    def _encoded(self, slot: _Slot) -> tuple[bytes, Anonymized]:
        result, frame = slot.result, slot.frame
        if isinstance(result, Exception):
            raise result
        assert result is not None  # noqa: S101 - narrows the type
        assert frame is not None  # noqa: S101 - narrows the type
        return frame.encode(result, self.config.output.jpeg_quality), result

    def _count_failure(self, error: Exception) -> None:
        """Models that fail with everything must not turn a recording into an empty one."""
        self._streak += isinstance(error, SegmentationError)
        most = self.config.fail.max_consecutive
        if most and self._streak >= most:
            message = (
                f"{self._streak} images in a row failed (fail.max_consecutive): {describe(error)}"
            )
            raise ModelError(message) from error

    # Any thread.

    def _policy(self, topic: str) -> SkipPolicy:
        return self._policies.setdefault(topic, SkipPolicy(self.config.skip))

    def _entry(self, channel: Channel) -> Entry | None:
        return self.survey.plan.entry_of(channel.topic, channel.type_name)

    def _is_kept(self, channel: Channel) -> bool:
        entry = self._entry(channel)
        return entry is not None and entry.decision is not Decision.DROP

    def _renamed(self, channel: Channel) -> Channel:
        return replace(channel, topic=self.output_topic(channel.topic))

    def _renamed_message(self, message: Message, data: bytes) -> Message:
        channel = message.channel
        if self.prefix:
            channel = self._renamed(channel)
        return message._replace(channel=channel, data=data)

    def _recompressed(self, data: bytes) -> bytes:
        """The data of a copied message: as it is, unless the compression by message changes."""
        before, after = self.bag.compression == "message", self.compression == "message"
        if before == after:
            return data
        return zstandard.compress(data) if after else unpacked(data)


def _place(path: Path, message: Message) -> str:
    return f"{path.name}, {message.channel.topic} at {message.log_time_ns} ns"


def _put_in_place(unfinished: Path, path: Path, is_packed: bool) -> None:  # noqa: FBT001 - private
    if is_packed:
        packed = unfinished.with_suffix(".packing")
        with unfinished.open("rb") as source, packed.open("wb") as target:
            zstandard.ZstdCompressor().copy_stream(source, target)
        unfinished.unlink()
        unfinished = packed
    unfinished.replace(path)
