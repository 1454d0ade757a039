"""Inspection of a bag before anything is decided."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from anon_ros.bags.messages import DESERIALIZED_TYPES
from anon_ros.bags.plan.classify import (
    NUM_SAMPLES,
    classify_attachment,
    classify_metadata,
    classify_private,
    find_metadata_problem,
)
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision, TopicRules
from anon_ros.bags.plan.topic_plan import TopicPlan, plan_topics
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.metadata import list_channels
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    ROSBAG2_METADATA_NAME,
    Channel,
    DamageLog,
    Message,
    MetadataRecord,
    PrivateRecord,
    StorageReader,
)
from anon_ros.bags.storage.unreadable import UnreadableFile
from anon_ros.config import topic_matches
from anon_ros.errors import BagDamageError, BagError
from anon_ros.utils.units import NS_PER_S

_MAX_SCANNED_RECORDS = 2000
_MAX_SCANNED_BYTES = 64 * 2**20


@dataclass(frozen=True)
class BagPlan:
    """The plan for a bag, and the time range that it is for.

    Attributes:
        topics: decisions for all topics.
        channels: the first of each topic that is not dropped, then those of topics that only
            metadata.yaml names, as they have no messages.
        start_ns: first log time that is taken over.
        stop_ns: first later log time that is not.
        num_images: image messages to anonymize; -1 if only a part of the bag is taken over.
    """

    topics: TopicPlan
    channels: tuple[Channel, ...]
    start_ns: int
    stop_ns: int
    num_images: int


@dataclass
class _BagContents:
    """Channels and attachments of all files of a bag.

    Attributes:
        counts: messages by channel.
        samples: first messages of the channels, decompressed; of channels not of
            DESERIALIZED_TYPES those near the beginning of a file.
        attachments: names and media types.
        metadata: decisions for metadata records, by name and action.
        private: number and bytes of private records, by their name.
        start_ns: smallest log time.
    """

    counts: Counter[Channel] = field(default_factory=Counter)
    samples: dict[Channel, list[bytes]] = field(default_factory=dict)
    attachments: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[tuple[str, TopicAction], TopicDecision] = field(default_factory=dict)
    private: dict[str, tuple[int, int]] = field(default_factory=dict)
    start_ns: int = MAX_TIME_NS
    _num_bytes: int = 0  # of all samples

    def add(self, bag: Bag, reader: StorageReader) -> None:
        """Add the contents of one file of ``bag``."""
        for channel in reader.channels:
            self.counts[channel] += reader.message_counts.get(channel.id, 0)
        self._sample_deserialized(bag, reader)
        self.attachments += reader.attachments
        for record in reader.iter_extras():
            self._add_extra(record)
        self.start_ns = min(self.start_ns, reader.start_ns)
        self._sample_opaque(bag, reader)

    def list_extras(self) -> list[TopicDecision]:
        """Return decisions for all that is no message."""
        return [
            *(classify_attachment(*attachment) for attachment in self.attachments),
            *self.metadata.values(),
            *(classify_private(name, *totals) for name, totals in self.private.items()),
        ]

    def _add_extra(self, record: MetadataRecord | PrivateRecord) -> None:
        if isinstance(record, PrivateRecord):
            count, num_bytes = self.private.get(record.name, (0, 0))
            self.private[record.name] = count + 1, num_bytes + record.content.num_bytes
        elif record.name != ROSBAG2_METADATA_NAME:  # a run writes it anew
            decision = classify_metadata(record)
            self.metadata[decision.topic, decision.action] = decision

    def _sample_deserialized(self, bag: Bag, reader: StorageReader) -> None:
        missing = [
            channel
            for channel in reader.channels
            if channel.type_name in DESERIALIZED_TYPES and not self.samples.get(channel)
        ]
        samples = reader.read_samples(missing, NUM_SAMPLES) if missing else {}
        for channel in missing:
            self.samples[channel] = []
            for data in samples.get(channel.id, ()):
                self._add_sample(bag, channel, data)

    def _sample_opaque(self, bag: Bag, reader: StorageReader) -> None:
        """Take samples of all other types in a single pass, which is short: a run checks the rest.

        A reader would look for those of a rare topic through all of the file.
        """
        missing = {item for item in reader.channels if item.type_name not in DESERIALIZED_TYPES}
        num_bytes = 0
        records = reader.records(DamageLog(salvage=True), 0, MAX_TIME_NS)
        for record in islice(records, _MAX_SCANNED_RECORDS):
            if not missing or num_bytes > _MAX_SCANNED_BYTES:
                return
            if isinstance(record, Message):
                num_bytes += len(record.data)
                if record.channel in missing:
                    num_bytes += self._add_sample(bag, record.channel, record.data)
                    if len(self.samples[record.channel]) >= NUM_SAMPLES:
                        missing.remove(record.channel)

    def _add_sample(self, bag: Bag, channel: Channel, data: bytes) -> int:
        """Add a message, and return its size, bytes.

        Samples that become too large together are left out: a run checks the rest.
        """
        samples = self.samples.setdefault(channel, [])
        plain = bag.decompress(data)
        is_small = sum(map(len, samples)) + len(plain) <= _MAX_SCANNED_BYTES
        if (is_small or not samples) and self._num_bytes + len(plain) <= bag.max_bytes:
            self._num_bytes += len(plain)
            samples.append(plain)
        return len(plain)


def inspect_bag(  # noqa: PLR0913 - the flags of the command
    bag: Bag, rules: TopicRules, start_s: float, duration_s: float, *, salvage: bool, scratch: Path
) -> BagPlan:
    """Look into every file of a bag and plan its topics.

    Args:
        bag: the input.
        rules: of the user.
        start_s: begin of the part to take over, s after the begin of the bag.
        duration_s: of that part, s; 0 for all of it.
        salvage: go on where something is damaged.
        scratch: folder for files that must be decompressed.

    Raises:
        BagError: if a rule fits nothing in the bag, or metadata.yaml holds a picture.
        BagDamageError: if a file is damaged so that it cannot be opened.
        OSError: if a file cannot be read.
    """
    _refuse_pictures(bag)
    contents, is_readable = _BagContents(), not bag.files
    for file in bag.files:
        with bag.open_in(scratch, file, DamageLog(salvage=salvage)) as reader:
            contents.add(bag, reader)
            is_readable = is_readable or not isinstance(reader, UnreadableFile)
    if not is_readable:
        message = f"{bag.path}: none of its {len(bag.files)} files can be opened"
        raise BagDamageError(message)
    announced = {channel.topic for channel in contents.counts}
    silent = [c for c in list_channels(bag.metadata or {}) if c.topic not in announced]
    topics = plan_topics(
        *(contents.counts, contents.samples, contents.list_extras(), rules),
        [channel.topic for channel in silent],
    )
    channels = _find_first_channels(contents.counts, topics)
    channels += tuple(channel for channel in silent if _is_wanted(channel.topic, rules))
    start_ns, stop_ns = _find_time_range(contents.start_ns, start_s, duration_s)
    to_anonymize = [d for d in topics.decisions if d.action is TopicAction.ANONYMIZE]
    num_images = -1 if start_s or duration_s else sum(item.count for item in to_anonymize)
    return BagPlan(topics, channels, start_ns, stop_ns, num_images)


def _refuse_pictures(bag: Bag) -> None:
    custom_data = (bag.metadata or {}).get("custom_data") or {}
    if problem := find_metadata_problem({key: str(text) for key, text in custom_data.items()}):
        message = (
            f"{bag.path}: custom_data in metadata.yaml {problem}, which would be copied; take it "
            "out of a copy of the recording"
        )
        raise BagError(message)


def _find_first_channels(channels: Counter[Channel], topics: TopicPlan) -> tuple[Channel, ...]:
    """Return the first channel of each topic that is not dropped."""
    first: dict[str, Channel] = {}
    for channel in channels:
        decision = topics.get(channel.topic, channel.type_name)
        if decision is not None and decision.action is not TopicAction.DROP:
            first.setdefault(channel.topic, channel)
    return tuple(first.values())


def _is_wanted(topic: str, rules: TopicRules) -> bool:
    """Return True if the rules do not leave out a topic without messages."""
    if any(topic_matches(topic, pattern) for pattern in rules.drop):
        return False
    return not rules.topics or any(topic_matches(topic, pattern) for pattern in rules.topics)


def _find_time_range(first_ns: int, start_s: float, duration_s: float) -> tuple[int, int]:
    """Return the first log time to take over, and the first later one that is not."""
    start_ns, stop_ns = 0, MAX_TIME_NS
    if start_s:
        start_ns = min(first_ns + _to_ns(start_s), MAX_TIME_NS)
    if duration_s:
        stop_ns = min(max(start_ns, first_ns) + _to_ns(duration_s), MAX_TIME_NS)
    return start_ns, stop_ns


def _to_ns(duration_s: float) -> int:
    return round(min(duration_s * NS_PER_S, MAX_TIME_NS))
