"""Read a bag in batches of decoded images and of records to copy."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from anon_ros.bags.messages import ImageMessage, deserialize_image
from anon_ros.bags.plan.classify import (
    find_attachment_problem,
    find_copy_problem,
    find_metadata_problem,
)
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision
from anon_ros.bags.plan.inspect import BagPlan
from anon_ros.bags.run_files.masks_db import LOST, SKIPPED
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.compression import compress_message, decompress_message
from anon_ros.bags.storage.records import (
    ROSBAG2_METADATA_NAME,
    Attachment,
    Channel,
    DamageLog,
    Extra,
    Loss,
    Message,
    MetadataRecord,
    Record,
    StorageReader,
    format_extra,
)
from anon_ros.config import Config
from anon_ros.core import RgbImage, SkipPolicy
from anon_ros.errors import AnonRosError, format_error
from anon_ros.images import describe_reduction
from anon_ros.utils.units import NS_PER_S

IN_JOURNAL = "in journal"
# A batch goes from thread to thread, and into the journal, as a unit.
_MAX_BATCH_BYTES = 16 * 2**20
_MAX_BATCH_RECORDS = 1000
_MAX_BATCH_IMAGE_BYTES = 512 * 2**20  # decoded: eight frames of a camera are less by far


@dataclass(frozen=True)
class ImageTask:
    """An image message of the input.

    Attributes:
        message: as recorded, its data decompressed.
        file: index of its storage file.
        number: among the image messages of its file.
        outcome: SKIPPED, LOST or IN_JOURNAL; empty if the models must see it.
        problem: because of which it is lost; else empty.
        is_cover_only: nobody must be inpainted.
        frame: the message, deserialized; None with an outcome.
        image: (H, W, 3) uint8 RGB; None with an outcome.
    """

    message: Message
    file: int
    number: int
    outcome: str = ""
    problem: str = ""
    is_cover_only: bool = False
    frame: ImageMessage | None = None
    image: RgbImage | None = None

    @property
    def stamp_ns(self) -> int:
        """Time at which the image was taken; its log time if the driver did not set a stamp."""
        stamp = self.frame.ros_message.header.stamp if self.frame else None
        stamp_ns = stamp.sec * NS_PER_S + stamp.nanosec if stamp else 0
        return int(stamp_ns) or self.message.log_time_ns


Item = Record | ImageTask


@dataclass
class BatchReader:
    """Reader of the storage files of a bag. For one thread at a time.

    Attributes:
        bag: the input.
        bag_plan: actions by topic.
        config: skip policy and output parameters.
        max_images: in a batch.
        output_compression: the output is compressed by message; None to read images only.
        size_warnings: by topic, of images that the detector sees much reduced.
    """

    bag: Bag
    bag_plan: BagPlan
    config: Config
    max_images: int
    output_compression: bool | None
    size_warnings: dict[str, str] = field(default_factory=dict)
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)

    def iter_batches(
        self,
        source: StorageReader,
        file: int,
        losses: DamageLog,
        num_done: int,
        redecode_from: Mapping[str, int],
    ) -> Generator[list[Item], None, None]:
        """Iterate over a storage file in batches that depend on nothing but the bag.

        Args:
            source: the file.
            file: its index.
            losses: gets what cannot be read.
            num_done: the first images, which are finished and not decoded again.
            redecode_from: by topic, the first finished image to decode again, because later ones
                reuse its persons.

        Raises:
            BagDamageError: if a part is lost and must not be salvaged.
            OSError, sqlite3.Error: if the file cannot be read.
        """
        batch = _Batch(self.max_images)
        for item, num_bytes in _FileReader(
            self, source, file, losses, num_done, redecode_from
        ).iter_items():
            batch.add(item, num_bytes)
            if batch.is_full:
                yield batch.items
                batch = _Batch(self.max_images)
        yield batch.items

    def note_size(self, topic: str, image: RgbImage) -> None:
        """Add the warning of an image that the detector sees much reduced, once per topic."""
        height_px, width_px = image.shape[:2]
        inference_px = self.config.detect.inference_px
        if warning := describe_reduction(width_px, height_px, inference_px):
            self.size_warnings.setdefault(topic, warning)

    def has_images(self, source: StorageReader) -> bool:
        """Return True if a file has images to anonymize."""
        decisions = map(self.find_decision, source.channels)
        return any(decision and decision.action is TopicAction.ANONYMIZE for decision in decisions)

    def accept_frame(self, topic: str, log_time_ns: int) -> bool:
        """Return True if an image is processed in full.

        To be called once per image of a topic, in their order.
        """
        policy = self._policies.setdefault(topic, SkipPolicy(self.config.skip))
        return policy.accepts(log_time_ns)

    def find_decision(self, channel: Channel) -> TopicDecision | None:
        """Return the decision for a channel; None if the plan has none."""
        return self.bag_plan.topics.get(channel.topic, channel.type_name)


@dataclass
class _Batch:
    """Items in the order of the file.

    Attributes:
        max_images: that are processed.
        items: of the batch.
    """

    max_images: int
    items: list[Item] = field(default_factory=list)
    _num_images: int = 0
    _num_bytes: int = 0
    _num_image_bytes: int = 0

    def add(self, item: Item | None, num_bytes: int) -> None:
        self._num_bytes += num_bytes
        if item is not None:
            self.items.append(item)
            if isinstance(item, ImageTask):
                self._num_images += item.outcome != SKIPPED
                self._num_image_bytes += 0 if item.image is None else item.image.nbytes

    @property
    def is_full(self) -> bool:
        return (
            self._num_images >= self.max_images
            or self._num_bytes >= _MAX_BATCH_BYTES
            or self._num_image_bytes >= _MAX_BATCH_IMAGE_BYTES
            or len(self.items) >= _MAX_BATCH_RECORDS
        )


@dataclass(frozen=True)
class _FileReader:
    """Reader of one storage file; attributes as the arguments of ``BatchReader.iter_batches``."""

    reader: BatchReader
    source: StorageReader
    file: int
    losses: DamageLog
    num_done: int
    redecode_from: Mapping[str, int]

    def iter_items(self) -> Iterator[tuple[Item | None, int]]:
        """Iterate over the items with the size of their data, bytes; None for a lost message."""
        decisions = {
            channel: self.reader.find_decision(channel) for channel in self.source.channels
        }
        numbers = count()
        plan = self.reader.bag_plan
        for record in self.source.records(self.losses, plan.start_ns, plan.stop_ns):
            if isinstance(record, Message):
                decision = decisions.get(record.channel)
                if decision is None:
                    problem = "topic missing from the plan (not listed in the bag's index)"
                    self.losses.record(Loss.of_message(self.source.path, record, problem))
                elif decision.action is TopicAction.ANONYMIZE:
                    task = self._read_image(record, next(numbers))
                    yield task, len(task.message.data)
                elif decision.action is not TopicAction.DROP:
                    yield self._copy_message(record, decision), len(record.data)
            elif self._keeps_extra(record):
                yield record, 0

    def _read_image(self, message: Message, number: int) -> ImageTask:
        topic = message.channel.topic
        is_accepted = self.reader.accept_frame(topic, message.log_time_ns)
        is_done = number < min(self.num_done, self.redecode_from.get(topic, self.num_done))
        task = ImageTask(message, self.file, number, is_cover_only=not is_accepted)
        try:
            if self._is_compressed:
                data = self._decompress(message.data)
                task = replace(task, message=message._replace(data=data))
            if not is_accepted and self.reader.config.skip.on_skipped == "drop":
                return replace(task, outcome=SKIPPED)
            if is_done:
                return replace(task, outcome=IN_JOURNAL)
            frame = deserialize_image(message.channel, task.message.data)
            image = frame.decode(self.reader.config.fail.max_pixels)
            self.reader.note_size(topic, image)
            return replace(task, frame=frame, image=image)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not written
            return replace(task, outcome=LOST, problem=format_error(error))

    def _copy_message(self, message: Message, decision: TopicDecision) -> Message | None:
        if self.reader.output_compression is None:
            return None
        problem = ""
        try:
            if decision.verify_each_message:
                data = self._decompress(message.data) if self._is_compressed else message.data
                problem = find_copy_problem(message.channel, data)
            if not problem:
                return message._replace(data=self._recompress(message.data))
        except (ValueError, AnonRosError) as error:
            problem = format_error(error)
        self.losses.record(Loss.of_message(self.source.path, message, problem))
        return None

    def _keeps_extra(self, extra: Extra) -> bool:
        """Return True for an attachment or MCAP record to copy."""
        if isinstance(extra, MetadataRecord) and extra.name == ROSBAG2_METADATA_NAME:
            return True  # it is written anew
        decision = self.reader.bag_plan.topics.get_extra(extra.name, extra.media_type)
        problem = ""
        if decision is None:
            problem = "missing from the plan (not listed in the bag's index)"
        elif decision.action is not TopicAction.COPY:
            return False
        elif decision.verify_each_message:
            problem = _find_extra_problem(extra)
        if problem:
            self.losses.record(Loss.of_place(self.source.path, format_extra(extra), problem))
        return not problem

    def _recompress(self, data: bytes) -> bytes:
        """Return the data of a copied message, (de)compressed only if the output wants that."""
        if self._is_compressed == self.reader.output_compression:
            return data
        is_wanted = self.reader.output_compression
        return compress_message(data) if is_wanted else self._decompress(data)

    def _decompress(self, data: bytes) -> bytes:
        return decompress_message(data, self.reader.bag.max_bytes)

    @property
    def _is_compressed(self) -> bool:
        return self.reader.bag.compression == "message"


def _find_extra_problem(extra: Extra) -> str:
    """Return why an extra must not be copied; empty if it may."""
    if isinstance(extra, Attachment):
        return find_attachment_problem(extra)
    return find_metadata_problem(extra.values) if isinstance(extra, MetadataRecord) else ""
