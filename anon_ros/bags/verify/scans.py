"""Scan the input and the output bag, and yield the messages to be matched."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anon_ros.bags.run_files.masks_db import ANONYMIZED, ImageRecord, MasksDb
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.run_files.topic_report import TopicReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.metadata import parse_embedded_metadata
from anon_ros.bags.storage.records import (
    MARK_NAME,
    MAX_TIME_NS,
    ROSBAG2_METADATA_KEY,
    ROSBAG2_METADATA_NAME,
    Attachment,
    Channel,
    DamageLog,
    Extra,
    Message,
    MetadataRecord,
    PrivateRecord,
    Record,
    StorageReader,
    format_extra,
)
from anon_ros.bags.verify.findings import Findings, format_location
from anon_ros.bags.verify.message_matcher import ExpectedMessage, TopicKey
from anon_ros.core import SkipPolicy


@dataclass
class BagScan:
    """Everything beside the messages that a scan of a bag has met.

    Attributes:
        bag: the input or the output.
        scratch: folder in which files may be decompressed for the moment.
        losses: parts that could not be read.
        channels: by topic and type in the output.
        extras: number of attachments and metadata records, by name and hash.
        marks: number of our own metadata records, by their sorted content.
        embedded_metadata: of rosbag2, from inside the last file that has some; None without.
    """

    bag: Bag
    scratch: Path
    losses: DamageLog = field(default_factory=lambda: DamageLog(salvage=True))
    channels: dict[TopicKey, set[Channel]] = field(default_factory=lambda: defaultdict(set))
    extras: Counter[tuple[str, str]] = field(default_factory=Counter)
    marks: Counter[tuple[tuple[str, str], ...]] = field(default_factory=Counter)
    embedded_metadata: Mapping[str, Any] | None = None

    @property
    def metadata(self) -> Mapping[str, Any] | None:
        """The metadata of rosbag2; None without."""
        return self.bag.metadata or self.embedded_metadata

    def open_file(self, file: Path) -> AbstractContextManager[StorageReader]:
        """Open a storage file; it is closed with the context.

        Raises:
            BagDamageError: if it cannot even be opened, and is the only one.
        """
        return self.bag.open_in(self.scratch, file, self.losses)

    def add_extra(self, record: Extra) -> None:
        """Count an attachment or an MCAP record."""
        if isinstance(record, Attachment):
            digest = hashlib.sha256(repr(record[1:4]).encode())
            for block in record.iter_blocks():
                digest.update(block)
            self.extras[f"attachment {record.name}", digest.hexdigest()] += 1
        elif isinstance(record, PrivateRecord):
            digest = hashlib.sha256()
            for block in record.content.iter_blocks():
                digest.update(block)
            self.extras[f"private record {record.name}", digest.hexdigest()] += 1
        elif record.name == ROSBAG2_METADATA_NAME:
            text = record.values.get(ROSBAG2_METADATA_KEY, "")
            self.embedded_metadata = parse_embedded_metadata(text)
        elif record.name == MARK_NAME:
            self.marks[tuple(sorted(record.values.items()))] += 1
        else:
            digest = hashlib.sha256(repr(sorted(record.values.items())).encode())
            self.extras[f"metadata {record.name}", digest.hexdigest()] += 1


@dataclass
class InputScan:
    """A scan of the part of the input that the output must have.

    Attributes:
        scan: gets channels and extras.
        report: of the run.
        masks_db: of the run; None without it.
        findings: gets the contradictions between input and report.
    """

    scan: BagScan
    report: RunReport
    masks_db: MasksDb | None
    findings: Findings
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)
    _unknown_topics: set[tuple[str, str]] = field(default_factory=set)

    def iter_messages(self) -> Generator[ExpectedMessage, None, None]:
        """Iterate over the messages that the output must have."""
        for index, file in enumerate(self.scan.bag.files):
            with self.scan.open_file(file) as source:
                image_records = self.masks_db.iter_file(index) if self.masks_db else iter(())
                for channel in source.channels:
                    self._find_topic(channel)
                for record in source.records(self.scan.losses, *self.report.time_range_ns):
                    if isinstance(record, Message):
                        expected = self._expect(record, image_records)
                        if expected is not None:
                            yield expected
                    elif self._is_in_output(record):
                        self.scan.add_extra(record)

    def _is_in_output(self, record: Extra) -> bool:
        if format_extra(record) in self.report.lost_places:
            self.findings.count("left out")
            return False
        key = record.name, record.media_type
        if isinstance(record, MetadataRecord):  # reports of version 0.1 do not name them
            return key not in self.report.dropped_extras
        return key in self.report.attachments

    def _find_topic(self, channel: Channel) -> TopicReport | None:
        """Return the report of a topic that the output must have; None without it."""
        key = channel.topic, channel.type_name
        topic = self.report.topics_by_key.get(key)
        if topic is not None:
            self.scan.channels[topic.output_topic, topic.type_name].add(channel)
        elif key not in self.report.dropped and key not in self._unknown_topics:
            self._unknown_topics.add(key)
            problem = (
                f"of type {channel.type_name} is in the input, but report.json does not know it: "
                "is it of another recording?"
            )
            self.findings.add_error(channel.topic, problem)
        return topic

    def _expect(
        self, message: Message, image_records: Iterator[ImageRecord]
    ) -> ExpectedMessage | None:
        """Return the expected message; None for a message that the run left out on purpose."""
        topic = self._find_topic(message.channel)
        if topic is None:
            return None
        record = None
        if topic.is_anonymized:
            record = self._check_record(message, next(image_records, None))
            if self._is_left_out(message, record):
                self.findings.count("left out")
                return None
        key = message.channel.topic, message.log_time_ns
        is_optional = key in self.report.lost_messages or self.report.has_unlisted_losses
        return ExpectedMessage(message, topic, record, is_optional and record is None)

    def _is_left_out(self, message: Message, record: ImageRecord | None) -> bool:
        skip = self.report.config.skip
        policy = self._policies.setdefault(message.channel.topic, SkipPolicy(skip))
        is_accepted = policy.accepts(message.log_time_ns)  # to be asked for every image
        if record is not None:
            return record.outcome != ANONYMIZED
        return not is_accepted and skip.on_skipped == "drop"

    def _check_record(self, message: Message, record: ImageRecord | None) -> ImageRecord | None:
        """Return the record if it is of this message; otherwise add an error."""
        if self.masks_db is None:
            return None
        key = message.channel.topic, message.log_time_ns
        if record is not None and (record.topic, record.log_time_ns) == key:
            return record
        state = "ends before it"
        if record is not None:
            state = f"has {format_location(record.topic, record.log_time_ns)} instead"
        problem = f"masks.db {state}: is the input another recording?"
        self.findings.add_error(format_location(*key), problem)
        return None


@dataclass
class OutputScan:
    """A scan of the output.

    Attributes:
        scan: gets channels and extras.
        keys: topics and types that the output must have.
        findings: gets an error for any other.
        counts: messages by topic.
    """

    scan: BagScan
    keys: frozenset[TopicKey]
    findings: Findings
    counts: Counter[str] = field(default_factory=Counter)
    _unknown_topics: set[TopicKey] = field(default_factory=set)

    def iter_messages(self) -> Generator[Message, None, None]:
        """Iterate over the messages of the expected topics."""
        for file in self.scan.bag.files:
            with self.scan.open_file(file) as source:
                for channel in source.channels:
                    self._check_channel(channel)
                for record in source.records(self.scan.losses, 0, MAX_TIME_NS):
                    if (message := self._filter(record)) is not None:
                        yield message

    def _filter(self, record: Record) -> Message | None:
        """Count a record, and return it if it is a message of an expected topic."""
        if not isinstance(record, Message):
            self.scan.add_extra(record)
            return None
        self.counts[record.channel.topic] += 1
        return record if self._check_channel(record.channel) else None

    def _check_channel(self, channel: Channel) -> bool:
        """Return True if the output must have a channel; otherwise add an error, once."""
        key = channel.topic, channel.type_name
        if key in self.keys:
            self.scan.channels[key].add(channel)
            return True
        if key not in self._unknown_topics:
            self._unknown_topics.add(key)
            problem = f"of type {channel.type_name} is in the output, where it must not be"
            self.findings.add_error(channel.topic, problem)
        return False
