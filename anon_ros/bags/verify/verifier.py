"""An anonymized recording against the one that it was made from."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import Message
from anon_ros.bags.verify.findings import Findings, format_location
from anon_ros.bags.verify.image_checks import ImageChecker
from anon_ros.bags.verify.message_matcher import ExpectedMessage, MessageMatcher, TopicKey
from anon_ros.bags.verify.metadata_checks import (
    compare_attachments,
    compare_channels,
    compare_counts,
    compare_qos,
)
from anon_ros.bags.verify.redetection import Redetector
from anon_ros.bags.verify.review_page import ReviewPage
from anon_ros.bags.verify.scans import BagScan, InputScan, OutputScan
from anon_ros.core import Segmenter
from anon_ros.errors import BagError
from anon_ros.utils.progress import ProgressListener

_TOLD_MISSING = 100


@dataclass(frozen=True)
class VerifyJob:
    """What is to be compared.

    Attributes:
        source: the input.
        output: made from it by ``anonymize_bag``.
        report: that lies beside the output.
        scratch: folder in which files may be decompressed for the moment.
        load_segmenter: loads the segmenter for the second look; None for none.
        every_nth: images of a topic of which one gets a second look.
    """

    source: Bag
    output: Bag
    report: RunReport
    scratch: Path
    load_segmenter: Callable[[], Segmenter] | None
    every_nth: int


def verify_bag(comparison: VerifyJob, progress: ProgressListener) -> tuple[Findings, ReviewPage]:
    """Compare two recordings, message by message.

    Args:
        comparison: what is to be compared.
        progress: is told.

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
    if output.path.is_dir() and output.metadata is None:
        told = "metadata.yaml is missing or damaged, or names a file that is not there"
        findings.add_error(str(output.path), told)
    second = _second_look(comparison, findings)
    images = ImageChecker(source, output, comparison.report, findings, second)
    _Verifier(comparison, findings, images, progress).run()
    return findings, images.sheet


def _second_look(comparison: VerifyJob, findings: Findings) -> Redetector | None:
    account = comparison.report
    if not any(kept.anonymized for kept in account.topics.values()):
        return None
    if account.masks is None:
        told = "pixels outside of what was replaced, and each person: there is no masks.db"
        findings.not_checked.append(told)
    if comparison.load_segmenter is None:
        findings.not_checked.append("who can still be found: no second look was asked for")
        return None
    if account.masks is None and account.has_synthetic_persons:
        told = (
            "a second look cannot tell synthetic persons from missed ones, as the masks were not "
            "kept (--no-masks) or masks.db is gone"
        )
        findings.add_warning(str(comparison.output.path), told)
        return None
    if comparison.every_nth > 1:
        told = f"who can still be found, in all but every {comparison.every_nth}th image of a topic"
        findings.not_checked.append(told)
    return Redetector(comparison.load_segmenter(), comparison.every_nth)


