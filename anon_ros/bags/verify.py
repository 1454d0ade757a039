"""An anonymized recording against the one that it was made from."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from anon_ros.bags.account import Account
from anon_ros.bags.announced import (
    compare_channels,
    compare_counts,
    compare_extras,
    compare_profiles,
)
from anon_ros.bags.bag import Bag
from anon_ros.bags.findings import Findings, at
from anon_ros.bags.instep import Expected, InStep, Key
from anon_ros.bags.journal import Journal
from anon_ros.bags.records import Message
from anon_ros.bags.review import Sheet
from anon_ros.bags.second_look import SecondLook
from anon_ros.bags.survey import plain_data
from anon_ros.bags.verify_images import ImageVerifier
from anon_ros.bags.walk import Result, Side, Source
from anon_ros.core import Segmenter
from anon_ros.errors import BagError

_TOLD_MISSING = 100


class Watcher(Protocol):
    """Who is told how far the work is."""

    def frame(self, persons: int, *, is_new: bool) -> None:
        """An image has been compared."""
        ...

    def copied(self, data_bytes: int) -> None:
        """A message that is no image has been compared."""
        ...


@dataclass(frozen=True)
class Comparison:
    """What is to be compared.

    Attributes:
        source: the input.
        output: made from it by ``run_job``.
        account: that lies beside the output.
        scratch: folder in which files may be decompressed for the moment.
        load: loads the segmenter for the second look; None for none.
        every_nth: images of a topic of which one gets a second look.
    """

    source: Bag
    output: Bag
    account: Account
    scratch: Path
    load: Callable[[], Segmenter] | None
    every_nth: int


def verify(comparison: Comparison, watcher: Watcher) -> tuple[Findings, Sheet]:
    """Compare two recordings, message by message.

    Args:
        comparison: what is to be compared.
        watcher: is told.

    Returns:
        What was found, and the most doubtful images.

    Raises:
        BagError: if the two cannot be compared.
        BagDamageError: if a file cannot even be opened.
        ModelError: if the segmenter cannot be loaded.
        OSError, sqlite3.Error: if a file cannot be read.
    """
    source, output = comparison.source, comparison.output
    if (source.storage == "ros1") != (output.storage == "ros1"):
        message = (
            f"one of {source.path} and {output.path} is of ROS 1, the other of ROS 2: all messages "
            "were converted, so that no bytes can be compared; anonymize to a .bag and verify that"
        )
        raise BagError(message)
    findings = Findings()
    if output.path.is_dir() and output.information is None:
        told = "metadata.yaml is missing or damaged, or names a file that is not there"
        findings.breaks(str(output.path), told)
    second = _second_look(comparison, findings)
    images = ImageVerifier(source, output, comparison.account, findings, second)
    _Run(comparison, findings, images, watcher).walk()
    return findings, images.sheet


def _second_look(comparison: Comparison, findings: Findings) -> SecondLook | None:
    account = comparison.account
    if not any(kept.anonymized for kept in account.kept.values()):
        return None
    if account.masks is None:
        told = "pixels outside of what was replaced, and each person: there is no masks.db"
        findings.unchecked.append(told)
    if comparison.load is None:
        findings.unchecked.append("who can still be found: no second look was asked for")
        return None
    if account.masks is None and account.shows_synthetic:
        told = (
            "a second look cannot tell synthetic persons from missed ones, as the masks were not "
            "kept (--no-masks) or masks.db is gone"
        )
        findings.suspects(str(comparison.output.path), told)
        return None
    if comparison.every_nth > 1:
        told = f"who can still be found, in all but every {comparison.every_nth}th image of a topic"
        findings.unchecked.append(told)
    return SecondLook(comparison.load(), comparison.every_nth)


@dataclass
class _Run:
    """One walk through both recordings."""

    comparison: Comparison
    findings: Findings
    images: ImageVerifier
    watcher: Watcher
    _missing: Counter[Key] = field(default_factory=Counter)
    _first_missing: dict[Key, list[int]] = field(default_factory=dict)

    def walk(self) -> None:
        comparison, account = self.comparison, self.comparison.account
        before, after = (
            Side(bag, comparison.scratch) for bag in (comparison.source, comparison.output)
        )
        keys = frozenset((k.output_topic, k.type_name) for k in account.kept.values())
        result = Result(after, keys, self.findings)
        with ExitStack() as stack:
            journal = None
            if account.masks is not None:
                journal = stack.enter_context(closing(Journal(account.masks, read_only=True)))
            source = Source(before, account, journal, self.findings)
            expected = stack.enter_context(closing(source.messages()))
            found = stack.enter_context(closing(result.messages()))
            for pair in InStep(expected, found).pairs():
                self._compare(*pair)
        self._tell_missing(after)
        self._tell_damage(before, after)
        compare_channels(before, after, self.findings)
        compare_extras(before, after, self.findings)
        compare_counts(comparison.output, account, result.counts, self.findings)
        compare_profiles(comparison.source, comparison.output, account, self.findings)
        self.images.finish(comparison.output.path)

    def _compare(self, expected: Expected | None, found: Message | None) -> None:
        if expected is None:
            assert found is not None  # noqa: S101 - narrows the type
            place = at(found.channel.topic, found.log_time_ns)
            told = "the input has no such message, or it was to be left out"
            self.findings.breaks(place, told)
        elif found is None:
            self._note_missing(expected)
        else:
            self.findings.count("messages")
            self._compare_both(expected, found, at(found.channel.topic, found.log_time_ns))

    def _compare_both(self, expected: Expected, found: Message, place: str) -> None:
        message = expected.message
        if message.log_time_ns != found.log_time_ns:
            told = f"the input has {message.log_time_ns} ns as log time; not compared further"
            self.findings.breaks(place, told)
            return
        if self.comparison.source.storage == self.comparison.output.storage == "mcap":
            for name in ("publish_time_ns", "sequence"):
                one, other = getattr(message, name), getattr(found, name)
                if one != other:
                    self.findings.breaks(place, f"{name} {one} became {other}")
        if expected.kept.is_anonymized:
            self.findings.count("images")
            persons = len(expected.row.boxes_xyxy) if expected.row else 0
            self.findings.count("persons", persons)
            self.images.compare(expected, found)
            self.watcher.frame(persons, is_new=True)
        else:
            self.findings.count("copies")
            self._compare_copy(message.data, found.data, place)
            self.watcher.copied(len(found.data))

    def _compare_copy(self, before: bytes, after: bytes, place: str) -> None:
        if before == after and (
            self.comparison.source.compression == self.comparison.output.compression
        ):
            return
        plain = plain_data(self.comparison.source, before)
        if not plain or plain != plain_data(self.comparison.output, after):
            self.findings.breaks(place, "the bytes differ from those of the input")

    def _note_missing(self, expected: Expected) -> None:
        """Told at the end: a topic of which everything is missing is one finding."""
        if expected.is_optional:
            self.findings.count("left out")
            return
        self._missing[expected.key] += 1
        times_ns = self._first_missing.setdefault(expected.key, [])
        if len(times_ns) < _TOLD_MISSING:
            times_ns.append(expected.message.log_time_ns)

    def _tell_missing(self, result: Side) -> None:
        for kept in self.comparison.account.kept.values():
            topic, type_name = kept.output_topic, kept.type_name
            count = self._missing[topic, type_name]
            if not result.channels.get((topic, type_name)):
                told = f"the topic of type {type_name} is missing in the output"
                self.findings.breaks(topic, f"{told}, with {count} messages of the input")
                continue
            times_ns = self._first_missing.get((topic, type_name), [])
            for time_ns in times_ns:
                self.findings.breaks(at(topic, time_ns), "the message is missing in the output")
            if count > len(times_ns):
                told = f"{count - len(times_ns)} more messages are missing in the output"
                self.findings.breaks(topic, told)

    def _tell_damage(self, before: Side, after: Side) -> None:
        for entry in after.losses.entries:
            self.findings.breaks(str(self.comparison.output.path), f"is damaged: {entry}")
        if not before.losses.count:
            return
        account = self.comparison.account
        told = f"the input is damaged at {before.losses.count} places ({before.losses.entries[0]})"
        if account.lost or account.has_more_lost:  # --salvage went on behind it
            self.findings.unchecked.append(f"what could not be read: {told}")
        else:
            self.findings.breaks(str(self.comparison.source.path), told)
