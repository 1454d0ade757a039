"""What is taken over from a recording, decoded and in batches."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from anon_ros.bags.bag import Bag
from anon_ros.bags.frames import Frame, read_frame
from anon_ros.bags.journal import LOST, SKIPPED
from anon_ros.bags.plan import Decision, Entry, is_text, why_not_copied
from anon_ros.bags.records import Attachment, BagFile, Channel, Losses, Message, Metadata, Record
from anon_ros.bags.survey import Survey, unpacked
from anon_ros.config import Config
from anon_ros.core import Anonymized, RgbImage, SkipPolicy
from anon_ros.errors import AnonRosError, describe

IN_JOURNAL = "in journal"
# Handed from thread to thread together, and written to the journal together.
_BATCH_BYTES = 16 * 2**20
_BATCH_RECORDS = 1000


@dataclass
class Slot:
    """An image message on its way.

    Attributes:
        message: as recorded, its data decompressed.
        file: index of its file.
        number: among the image messages of its file.
        outcome: what has been decided before the models see it; empty if they are to.
        problem: why it is lost.
        cover_only: nobody is to be inpainted.
        frame: deserialised.
        image: decoded.
        result: from the models.
        at_key: what comes from it on depends on no result before.
        carried: how many persons, the last ones, were not found in it but in frames around.
    """

    message: Message
    file: int
    number: int
    outcome: str = ""
    problem: str = ""
    cover_only: bool = False
    frame: Frame | None = None
    image: RgbImage | None = None
    result: Anonymized | Exception | None = None
    at_key: bool = False
    carried: int = 0

    @property
    def stamp_ns(self) -> int:
        """When the image was taken; when it was recorded if the driver did not say."""
        stamp = self.frame.fields.header.stamp if self.frame else None
        taken_ns = stamp.sec * 1_000_000_000 + stamp.nanosec if stamp else 0
        return int(taken_ns) or self.message.log_time_ns


Item = Record | Slot


@dataclass
class Intake:
    """Reads the files of a recording.

    Attributes:
        bag: the input.
        survey: what becomes of each topic.
        config: of what is skipped, and of the models.
        losses: what could not be taken over; ``salvage`` decides whether that ends the run.
        repacks: the output is compressed by message; None to leave everything out but images.
    """

    bag: Bag
    survey: Survey
    config: Config
    losses: Losses
    repacks: bool | None
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)

    def batches(
        self, source: BagFile, file: int, done: int, again: Mapping[str, int]
    ) -> Generator[list[Item], None, None]:
        """What is taken over of one file, in batches that depend on nothing but the recording.

        Args:
            source: the file.
            file: its index.
            done: how many of its first images are done; they are not decoded again.
            again: of some topics, the number of the first done image that is decoded all the same.
        """
        batch: list[Item] = []
        size = frames = number = 0
        most_frames = 8 if self.config.inpaint.kind == "sdxl" else 1
        entries = {channel: self.entry(channel) for channel in source.channels}
        for record in source.records(self.losses, self.survey.start_ns, self.survey.stop_ns):
            if isinstance(record, Message):
                entry = entries.get(record.channel)
                if entry is None:
                    problem = "its topic was not announced, so nothing was decided for it"
                    self.losses.add(place(source.path, record), problem)
                    continue
                if entry.decision is Decision.DROP:
                    continue
                if entry.decision is Decision.ANONYMIZE:
                    is_done = number < min(done, again.get(record.channel.topic, done))
                    slot = Slot(record, file, number)
                    self._read(source.path, slot, is_done=is_done)
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

    def anonymizes(self, source: BagFile) -> bool:
        """Whether a file has images."""
        entries = [self.entry(channel) for channel in source.channels]
        return any(entry and entry.decision is Decision.ANONYMIZE for entry in entries)

    def accepts(self, topic: str, log_time_ns: int) -> bool:
        """Whether an image is processed in full. To be asked once for each, in their order."""
        return self._policies.setdefault(topic, SkipPolicy(self.config.skip)).accepts(log_time_ns)

    def entry(self, channel: Channel) -> Entry | None:
        return self.survey.plan.entry_of(channel.topic, channel.type_name)

    def _read(self, path: Path, slot: Slot, *, is_done: bool) -> None:
        """Decode; what has been done in an earlier run is not decoded again."""
        message = slot.message
        accepted = self.accepts(message.channel.topic, message.log_time_ns)
        try:
            if self.bag.compression == "message":
                slot.message = message._replace(data=unpacked(message.data))
            if not accepted and self.config.skip.on_skipped == "drop":
                slot.outcome = SKIPPED
            elif is_done:
                slot.outcome = IN_JOURNAL
            else:
                slot.cover_only = not accepted
                slot.frame = read_frame(message.channel, slot.message.data)
                slot.image = slot.frame.decode()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            slot.outcome, slot.problem = LOST, f"{place(path, message)}: {describe(error)}"

    def _copied(self, path: Path, message: Message, entry: Entry) -> Message | None:
        if self.repacks is None:
            return None
        problem = ""
        try:
            if entry.is_checked:
                packed = self.bag.compression == "message"
                plain = unpacked(message.data) if packed else message.data
                problem = why_not_copied(message.channel, plain)
            if not problem:
                return message._replace(data=self._recompressed(message.data))
        except (ValueError, AnonRosError) as error:
            problem = describe(error)
        self.losses.add(place(path, message), problem)
        return None

    def _is_attached(self, path: Path, attachment: Attachment) -> bool:
        entry = self.survey.plan.entry_of(attachment.name, attachment.media_type)
        where = f"{path}, attachment {attachment.name}"
        if entry is None:
            self.losses.add(where, "it was not announced")
            return False
        if entry.is_checked and entry.decision is Decision.COPY and not is_text(attachment.data):
            self.losses.add(where, "it is called a text, but is none")
            return False
        return entry.decision is Decision.COPY

    def _recompressed(self, data: bytes) -> bytes:
        """The data of a copied message: as it is, unless the compression by message changes."""
        packed = self.bag.compression == "message"
        if packed == self.repacks:
            return data
        return zstandard.compress(data) if self.repacks else unpacked(data)


def place(path: Path, message: Message) -> str:
    return f"{path.name}, {message.channel.topic} at {message.log_time_ns} ns"