@dataclass
class _Verifier:
    """One walk through both recordings."""

    comparison: VerifyJob
    findings: Findings
    images: ImageChecker
    progress: ProgressListener
    _missing: Counter[TopicKey] = field(default_factory=Counter)
    _first_missing: dict[TopicKey, list[int]] = field(default_factory=dict)

    def run(self) -> None:
        comparison, account = self.comparison, self.comparison.report
        before, after = (
            BagScan(bag, comparison.scratch) for bag in (comparison.source, comparison.output)
        )
        keys = frozenset((k.output_topic, k.type_name) for k in account.topics.values())
        result = OutputScan(after, keys, self.findings)
        with ExitStack() as stack:
            journal = None
            if account.masks is not None:
                journal = stack.enter_context(closing(Journal(account.masks, read_only=True)))
            source = InputScan(before, account, journal, self.findings)
            expected = stack.enter_context(closing(source.messages()))
            found = stack.enter_context(closing(result.messages()))
            for pair in MessageMatcher(expected, found).pairs():
                self._compare(*pair)
        self._report_missing(after)
        self._report_damage(before, after)
        compare_channels(before, after, self.findings)
        compare_attachments(before, after, self.findings)
        compare_counts(comparison.output, account, result.counts, self.findings)
        compare_qos(comparison.source, comparison.output, account, self.findings)
        self.images.finish(comparison.output.path)

    def _compare(self, expected: ExpectedMessage | None, found: Message | None) -> None:
        if expected is None:
            assert found is not None  # noqa: S101 - narrows the type
            place = format_location(found.channel.topic, found.log_time_ns)
            told = "the input has no such message, or it was to be left out"
            self.findings.add_error(place, told)
        elif found is None:
            self._note_missing(expected)
        else:
            self.findings.count("messages")
            self._compare_both(
                expected, found, format_location(found.channel.topic, found.log_time_ns)
            )

    def _compare_both(self, expected: ExpectedMessage, found: Message, place: str) -> None:
        message = expected.message
        if message.log_time_ns != found.log_time_ns:
            told = f"the input has {message.log_time_ns} ns as log time; not compared further"
            self.findings.add_error(place, told)
            return
        if self.comparison.source.storage == self.comparison.output.storage == "mcap":
            for name in ("publish_time_ns", "sequence"):
                one, other = getattr(message, name), getattr(found, name)
                if one != other:
                    self.findings.add_error(place, f"{name} {one} became {other}")
        if expected.kept.is_anonymized:
            self.findings.count("images")
            persons = len(expected.row.boxes_xyxy) if expected.row else 0
            self.findings.count("persons", persons)
            self.images.compare(expected, found)
            self.progress.advance(persons)
        else:
            self.findings.count("copies")
            self._compare_copy(message.data, found.data, place)
            self.progress.add_bytes(len(found.data))

    def _compare_copy(self, before: bytes, after: bytes, place: str) -> None:
        if before == after and (
            self.comparison.source.compression == self.comparison.output.compression
        ):
            return
        plain = self.comparison.source.decompress(before)
        if not plain or plain != self.comparison.output.decompress(after):
            self.findings.add_error(place, "the bytes differ from those of the input")

    def _note_missing(self, expected: ExpectedMessage) -> None:
        """Told at the end: a topic of which everything is missing is one finding."""
        if expected.is_optional:
            self.findings.count("left out")
            return
        self._missing[expected.key] += 1
        times_ns = self._first_missing.setdefault(expected.key, [])
        if len(times_ns) < _TOLD_MISSING:
            times_ns.append(expected.message.log_time_ns)

    def _report_missing(self, result: BagScan) -> None:
        for kept in self.comparison.report.topics.values():
            topic, type_name = kept.output_topic, kept.type_name
            count = self._missing[topic, type_name]
            if not result.channels.get((topic, type_name)):
                told = f"the topic of type {type_name} is missing in the output"
                self.findings.add_error(topic, f"{told}, with {count} messages of the input")
                continue
            times_ns = self._first_missing.get((topic, type_name), [])
            for time_ns in times_ns:
                self.findings.add_error(
                    format_location(topic, time_ns), "the message is missing in the output"
                )
            if count > len(times_ns):
                told = f"{count - len(times_ns)} more messages are missing in the output"
                self.findings.add_error(topic, told)

    def _report_damage(self, before: BagScan, after: BagScan) -> None:
        for entry in after.losses.losses:
            self.findings.add_error(str(self.comparison.output.path), f"is damaged: {entry}")
        if not before.losses.count:
            return
        account = self.comparison.report
        told = f"the input is damaged at {before.losses.count} places ({before.losses.losses[0]})"
        if account.losses or account.has_more_lost:  # --salvage went on behind it
            self.findings.not_checked.append(f"what could not be read: {told}")
        else:
            self.findings.add_error(str(self.comparison.source.path), told)
