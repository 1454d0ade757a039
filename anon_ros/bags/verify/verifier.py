"""Verify an anonymized bag against the bag that it was made from."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from anon_ros.bags.run_files.masks_db import MASKS, MasksDb
from anon_ros.bags.run_files.report import RunReport, sidecar_path
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import Message
from anon_ros.bags.verify.copy_checks import CopyChecker
from anon_ros.bags.verify.findings import Findings, format_location
from anon_ros.bags.verify.image_checks import ImageChecker
from anon_ros.bags.verify.mark_checks import check_recording_mark
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
from anon_ros.config import IGNORED_REGIONS, ignores_regions, list_targets
from anon_ros.core import Segmenter
from anon_ros.errors import BagError
from anon_ros.utils.progress import ProgressListener

_MAX_LISTED = 100


@dataclass(frozen=True)
class VerifyJob:
    """The task of a verification.

    Attributes:
        source: the input.
        output: made from it by ``anonymize_bag``.
        report: of the run.
        scratch: folder in which files may be decompressed for the moment.
        load_segmenter: loads the segmenter for re-detection; None for no re-detection.
        every_nth: images of a topic of which one is searched.
    """

    source: Bag
    output: Bag
    report: RunReport
    scratch: Path
    load_segmenter: Callable[[], Segmenter] | None
    every_nth: int

    @property
    def masks_path(self) -> Path | None:
        """Path of masks.db; None if there is none."""
        path = sidecar_path(self.output, MASKS)
        return path if path.is_file() else None


def verify_bag(job: VerifyJob, progress: ProgressListener) -> tuple[Findings, ReviewPage]:
    """Compare two bags, message by message.

    Args:
        job: the task.
        progress: counts the messages.

    Returns:
        The findings, and a page with the most doubtful images.

    Raises:
        BagError: if the two cannot be compared.
        BagDamageError: if a file cannot even be opened.
        ModelError: if the segmenter cannot be loaded.
        OSError, sqlite3.Error: if a file cannot be read.
    """
    _require_same_ros(job.source, job.output)
    findings = Findings()
    if job.output.path.is_dir() and job.output.metadata is None:
        problem = "metadata.yaml is missing or damaged, or names a file that is not there"
        findings.add_error(str(job.output.path), problem)
    if ignores_regions(job.report.config):
        findings.add_warning(str(job.output.path), IGNORED_REGIONS)
    if names := list_targets(job.report.config):
        note = f"targets that were missed ({', '.join(names)}): re-detection looks for persons"
        findings.not_checked.append(note)
    redetector = _load_redetector(job, findings)
    images = ImageChecker(job.source, job.output, job.report, findings, redetector)
    _Verifier(job, findings, images, progress).run()
    return findings, images.page


def _require_same_ros(source: Bag, output: Bag) -> None:
    if (source.storage == "ros1") != (output.storage == "ros1"):
        message = (
            f"one of {source.path} and {output.path} is of ROS 1, the other of ROS 2: all messages "
            "were converted, so that no bytes can be compared; anonymize to a .bag and verify that"
        )
        raise BagError(message)


def _load_redetector(job: VerifyJob, findings: Findings) -> Redetector | None:
    """Return None if nothing can be searched, and note the reason."""
    if not job.report.image_counts.anonymized:
        return None
    if job.masks_path is None:
        note = "pixels outside the replaced ones, and person by person: there is no masks.db"
        findings.not_checked.append(note)
    if job.load_segmenter is None:
        findings.not_checked.append("persons who were missed: re-detection was skipped")
        return None
    if job.masks_path is None and job.report.has_synthetic_persons:
        problem = (
            "re-detection cannot tell synthetic persons from missed ones, as the masks were not "
            "kept (--no-masks) or masks.db is gone"
        )
        findings.add_warning(str(job.output.path), problem)
        return None
    if job.every_nth > 1:
        note = f"persons who were missed, in all but every {job.every_nth}th image of a topic"
        findings.not_checked.append(note)
    return Redetector(job.load_segmenter(), job.every_nth)


@dataclass
class _Verifier:
    """A single scan of both bags."""

    job: VerifyJob
    findings: Findings
    images: ImageChecker
    progress: ProgressListener
    _num_missing: Counter[TopicKey] = field(default_factory=Counter)
    _missing_times_ns: dict[TopicKey, list[int]] = field(default_factory=dict)
    _copies: CopyChecker = field(init=False)

    def __post_init__(self) -> None:
        self._copies = CopyChecker(self.findings)

    def run(self) -> None:
        job, report = self.job, self.job.report
        source, output = (BagScan(bag, job.scratch) for bag in (job.source, job.output))
        keys = frozenset((t.output_topic, t.type_name) for t in report.topics_by_key.values())
        output_scan = OutputScan(output, keys, self.findings)
        with ExitStack() as stack:
            masks_db = None
            if job.masks_path is not None:
                masks_db = stack.enter_context(closing(MasksDb(job.masks_path)))
            input_scan = InputScan(source, report, masks_db, self.findings)
            expected = stack.enter_context(closing(input_scan.iter_messages()))
            messages = stack.enter_context(closing(output_scan.iter_messages()))
            for pair in MessageMatcher(expected, messages).iter_pairs():
                self._check_pair(*pair)
            check_recording_mark(source, output, report, masks_db, self.findings)
        self._copies.check_attachments(report)
        self._report_missing(output)
        self._report_damage(source, output)
        compare_channels(source, output, self.findings)
        compare_attachments(source, output, self.findings)
        compare_counts(job.output, report, output_scan.counts, self.findings)
        compare_qos(job.source, job.output, report, self.findings)
        self.images.check_totals()

    def _check_pair(self, expected: ExpectedMessage | None, message: Message | None) -> None:
        if expected is None:
            assert message is not None  # noqa: S101 - narrows the type
            place = format_location(message.channel.topic, message.log_time_ns)
            problem = "the input has no such message, or it was to be left out"
            self.findings.add_error(place, problem)
        elif message is None:
            self._note_missing(expected)
        else:
            self.findings.count("messages")
            self._compare_messages(expected, message)

    def _compare_messages(self, expected: ExpectedMessage, message: Message) -> None:
        source = expected.message
        place = format_location(message.channel.topic, message.log_time_ns)
        if source.log_time_ns != message.log_time_ns:
            problem = f"the input has {source.log_time_ns} ns as log time; not compared further"
            self.findings.add_error(place, problem)
            return
        self._compare_mcap_fields(source, message, place)
        if expected.topic.is_anonymized:
            num_persons = len(expected.record.boxes_xyxy) if expected.record else 0
            self.findings.count("images")
            self.findings.count("persons", num_persons)
            self.images.check(expected, message)
            self.progress.advance(num_persons, is_new=True)
        else:
            self._copies.check(source, self.job.source.decompress)
            self.findings.count("copies")
            self._compare_copy(source.data, message.data, place)
            self.progress.add_bytes(len(message.data))

    def _compare_mcap_fields(self, source: Message, message: Message, place: str) -> None:
        if not self.job.source.storage == self.job.output.storage == "mcap":
            return
        for name in ("publish_time_ns", "sequence"):
            input_value, output_value = getattr(source, name), getattr(message, name)
            if input_value != output_value:
                self.findings.add_error(place, f"{name} {input_value} became {output_value}")

    def _compare_copy(self, input_data: bytes, output_data: bytes, place: str) -> None:
        source, output = self.job.source, self.job.output
        if input_data == output_data and source.compression == output.compression:
            return
        plain_data = source.decompress(input_data)
        if not plain_data or plain_data != output.decompress(output_data):
            self.findings.add_error(place, "the bytes differ from those of the input")

    def _note_missing(self, expected: ExpectedMessage) -> None:
        """Note a missing message for ``_report_missing``.

        A topic of which everything is missing is a single finding.
        """
        if expected.is_optional:
            self.findings.count("left out")
            return
        self._num_missing[expected.key] += 1
        times_ns = self._missing_times_ns.setdefault(expected.key, [])
        if len(times_ns) < _MAX_LISTED:
            times_ns.append(expected.message.log_time_ns)

    def _report_missing(self, output: BagScan) -> None:
        for topic in self.job.report.topics_by_key.values():
            key = topic.output_topic, topic.type_name
            num_missing = self._num_missing[key]
            if not output.channels.get(key):
                problem = f"the topic of type {topic.type_name} is missing in the output"
                problem = f"{problem}, with {num_missing} messages of the input"
                self.findings.add_error(topic.output_topic, problem)
                continue
            times_ns = self._missing_times_ns.get(key, [])
            for time_ns in times_ns:
                place = format_location(topic.output_topic, time_ns)
                self.findings.add_error(place, "the message is missing in the output")
            if num_missing > len(times_ns):
                problem = f"{num_missing - len(times_ns)} more messages are missing in the output"
                self.findings.add_error(topic.output_topic, problem)

    def _report_damage(self, source: BagScan, output: BagScan) -> None:
        for loss in output.losses.losses:
            self.findings.add_error(str(self.job.output.path), f"is damaged: {loss}")
        if not source.losses.count:
            return
        report, losses = self.job.report, source.losses
        problem = f"the input is damaged at {losses.count} places ({losses.losses[0]})"
        if report.num_losses:  # --salvage went on behind it
            self.findings.not_checked.append(f"unreadable parts: {problem}")
        else:
            self.findings.add_error(str(self.job.source.path), problem)
