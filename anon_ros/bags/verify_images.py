"""The images of an anonymized recording, one by one."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from anon_ros.bags.account import Account
from anon_ros.bags.bag import Bag
from anon_ros.bags.compare import Compared, compare_frames
from anon_ros.bags.findings import Findings, at
from anon_ros.bags.frames import read_frame
from anon_ros.bags.instep import Expected, Key
from anon_ros.bags.records import Message
from anon_ros.bags.review import Doubtful, Sheet
from anon_ros.bags.second_look import Look, SecondLook
from anon_ros.bags.survey import plain_data
from anon_ros.errors import ImageFormatError

_REASONS = 2
# What comes first in the sheet; in it, what is likelier.
_SUSPECTED, _LOOKS_SAME, _COVERED = 4.0, 3.0, 1.0


@dataclass
class ImageVerifier:
    """Compares images with those that they were made from, and looks at them once more.

    Attributes:
        source: the input.
        output: made from it.
        account: that lies beside the output.
        findings: of the verification.
        second: looks once more; None for not.
        sheet: the most doubtful images.
        counts: images by topic and type.
        same: images that are those of the input, of which it is not known who is in them.
    """

    source: Bag
    output: Bag
    account: Account
    findings: Findings
    second: SecondLook | None
    sheet: Sheet = field(default_factory=Sheet)
    counts: Counter[Key] = field(default_factory=Counter)
    same: int = 0

    def compare(self, expected: Expected, found: Message) -> None:
        place = at(found.channel.topic, found.log_time_ns)
        self.counts[expected.key] += 1
        compared = self._compared(expected, found)
        self.same += compared.is_same and expected.row is None
        for told in compared.problems:
            self.findings.breaks(place, told)
        for told in compared.doubts:
            self.findings.suspects(place, told)
        look = self._look(found, compared, is_known=expected.row is not None)
        for suspect in look.suspects:
            self.findings.suspects(place, str(suspect))
        if look.problem:
            self.findings.suspects(place, look.problem)
        if not compared.problems:
            self._offer(expected, found, compared, look)

    def finish(self, output: Path) -> None:
        """What only the totals tell."""
        for kept in self.account.kept.values():
            count = self.counts[kept.output_topic, kept.type_name]
            if kept.is_anonymized and count != kept.anonymized:
                told = f"report.json has {kept.anonymized} anonymized images, the output {count}"
                self.findings.breaks(kept.output_topic, told)
        if self.same > self.account.personless:
            told = (
                f"{self.same} images are those of the input, but in only {self.account.personless} "
                "was nobody found"
            )
            self.findings.breaks(str(output), told)

    def _compared(self, expected: Expected, found: Message) -> Compared:
        sides = (self.source, expected.message), (self.output, found)
        try:
            before, after = (read_frame(m.channel, plain_data(bag, m.data)) for bag, m in sides)
        except ImageFormatError as error:
            return Compared([str(error)])
        quality = self.account.config.output.jpeg_quality
        return compare_frames(before, after, expected.row, quality)

    def _look(self, found: Message, compared: Compared, *, is_known: bool) -> Look:
        """Nothing, if it is not this image's turn or it cannot be judged."""
        if self.second is None or not self.second.wants(found.channel.topic):
            return Look()
        if compared.image is None or (is_known and compared.mask is None):
            return Look()  # broken
        self.findings.count("second looks")
        return self.second.look(compared.image, compared.mask)

    def _offer(self, expected: Expected, found: Message, compared: Compared, look: Look) -> None:
        reasons = [*map(str, look.suspects), *([look.problem] if look.problem else [])]
        reasons += compared.doubts
        covered = list(expected.row.covered) if expected.row else []
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
            self.sheet.offer(Doubtful(doubt, topic, time_ns, reasons, boxes), compared.image)
