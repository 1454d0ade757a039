"""The images of an anonymized recording, one by one."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from anon_ros.bags.messages import deserialize_image
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import Message
from anon_ros.bags.verify.findings import Findings, format_location
from anon_ros.bags.verify.message_matcher import ExpectedMessage, TopicKey
from anon_ros.bags.verify.pixel_checks import ImageComparison, compare_images
from anon_ros.bags.verify.redetection import RedetectionResult, Redetector
from anon_ros.bags.verify.review_page import ReviewFrame, ReviewPage
from anon_ros.errors import ImageFormatError

_REASONS = 2
# What comes first in the sheet; in it, what is likelier.
_SUSPECTED, _LOOKS_SAME, _COVERED = 4.0, 3.0, 1.0


@dataclass
class ImageChecker:
    """Compares images with those that they were made from, and looks at them once more.

    Attributes:
        source: the input.
        output: made from it.
        report: that lies beside the output.
        findings: of the verification.
        second: looks once more; None for not.
        sheet: the most doubtful images.
        counts: images by topic and type.
        same: images that are those of the input, of which it is not known who is in them.
    """

    source: Bag
    output: Bag
    report: RunReport
    findings: Findings
    second: Redetector | None
    sheet: ReviewPage = field(default_factory=ReviewPage)
    counts: Counter[TopicKey] = field(default_factory=Counter)
    same: int = 0

    def compare(self, expected: ExpectedMessage, found: Message) -> None:
        place = format_location(found.channel.topic, found.log_time_ns)
        self.counts[expected.key] += 1
        compared = self._compared(expected, found)
        self.same += compared.is_same and expected.row is None
        for told in compared.problems:
            self.findings.add_error(place, told)
        for told in compared.warnings:
            self.findings.add_warning(place, told)
        look = self._look(found, compared, is_known=expected.row is not None)
        for suspect in look.suspects:
            self.findings.add_warning(place, str(suspect))
        if look.problem:
            self.findings.add_warning(place, look.problem)
        if not compared.problems:
            self._offer(expected, found, compared, look)

    def finish(self, output: Path) -> None:
        """What only the totals tell."""
        for kept in self.report.topics.values():
            count = self.counts[kept.output_topic, kept.type_name]
            if kept.is_anonymized and count != kept.anonymized:
                told = f"report.json has {kept.anonymized} anonymized images, the output {count}"
                self.findings.add_error(kept.output_topic, told)
        if self.same > self.report.num_empty_images:
            told = (
                f"{self.same} images are those of the input, but in only "
                f"{self.report.num_empty_images} "
                "was nobody found"
            )
            self.findings.add_error(str(output), told)

    def _compared(self, expected: ExpectedMessage, found: Message) -> ImageComparison:
        sides = (self.source, expected.message), (self.output, found)
        try:
            before, after = (
                deserialize_image(m.channel, bag.decompress(m.data)) for bag, m in sides
            )
        except ImageFormatError as error:
            return ImageComparison([str(error)])
        quality = self.report.config.output.jpeg_quality
        return compare_images(before, after, expected.row, quality)

    def _look(
        self, found: Message, compared: ImageComparison, *, is_known: bool
    ) -> RedetectionResult:
        """Nothing, if it is not this image's turn or it cannot be judged."""
        if self.second is None or not self.second.is_due(found.channel.topic):
            return RedetectionResult()
        if compared.image is None or (is_known and compared.mask is None):
            return RedetectionResult()  # broken
        self.findings.count("second looks")
        return self.second.redetect(compared.image, compared.mask)

    def _offer(
        self,
        expected: ExpectedMessage,
        found: Message,
        compared: ImageComparison,
        look: RedetectionResult,
    ) -> None:
        reasons = [*map(str, look.suspects), *([look.problem] if look.problem else [])]
        reasons += compared.warnings
        covered = [text for _, text in expected.row.cover_reasons] if expected.row else []
        doubt = 0.0
        if look.suspects:
            doubt = _SUSPECTED + max(suspect.score for suspect in look.suspects)
        elif reasons:
            doubt = _LOOKS_SAME
        elif covered:
            doubt = _COVERED + min(len(covered), 99) / 100
        elif look.lowest_score is not None:
            doubt = 1 - look.lowest_score
        if covered:
            common = "; ".join(reason for reason, _ in Counter(covered).most_common(_REASONS))
            more = "; ..." if len(set(covered)) > _REASONS else ""
            reasons.append(f"{len(covered)} persons covered, not inpainted: {common}{more}")
        if look.lowest_score is not None:
            reasons.append(f"lowest score of the second look: {look.lowest_score:.2f}")
        if doubt and compared.image is not None:
            boxes = [suspect.box_xyxy for suspect in look.suspects]
            topic, time_ns = found.channel.topic, found.log_time_ns
            self.sheet.offer(ReviewFrame(doubt, topic, time_ns, reasons, boxes), compared.image)
