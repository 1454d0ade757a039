"""The part of the run report about a single topic."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anon_ros.bags.plan.decisions import DecisionOrigin, TopicAction


@dataclass(frozen=True)
class ImageCounts:
    """Image messages of a topic, and the persons in the anonymized ones.

    Attributes:
        anonymized: images that were written.
        skipped: images that were left out by the skip policy.
        lost: images that could not be read or anonymized.
        persons: in the anonymized images.
        inpainted: persons who were replaced as configured.
        covered: persons who were only covered.
        propagated: persons who were detected in neighboring images only.
        drawn: images in which a model drew at least one person or target.
        inpainted_small: persons, of the inpainted, whom ``inpaint.small_model`` drew.
    """

    anonymized: int = 0
    skipped: int = 0
    lost: int = 0
    persons: int = 0
    inpainted: int = 0
    covered: int = 0
    propagated: int = 0
    drawn: int = 0
    inpainted_small: int = 0

    def __add__(self, addend: "ImageCounts") -> "ImageCounts":
        """Return the sums of the counts."""
        pairs = zip(vars(self).values(), vars(addend).values(), strict=True)
        return ImageCounts(*(left + right for left, right in pairs))


@dataclass(frozen=True)
class TopicReport:
    """A topic and type of the input, or an attachment.

    Attributes:
        topic: as recorded; name of an attachment.
        type_name: of the messages; media type of an attachment.
        action: taken for it.
        origin: of the decision.
        reason: of the decision; may be empty.
        output_topic: as written.
        num_messages: in the input; -1 for an attachment.
        num_written: in the output, of all types of ``output_topic``.
        images: of a topic that was anonymized; None for others.
    """

    topic: str
    type_name: str
    action: TopicAction
    origin: DecisionOrigin
    reason: str
    output_topic: str
    num_messages: int
    num_written: int
    images: ImageCounts | None = None

    @property
    def is_anonymized(self) -> bool:
        """True if its images were anonymized."""
        return self.action is TopicAction.ANONYMIZE

    @property
    def is_in_output(self) -> bool:
        """True if it was anonymized or copied."""
        return self.action in {TopicAction.ANONYMIZE, TopicAction.COPY}

    @property
    def is_attachment(self) -> bool:
        """True for an attachment, which has no messages."""
        return self.num_messages < 0

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``topics`` in report.json."""
        entry = {
            "topic": self.topic,
            "type": self.type_name,
            "decision": self.action.value,
            "origin": self.origin.value,
            "reason": self.reason,
            "output_topic": self.output_topic,
            "messages": self.num_messages,
            "written": self.num_written,
        }
        counts = asdict(self.images) if self.images else {}
        if counts:
            counts["carried"] = counts.pop("propagated")
        return {**entry, **counts}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "TopicReport":
        """Return the report of an entry of ``topics`` in report.json."""
        persons = ("persons", "inpainted", "covered", "carried", "drawn", "inpainted_small")
        names = ("anonymized", "skipped", "lost", *persons)
        has_images = "anonymized" in entry
        return cls(
            *(entry["topic"], entry["type"], TopicAction(entry["decision"])),
            *(DecisionOrigin(entry["origin"]), entry["reason"], entry["output_topic"]),
            *(int(entry["messages"]), int(entry["written"])),
            ImageCounts(*(int(entry.get(name, 0)) for name in names)) if has_images else None,
        )
