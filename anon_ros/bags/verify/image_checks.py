"""Check the images of an anonymized bag, one by one."""

from collections import Counter
from dataclasses import dataclass, field, replace

from anon_ros.bags.messages import deserialize_image
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import Message
from anon_ros.bags.verify.findings import Findings, format_location
from anon_ros.bags.verify.mark_checks import ImageMarkChecker
from anon_ros.bags.verify.message_matcher import ExpectedMessage, TopicKey
from anon_ros.bags.verify.pixel_checks import ImageComparison, compare_images
from anon_ros.bags.verify.redetection import RedetectionResult, Redetector
from anon_ros.bags.verify.review_page import ReviewFrame, ReviewPage
from anon_ros.core import RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import describe_reduction, equalize_dim, equalize_tone

_MAX_REASONS = 2
_MAX_COUNTED_PERSONS = 99
# Classes of priority on the review page; within a class, the fraction decides.
_MISSED_PRIORITY, _WARNING_PRIORITY, _COVERED_PRIORITY = 4.0, 3.0, 1.0


@dataclass
class ImageChecker:
    """Comparison of images with those of the input, and re-detection.

    Attributes:
        source: the input.
        output: the output.
        report: of the run.
        findings: of the verification.
        redetector: searches the images; None for no re-detection.
        page: gets the most doubtful images.
        counts: images by topic and type.
        num_unchanged: images that equal those of the input, and have no record in masks.db.
    """

    source: Bag
    output: Bag
    report: RunReport
    findings: Findings
    redetector: Redetector | None
    page: ReviewPage = field(default_factory=ReviewPage)
    counts: Counter[TopicKey] = field(default_factory=Counter)
    num_unchanged: int = 0
    _reduced_topics: set[str] = field(default_factory=set)
    _marks: ImageMarkChecker = field(init=False)

    def __post_init__(self) -> None:
        self._marks = ImageMarkChecker(self.report, self.findings)

    def check(self, expected: ExpectedMessage, message: Message) -> None:
        """Check an image of the output.

        Args:
            expected: its message in the input.
            message: in the output.
        """
        place = format_location(message.channel.topic, message.log_time_ns)
        self.counts[expected.key] += 1
        comparison = self._compare(expected, message)
        self.num_unchanged += comparison.is_unchanged and expected.record is None
        for problem in comparison.problems:
            self.findings.add_error(place, problem)
        self._check_size(message.channel.topic, comparison)
        self._marks.check(place, expected, comparison)
        has_record = expected.record is not None
        redetection = self._redetect(expected, message, comparison, has_record=has_record)
        self._judge_replaced(place, comparison, redetection)
        warnings = [*map(str, redetection.missed_persons), redetection.problem]
        for problem in [*comparison.warnings, *filter(None, warnings)]:
            self.findings.add_warning(place, problem)
        if not comparison.problems:
            self._offer_frame(expected, message, comparison, redetection)

    def _check_size(self, topic: str, comparison: ImageComparison) -> None:
        """Warn once per topic of images that the run searched much reduced."""
        if comparison.image is None or topic in self._reduced_topics:
            return
        height_px, width_px = comparison.image.shape[:2]
        inference_px = self.report.config.detect.inference_px
        if warning := describe_reduction(width_px, height_px, inference_px):
            self._reduced_topics.add(topic)
            self.findings.add_warning(topic, warning)

    def check_totals(self) -> None:
        """Check the numbers of images, after the last of them."""
        self._marks.check_totals()
        for topic in self.report.topics_by_key.values():
            count = self.counts[topic.output_topic, topic.type_name]
            expected = topic.images.anonymized if topic.images else 0
            if topic.is_anonymized and count != expected:
                problem = f"report.json has {expected} anonymized images, the output {count}"
                self.findings.add_error(topic.output_topic, problem)
        if self.num_unchanged > self.report.num_empty_images:
            problem = (
                f"{self.num_unchanged} images are those of the input, but in only "
                f"{self.report.num_empty_images} nobody was detected"
            )
            self.findings.add_error(str(self.output.path), problem)

    def _compare(self, expected: ExpectedMessage, message: Message) -> ImageComparison:
        sides = (self.source, expected.message), (self.output, message)
        try:
            input_frame, output_frame = (
                deserialize_image(side.channel, bag.decompress(side.data)) for bag, side in sides
            )
        except ImageFormatError as error:
            return ImageComparison([str(error)])
        config = self.report.config
        quality, max_pixels = config.output.jpeg_quality, config.fail.max_pixels
        return compare_images(input_frame, output_frame, expected.record, quality, max_pixels)

    def _redetect(
        self,
        expected: ExpectedMessage,
        message: Message,
        comparison: ImageComparison,
        *,
        has_record: bool,
    ) -> RedetectionResult:
        """Return an empty result if the image is not due, or has errors that forbid it."""
        if self.redetector is None or not self.redetector.is_due(message.channel.topic):
            return RedetectionResult()
        if comparison.image is None or (has_record and comparison.mask is None):
            return RedetectionResult()
        self.findings.count("redetections")
        image, input_image = self._decode_equalized(self.output, message), None
        if comparison.mask is not None and comparison.mask.any():
            input_image = self._decode_equalized(self.source, expected.message)
        return self.redetector.redetect(image, comparison.mask, input_image)

    def _decode_equalized(self, bag: Bag, message: Message) -> RgbImage:
        """Map 16 bits and dim scenes otherwise than the run, which may have seen nobody."""
        frame = deserialize_image(message.channel, bag.decompress(message.data))
        image = replace(frame, tone_rule=equalize_tone).decode(self.report.config.fail.max_pixels)
        return equalize_dim(image)

    def _judge_replaced(
        self, place: str, comparison: ImageComparison, redetection: RedetectionResult
    ) -> None:
        """Find persons who look as in the input though masks.db says that they were replaced."""
        if comparison.persons is None or comparison.problems or comparison.warnings:
            return
        for box_xyxy in redetection.replaced_boxes_xyxy:
            problem, warning = comparison.persons.check_person(box_xyxy)
            comparison.warnings += [warning] if warning else []
            if problem:
                comparison.problems.append(problem)
                self.findings.add_error(place, problem)

    def _offer_frame(
        self,
        expected: ExpectedMessage,
        message: Message,
        comparison: ImageComparison,
        redetection: RedetectionResult,
    ) -> None:
        """Offer a frame to the review page, if there is any reason to look at it."""
        reasons = [*map(str, redetection.missed_persons), redetection.problem, *comparison.warnings]
        reasons = list(filter(None, reasons))
        covered = [text for _, text in expected.record.cover_reasons] if expected.record else []
        priority = _find_priority(redetection, len(covered), has_reasons=bool(reasons))
        if not priority or comparison.image is None:
            return
        if covered:
            reasons.append(_summarize_covers(covered))
        if redetection.min_score is not None:
            reasons.append(f"lowest score of re-detection: {redetection.min_score:.2f}")
        boxes_xyxy = [person.box_xyxy for person in redetection.missed_persons]
        topic, time_ns = message.channel.topic, message.log_time_ns
        frame = ReviewFrame(priority, topic, time_ns, reasons, boxes_xyxy)
        self.page.offer(frame, comparison.image)


def _find_priority(redetection: RedetectionResult, num_covered: int, *, has_reasons: bool) -> float:
    """Return the priority of a frame on the review page; 0 to leave it out."""
    if redetection.missed_persons:
        return _MISSED_PRIORITY + max(person.score for person in redetection.missed_persons)
    if has_reasons:
        return _WARNING_PRIORITY
    if num_covered:
        return _COVERED_PRIORITY + min(num_covered, _MAX_COUNTED_PERSONS) / 100
    return 0.0 if redetection.min_score is None else 1 - redetection.min_score


def _summarize_covers(reasons: list[str]) -> str:
    frequent = "; ".join(reason for reason, _ in Counter(reasons).most_common(_MAX_REASONS))
    ellipsis = "; ..." if len(set(reasons)) > _MAX_REASONS else ""
    return f"{len(reasons)} persons covered, not inpainted: {frequent}{ellipsis}"
