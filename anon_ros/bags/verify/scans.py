"""Reading two recordings for a comparison: what of the input the output must have."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from anon_ros.bags.run_files.journal import ANONYMIZED, ImageRecord, Journal
from anon_ros.bags.run_files.report import RunReport, TopicReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    ROSBAG2_METADATA_NAME,
    Attachment,
    Channel,
    DamageLog,
    Message,
    MetadataRecord,
    Record,
    StorageReader,
)
from anon_ros.bags.verify.findings import Findings, format_location
from anon_ros.bags.verify.message_matcher import ExpectedMessage, TopicKey
from anon_ros.core import SkipPolicy


@dataclass
class BagScan:
    """What was met on the way through one of the two.

    Attributes:
        bag: the recording.
        scratch: folder in which files may be decompressed for the moment.
        losses: what could not be read.
        channels: by topic and type in the output.
        extras: how often each attachment and metadata record was met, by name and hash.
    """

    bag: Bag
    scratch: Path
    losses: DamageLog = field(default_factory=lambda: DamageLog(salvage=True))
    channels: dict[TopicKey, set[Channel]] = field(default_factory=lambda: defaultdict(set))
    extras: Counter[tuple[str, str]] = field(default_factory=Counter)

    @contextmanager
    def opened(self, file: Path) -> Iterator[StorageReader]:
        with (
            TemporaryDirectory(dir=self.scratch, prefix=".anon_ros-") as folder,
            closing(self.bag.open(file, self.losses, Path(folder))) as source,
        ):
            yield source

    def note(self, record: Attachment | MetadataRecord) -> None:
        if isinstance(record, Attachment):
            digest = hashlib.sha256(repr(record[1:4]).encode() + record.data)
            self.extras[f"attachment {record.name}", digest.hexdigest()] += 1
        elif record.name != ROSBAG2_METADATA_NAME:
            digest = hashlib.sha256(repr(sorted(record.values.items())).encode())
            self.extras[f"metadata {record.name}", digest.hexdigest()] += 1


@dataclass
class InputScan:
    """The input, as far as the output must have it.

    Attributes:
        side: what is met.
        report: what was decided.
        journal: masks.db; None without.
        findings: is told what does not fit the account.
    """

    side: BagScan
    report: RunReport
    journal: Journal | None
    findings: Findings
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)
    _unknown_topics: set[tuple[str, str]] = field(default_factory=set)

    def messages(self) -> Generator[ExpectedMessage, None, None]:
        for index, file in enumerate(self.side.bag.files):
            with self.side.opened(file) as source:
                rows = self.journal.rows(index) if self.journal else iter(())
                for channel in source.channels:
                    self._kept(channel)
                for record in source.records(self.side.losses, *self.report.time_range_ns):
                    if isinstance(record, Message):
                        expected = self._expected(record, rows)
                        if expected is not None:
                            yield expected
                    elif self._is_kept(record):
                        self.side.note(record)

    def _is_kept(self, record: Attachment | MetadataRecord) -> bool:
        if isinstance(record, MetadataRecord):
            return True
        return (record.name, record.media_type) in self.report.attachments

    def _kept(self, channel: Channel) -> TopicReport | None:
        known = channel.topic, channel.type_name
        kept = self.report.topics.get(known)
        if kept is not None:
            self.side.channels[kept.output_topic, kept.type_name].add(channel)
        elif known not in self.report.dropped and known not in self._unknown_topics:
            self._unknown_topics.add(known)
            problem = f"of type {channel.type_name} is in the input, but report.json does not "
            self.findings.add_error(channel.topic, f"{problem}know it: is it of another recording?")
        return kept

    def _expected(self, message: Message, rows: Iterator[ImageRecord]) -> ExpectedMessage | None:
        """None for a message that was left out as it should be."""
        kept = self._kept(message.channel)
        if kept is None:
            return None
        row = None
        if kept.is_anonymized:
            row = self._row(message, next(rows, None)) if self.journal else None
            accepted = self._policy(message.channel.topic).accepts(message.log_time_ns)
            dropped = not accepted and self.report.config.skip.on_skipped == "drop"
            if row.outcome != ANONYMIZED if row else dropped:
                self.findings.count("left out")
                return None
        place = message.channel.topic, message.log_time_ns
        is_optional = place in self.report.losses or self.report.has_more_lost
        return ExpectedMessage(message, kept, row, is_optional and row is None)

    def _row(self, message: Message, row: ImageRecord | None) -> ImageRecord | None:
        place = message.channel.topic, message.log_time_ns
        if row is not None and (row.topic, row.log_time_ns) == place:
            return row
        told = (
            f"has {format_location(row.topic, row.log_time_ns)} instead"
            if row
            else "ends before it"
        )
        self.findings.add_error(
            format_location(*place), f"masks.db {told}: is the input another recording?"
        )
        return None

    def _policy(self, topic: str) -> SkipPolicy:
        return self._policies.setdefault(topic, SkipPolicy(self.report.config.skip))


@dataclass
class OutputScan:
    """The output.

    Attributes:
        side: what is met.
        keys: topics and types that it should have.
        findings: is told of others.
        counts: messages by topic.
    """

    side: BagScan
    keys: frozenset[TopicKey]
    findings: Findings
    counts: Counter[str] = field(default_factory=Counter)
    _unknown_topics: set[TopicKey] = field(default_factory=set)

    def messages(self) -> Generator[Message, None, None]:
        for file in self.side.bag.files:
            with self.side.opened(file) as source:
                for channel in source.channels:
                    self._is_known(channel)
                for record in source.records(self.side.losses, 0, MAX_TIME_NS):
                    if (message := self._taken(record)) is not None:
                        yield message

    def _taken(self, record: Record) -> Message | None:
        if not isinstance(record, Message):
            self.side.note(record)
            return None
        self.counts[record.channel.topic] += 1
        return record if self._is_known(record.channel) else None

    def _is_known(self, channel: Channel) -> bool:
        key = channel.topic, channel.type_name
        if key in self.keys:
            self.side.channels[key].add(channel)
            return True
        if key not in self._unknown_topics:
            self._unknown_topics.add(key)
            problem = f"of type {channel.type_name} is in the output, where it must not be"
            self.findings.add_error(channel.topic, problem)
        return False
