"""What is taken over from a recording, decoded and in batches."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anon_ros.bags.messages import ImageMessage, deserialize_image
from anon_ros.bags.plan.classify import find_copy_problem, is_utf8_text
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision
from anon_ros.bags.plan.inspect import BagPlan
from anon_ros.bags.run_files.journal import LOST, SKIPPED
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.compression import compress_message, decompress_message
from anon_ros.bags.storage.records import (
    Attachment,
    Channel,
    DamageLog,
    Loss,
    Message,
    MetadataRecord,
    Record,
    StorageReader,
)
from anon_ros.config import Config
from anon_ros.core import AnonymizedFrame, RgbImage, SkipPolicy
from anon_ros.errors import AnonRosError, format_error
from anon_ros.utils.units import NS_PER_S

IN_JOURNAL = "in journal"
# Handed from thread to thread together, and written to the journal together.
_BATCH_BYTES = 16 * 2**20
_BATCH_RECORDS = 1000


@dataclass
class ImageTask:
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
        is_keyframe: what comes from it on depends on no result before.
        num_propagated: how many persons, the last ones, were not found in it but in frames around.
    """

    message: Message
    file: int
    number: int
    outcome: str = ""
    problem: str = ""
    cover_only: bool = False
    frame: ImageMessage | None = None
    image: RgbImage | None = None
    result: AnonymizedFrame | Exception | None = None
    is_keyframe: bool = False
    num_propagated: int = 0

    @property
    def stamp_ns(self) -> int:
        """When the image was taken; when it was recorded if the driver did not say."""
        stamp = self.frame.ros_message.header.stamp if self.frame else None
        taken_ns = stamp.sec * NS_PER_S + stamp.nanosec if stamp else 0
        return int(taken_ns) or self.message.log_time_ns


Item = Record | ImageTask


@dataclass
class BatchReader:
    """Reads the files of a recording.

    Attributes:
        bag: the input.
        bag_plan: what becomes of each topic.
        config: of what is skipped, and of the models.
        losses: what could not be taken over; ``salvage`` decides whether that ends the run.
        output_compression: the output is compressed by message; None to leave everything out but
            images.
    """

    bag: Bag
    bag_plan: BagPlan
    config: Config
    losses: DamageLog
    output_compression: bool | None
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)

    def iter_batches(
        self, source: StorageReader, file: int, done: int, redecode_from: Mapping[str, int]
    ) -> Generator[list[Item], None, None]:
        """What is taken over of one file, in batches that depend on nothing but the recording.

        Args:
            source: the file.
            file: its index.
            done: how many of its first images are done; they are not decoded again.
            redecode_from: of some topics, the number of the first done image that is decoded all
                the same.
        """
        batch: list[Item] = []
        size = frames = number = 0
        most_frames = 8 if self.config.inpaint.method == "sdxl" else 1
        entries = {channel: self.entry(channel) for channel in source.channels}
        for record in source.records(self.losses, self.bag_plan.start_ns, self.bag_plan.stop_ns):
            if isinstance(record, Message):
                entry = entries.get(record.channel)
                if entry is None:
                    problem = "its topic was not announced, so nothing was decided for it"
                    self.losses.record(Loss.of_message(source.path, record, problem))
                    continue
                if entry.action is TopicAction.DROP:
                    continue
                if entry.action is TopicAction.ANONYMIZE:
                    is_done = number < min(done, redecode_from.get(record.channel.topic, done))
                    slot = ImageTask(record, file, number)
                    self._read(slot, is_done=is_done)
                    number += 1
                    frames += slot.outcome != SKIPPED
                    batch.append(slot)
                elif (copy := self._copied(source.path, record, entry)) is not None:
                    batch.append(copy)
                size += len(record.data)
            elif isinstance(record, MetadataRecord) or self._is_attached(source.path, record):
                batch.append(record)
            if frames >= most_frames or size >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS:
                yield batch
                batch, size, frames = [], 0, 0
        yield batch

    def has_images(self, source: StorageReader) -> bool:
        """Whether a file has images."""
        entries = [self.entry(channel) for channel in source.channels]
        return any(entry and entry.action is TopicAction.ANONYMIZE for entry in entries)

    def accepts(self, topic: str, log_time_ns: int) -> bool:
        """Whether an image is processed in full. To be asked once for each, in their order."""
        return self._policies.setdefault(topic, SkipPolicy(self.config.skip)).accepts(log_time_ns)

    def entry(self, channel: Channel) -> TopicDecision | None:
        return self.bag_plan.topics.get(channel.topic, channel.type_name)

    def _read(self, slot: ImageTask, *, is_done: bool) -> None:
        """Decode; what has been done in an earlier run is not decoded again."""
        message = slot.message
        accepted = self.accepts(message.channel.topic, message.log_time_ns)
        try:
            if self.bag.compression == "message":
                slot.message = message._replace(data=decompress_message(message.data))
            if not accepted and self.config.skip.on_skipped == "drop":
                slot.outcome = SKIPPED
            elif is_done:
                slot.outcome = IN_JOURNAL
            else:
                slot.cover_only = not accepted
                slot.frame = deserialize_image(message.channel, slot.message.data)
                slot.image = slot.frame.decode()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            slot.outcome, slot.problem = LOST, format_error(error)

    def _copied(self, path: Path, message: Message, entry: TopicDecision) -> Message | None:
        if self.output_compression is None:
            return None
        problem = ""
        try:
            if entry.verify_each_message:
                packed = self.bag.compression == "message"
                plain = decompress_message(message.data) if packed else message.data
                problem = find_copy_problem(message.channel, plain)
            if not problem:
                return message._replace(data=self._recompressed(message.data))
        except (ValueError, AnonRosError) as error:
            problem = format_error(error)
        self.losses.record(Loss.of_message(path, message, problem))
        return None

    def _is_attached(self, path: Path, attachment: Attachment) -> bool:
        entry = self.bag_plan.topics.get(attachment.name, attachment.media_type)
        where = f"attachment {attachment.name}"
        if entry is None:
            self.losses.record(Loss.of_place(path, where, "it was not announced"))
            return False
        if (
            entry.verify_each_message
            and entry.action is TopicAction.COPY
            and not is_utf8_text(attachment.data)
        ):
            self.losses.record(Loss.of_place(path, where, "it is called a text, but is none"))
            return False
        return entry.action is TopicAction.COPY

    def _recompressed(self, data: bytes) -> bytes:
        """The data of a copied message: as it is, unless the compression by message changes."""
        packed = self.bag.compression == "message"
        if packed == self.output_compression:
            return data
        return compress_message(data) if self.output_compression else decompress_message(data)
