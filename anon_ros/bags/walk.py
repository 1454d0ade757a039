"""Reading two recordings for a comparison: what of the input the output must have."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from anon_ros.bags.account import Account, Kept
from anon_ros.bags.bag import Bag
from anon_ros.bags.findings import Findings, at
from anon_ros.bags.instep import Expected, Key
from anon_ros.bags.journal import ANONYMIZED, Journal, Row
from anon_ros.bags.records import (
    MAX_TIME_NS,
    ROSBAG2,
    Attachment,
    BagFile,
    Channel,
    Losses,
    Message,
    Metadata,
    Record,
)
from anon_ros.core import SkipPolicy


@dataclass
class Side:
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
    losses: Losses = field(default_factory=lambda: Losses(salvage=True))
    channels: dict[Key, set[Channel]] = field(default_factory=lambda: defaultdict(set))
    extras: Counter[tuple[str, str]] = field(default_factory=Counter)

    @contextmanager
    def opened(self, file: Path) -> Iterator[BagFile]:
        with (
            TemporaryDirectory(dir=self.scratch, prefix=".anon_ros-") as folder,
            closing(self.bag.open(file, self.losses, Path(folder))) as source,
        ):
            yield source

    def note(self, record: Attachment | Metadata) -> None:
        if isinstance(record, Attachment):
            digest = hashlib.sha256(repr(record[1:4]).encode() + record.data)
            self.extras[f"attachment {record.name}", digest.hexdigest()] += 1
        elif record.name != ROSBAG2:
            digest = hashlib.sha256(repr(sorted(record.values.items())).encode())
            self.extras[f"metadata {record.name}", digest.hexdigest()] += 1


@dataclass
class Source:
    """The input, as far as the output must have it.

    Attributes:
        side: what is met.
        account: what was decided.
        journal: masks.db; None without.
        findings: is told what does not fit the account.
    """

    side: Side
    account: Account
    journal: Journal | None
    findings: Findings
    _policies: dict[str, SkipPolicy] = field(default_factory=dict)
    _strange: set[tuple[str, str]] = field(default_factory=set)

    def messages(self) -> Generator[Expected, None, None]:
        for index, file in enumerate(self.side.bag.files):
            with self.side.opened(file) as source:
                rows = self.journal.rows(index) if self.journal else iter(())
                for channel in source.channels:
                    self._kept(channel)
                for record in source.records(self.side.losses, *self.account.window_ns):
                    if isinstance(record, Message):
                        expected = self._expected(record, rows)
                        if expected is not None:
                            yield expected
                    elif self._is_kept(record):
                        self.side.note(record)

    def _is_kept(self, record: Attachment | Metadata) -> bool:
        if isinstance(record, Metadata):
            return True
        return (record.name, record.media_type) in self.account.attachments

    def _kept(self, channel: Channel) -> Kept | None:
        known = channel.topic, channel.type_name
        kept = self.account.kept.get(known)
        if kept is not None:
            self.side.channels[kept.output_topic, kept.type_name].add(channel)
        elif known not in self.account.dropped and known not in self._strange:
            self._strange.add(known)
            problem = f"of type {channel.type_name} is in the input, but report.json does not "
            self.findings.breaks(channel.topic, f"{problem}know it: is it of another recording?")
        return kept

    def _expected(self, message: Message, rows: Iterator[Row]) -> Expected | None:
        """None for a message that was left out as it should be."""
        kept = self._kept(message.channel)
        if kept is None:
            return None
        row = None
        if kept.is_anonymized:
            row = self._row(message, next(rows, None)) if self.journal else None
            accepted = self._policy(message.channel.topic).accepts(message.log_time_ns)
            dropped = not accepted and self.account.config.skip.on_skipped == "drop"
            if row.outcome != ANONYMIZED if row else dropped:
                self.findings.count("left out")
                return None
        place = message.channel.topic, message.log_time_ns
        is_optional = place in self.account.lost or self.account.has_more_lost
        return Expected(message, kept, row, is_optional and row is None)

    def _row(self, message: Message, row: Row | None) -> Row | None:
        place = message.channel.topic, message.log_time_ns
        if row is not None and (row.topic, row.log_time_ns) == place:
            return row
        told = f"has {at(row.topic, row.log_time_ns)} instead" if row else "ends before it"
        self.findings.breaks(at(*place), f"masks.db {told}: is the input another recording?")
        return None

    def _policy(self, topic: str) -> SkipPolicy:
        return self._policies.setdefault(topic, SkipPolicy(self.account.config.skip))


@dataclass
class Result:
    """The output.

    Attributes:
        side: what is met.
        keys: topics and types that it should have.
        findings: is told of others.
        counts: messages by topic.
    """

    side: Side
    keys: frozenset[Key]
    findings: Findings
    counts: Counter[str] = field(default_factory=Counter)
    _strange: set[Key] = field(default_factory=set)

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
        if key not in self._strange:
            self._strange.add(key)
            problem = f"of type {channel.type_name} is in the output, where it must not be"
            self.findings.breaks(channel.topic, problem)
        return False
