"""A recording in, the same recording without its persons out."""

import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import zstandard

from anon_ros.bags.ahead import Ahead
from anon_ros.bags.bag import Bag
from anon_ros.bags.frames import described
from anon_ros.bags.intake import Intake, Item, Slot, place
from anon_ros.bags.journal import (
    ANONYMIZED,
    LOST,
    Finished,
    Journal,
    Row,
    difference,
    packed_mask,
    patched,
)
from anon_ros.bags.metadata import Tally, completed, made_information, parsed_yaml
from anon_ros.bags.people import People
from anon_ros.bags.plan import Decision
from anon_ros.bags.records import (
    ROSBAG2,
    SERIALIZED,
    BagFile,
    BagWriter,
    Channel,
    Losses,
    Message,
    Metadata,
    Record,
)
from anon_ros.bags.survey import Survey
from anon_ros.bags.target import Target
from anon_ros.config import Config, mirrored_topic
from anon_ros.core import Anonymized, Anonymizer, Covered, OutcomeKind
from anon_ros.errors import BagError, ModelError, SegmentationError, describe, freed
from anon_ros.temporal import Drawings, reuses_drawings

_NOT_INPAINTED = "skipped"
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

    def looked(self, persons: int, *, is_new: bool) -> None:
        """An image was looked at before the first is written, now or in an earlier run."""
        ...


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
        people: who is in each image, found before; None to find them in each image alone.
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
    people: People | None = None
    _streak: int = 0
    _done: int = 0

    @cached_property
    def intake(self) -> Intake:
        repacks = self.compression == "message"
        return Intake(self.bag, self.survey, self.config, self.losses, repacks)

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
            self.intake.accepts(row.topic, row.log_time_ns)
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
        again = self.journal.last_keys(index) if reuses_drawings(self.config) else {}
        batches = self.intake.batches(source, index, self._done, again)
        with (
            Ahead(batches, _BATCHES_AHEAD, "reader") as read,
            Ahead(self._worked(read), _BATCHES_AHEAD, "models", read) as worked,
        ):
            for batch in worked:
                rows = []
                for each in batch:
                    record: Record | None
                    if isinstance(each, Slot):
                        record, row, is_new = self._finished(index, each)
                        rows += [row] if is_new else []
                    else:
                        record = self._renamed_message(each) if isinstance(each, Message) else each
                    if isinstance(record, Metadata) and record.name == ROSBAG2:
                        like = parsed_yaml(record.values.get(SERIALIZED, ""))
                    elif record is not None:
                        writer.write(record)
                    if isinstance(record, Message):
                        tally.add(record)
                        waiting_bytes += len(record.data)
                        if not isinstance(each, Slot):
                            self.progress.copied(len(record.data))
                self.journal.add(rows)
                if waiting_bytes > _FLUSH_BYTES:
                    waiting_bytes = 0
                    # Begin to write to the disk now, and leave the page cache to others.
                    os.posix_fadvise(written, 0, 0, os.POSIX_FADV_DONTNEED)
        return like

    # In the thread of the models.

    def _worked(self, batches: Iterable[list[Item]]) -> Generator[list[Item], None, None]:
        drawings: dict[str, Drawings] = {}
        depends = reuses_drawings(self.config)
        for batch in batches:
            slots = [each for each in batch if isinstance(each, Slot) and each.image is not None]
            for group in [[slot] for slot in slots] if depends else [slots]:
                self._anonymize(group, drawings)
            yield batch

    def _anonymize(self, slots: Sequence[Slot], drawings: dict[str, Drawings]) -> None:
        waiting = []
        for slot in slots:
            known = drawings.setdefault(slot.message.channel.topic, Drawings(self.config))
            try:
                covered = self._covered(slot)
                inpaints = not slot.cover_only
                covered = known.prepare(covered, self.anonymizer, slot.stamp_ns, inpaints=inpaints)
                slot.at_key = known.at_key
                if slot.cover_only:
                    slot.result = self.anonymizer.leave_covered(covered, _NOT_INPAINTED)
                else:
                    waiting.append((slot, covered, known))
            except BagError:
                raise
            except Exception as error:  # noqa: BLE001 - of this frame alone
                slot.result = freed(error)
            slot.image = None
        results = self.anonymizer.inpaint_all([covered for _, covered, _ in waiting])
        for (slot, covered, known), result in zip(waiting, results, strict=True):
            slot.result = result
            if not isinstance(result, Exception):
                known.remember(covered, self.anonymizer, result, slot.stamp_ns)

    def _covered(self, slot: Slot) -> Covered:
        assert slot.image is not None  # noqa: S101 - narrows the type
        if self.people is None:
            return self.anonymizer.cover(slot.image, self.config.inpaint.seed)
        message = slot.message
        key = slot.file, slot.number
        persons = self.people.of(message.channel.topic, key, message.data)
        slot.carried = persons.carried
        return self.anonymizer.cover_persons(slot.image, persons)

    # In the thread of the caller.

    def _finished(self, index: int, slot: Slot) -> tuple[Message | None, Row, bool]:
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
        return self._renamed_message(slot.message._replace(data=packed)), row, is_new

    def _new_row(self, index: int, slot: Slot) -> tuple[Row, bytes | None]:
        message = slot.message
        row = Row(index, slot.number, message.channel.topic, message.log_time_ns, ANONYMIZED)
        if slot.outcome:
            return replace(row, outcome=slot.outcome, reason=slot.problem), None
        try:
            data, result = self._encoded(slot)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            self._count_failure(error)
            where = place(self.bag.files[index], message)
            return replace(row, outcome=LOST, reason=f"{where}: {describe(error)}"), None
        self._streak = 0
        covered = [o.reason for o in result.outcomes if o.kind is OutcomeKind.COVERED]
        row = replace(
            row,
            boxes_xyxy=[[round(float(x), 1) for x in box] for box in result.detections.boxes_xyxy],
            covered=covered,
            mask=packed_mask(result.mask) if self.keep_masks else None,
            payload=difference(message.data, data),
            tracks=result.tracks,
            carried=slot.carried,
            is_key=slot.at_key,
        )
        return row, data

    def _encoded(self, slot: Slot) -> tuple[bytes, Anonymized]:
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

    def _is_kept(self, channel: Channel) -> bool:
        entry = self.intake.entry(channel)
        return entry is not None and entry.decision is not Decision.DROP

    def _renamed(self, channel: Channel) -> Channel:
        return replace(channel, topic=self.output_topic(channel.topic))

    def _renamed_message(self, message: Message) -> Message:
        if not self.prefix:
            return message
        return message._replace(channel=self._renamed(message.channel))


def _put_in_place(unfinished: Path, path: Path, is_packed: bool) -> None:  # noqa: FBT001 - private
    if is_packed:
        packed = unfinished.with_suffix(".packing")
        with unfinished.open("rb") as source, packed.open("wb") as target:
            zstandard.ZstdCompressor().copy_stream(source, target)
        unfinished.unlink()
        unfinished = packed
    unfinished.replace(path)
