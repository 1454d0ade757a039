"""Counts of the persons who were covered instead of inpainted."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from anon_ros.config import PERSON
from anon_ros.core import AnonymizedFrame, CoverReason, OutcomeKind


@dataclass
class CoverCounter:
    """Persons of one stream who were covered, not inpainted, by reason. Any thread may call it."""

    _counts: Counter[CoverReason] = field(default_factory=Counter)
    _details: dict[CoverReason, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, result: AnonymizedFrame) -> None:
        """Count the persons of a frame who were covered."""
        with self._lock:
            for outcome in result.outcomes:
                if (
                    outcome.target == PERSON
                    and outcome.kind is OutcomeKind.COVERED
                    and outcome.cover_reason
                ):
                    self._counts[outcome.cover_reason] += 1
                    self._details[outcome.cover_reason] = outcome.reason_text

    def counts(self) -> dict[CoverReason, int]:
        """Return the numbers of persons."""
        with self._lock:
            return dict(self._counts)

    def details(self) -> dict[CoverReason, str]:
        """Return the text of the last outcome by reason."""
        with self._lock:
            return dict(self._details)
