"""Check the marks of images and recordings in which a model drew persons or targets."""

from collections import Counter
from dataclasses import dataclass, field

from anon_ros.bags.run_files.masks_db import MasksDb
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.metadata import find_mark, make_custom_data
from anon_ros.bags.storage.records import MARK_NAME, MetadataRecord
from anon_ros.bags.verify.findings import Findings
from anon_ros.bags.verify.message_matcher import ExpectedMessage, TopicKey
from anon_ros.bags.verify.pixel_checks import ImageComparison
from anon_ros.bags.verify.scans import BagScan

_LOST = "has lost the mark that a model drew"
_FALSE = "says of what a model drew what report.json does not"


@dataclass
class ImageMarkChecker:
    """Comparison of the marks of images with what the run says that it drew.

    Attributes:
        report: of the run.
        findings: of the verification.
    """

    report: RunReport
    findings: Findings
    _num_marked: Counter[TopicKey] = field(default_factory=Counter)
    _num_added: Counter[TopicKey] = field(default_factory=Counter)

    def check(self, place: str, expected: ExpectedMessage, comparison: ImageComparison) -> None:
        """Check an image; one without a record in masks.db counts for ``check_totals``."""
        if comparison.is_marked is None:
            return
        record = expected.record
        if record is None:
            is_added = comparison.is_marked and not comparison.was_marked
            self._num_marked[expected.key] += comparison.is_marked
            self._num_added[expected.key] += is_added
            return
        is_drawn = self.report.mark is not None and record.num_inpainted > 0
        if comparison.is_marked and not (is_drawn or comparison.was_marked):
            problem = "the file is marked as drawn by a model, yet nothing was"
            self.findings.add_error(place, problem)
        if not comparison.is_marked and (is_drawn or comparison.was_marked):
            self.findings.add_warning(place, f"the file {_LOST}")

    def check_totals(self) -> None:
        """Check how many images without a record are marked, after the last of them."""
        for topic in self.report.topics_by_key.values():
            key = topic.output_topic, topic.type_name
            if key not in self._num_marked:
                continue
            num_drawn = topic.images.drawn if topic.images and self.report.mark else 0
            num_missing = num_drawn - self._num_marked[key]
            num_false = self._num_added[key] - num_drawn
            if num_missing > 0:
                problem = f"{num_missing} files have lost the mark that a model drew"
                self.findings.add_warning(topic.output_topic, problem)
            if num_false > 0:
                problem = f"{num_false} files are marked as drawn by a model, yet nothing was"
                self.findings.add_error(topic.output_topic, problem)


def check_recording_mark(
    source: BagScan,
    output: BagScan,
    report: RunReport,
    masks_db: MasksDb | None,
    findings: Findings,
) -> None:
    """Check custom data and metadata records of a recording.

    Args:
        source: the input, scanned to its end.
        output: the output, scanned to its end.
        report: of the run.
        masks_db: of the run; None without it.
        findings: gets errors for false marks, warnings for lost ones.
    """
    _check_custom_data(source, output, report, findings)
    if output.bag.storage == "mcap":
        # Without masks.db nobody knows in how many files a model drew.
        num_drawn = masks_db.count_inpainted_files() if masks_db else 1
        _check_records(source, output, report, num_drawn, findings)


def _check_records(
    source: BagScan, output: BagScan, report: RunReport, num_drawn: int, findings: Findings
) -> None:
    if source.marks - output.marks:
        findings.add_error(f"metadata {MARK_NAME}", "is missing in the output, or changed")
    added = output.marks - source.marks
    if report.mark is not None:
        key = tuple(sorted(MetadataRecord.of_mark(report.mark).values.items()))
        num_missing = num_drawn - added.pop(key, 0)
        if num_missing > 0:
            problem = f"{num_missing} MCAP files have lost the mark that a model drew"
            findings.add_warning(str(output.bag.path), problem)
    if added:
        findings.add_error(f"metadata {MARK_NAME}", _FALSE)


def _check_custom_data(
    source: BagScan, output: BagScan, report: RunReport, findings: Findings
) -> None:
    if output.metadata is None:
        return
    inherited, actual = find_mark(source.metadata), find_mark(output.metadata)
    expected = inherited if report.mark is None else make_custom_data(report.mark)
    if expected and not actual:
        findings.add_warning(str(output.bag.path), f"custom_data in the metadata {_LOST}")
    elif actual != expected:
        findings.add_error(str(output.bag.path), f"custom_data in the metadata {_FALSE}")
