"""Counts of the persons and targets that were covered instead of inpainted."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from anon_ros.config import PERSON
from anon_ros.core import AnonymizedFrame, CoverReason, OutcomeKind

Cover: TypeAlias = tuple[str, CoverReason]
"""The word "persons" or "targets", and the reason."""


@dataclass
class CoverCounter:
    """Persons of one stream who were covered, not inpainted, and targets by a failure alone.

    Any thread may call it.
    """

    _counts: Counter[Cover] = field(default_factory=Counter)
    _details: dict[Cover, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, result: AnonymizedFrame) -> None:
        """Count the persons and targets of a frame that were covered."""
        with self._lock:
            for outcome in result.outcomes:
                reason, is_person = outcome.cover_reason, outcome.target == PERSON
                if outcome.kind is not OutcomeKind.COVERED or reason is None:
                    continue
                if is_person or not reason.is_expected:
                    cover = "persons" if is_person else "targets", reason
                    self._counts[cover] += 1
                    self._details[cover] = outcome.reason_text

    def counts(self) -> dict[Cover, int]:
        """Return the numbers of persons and of targets by reason."""
        with self._lock:
            return dict(self._counts)

    def details(self) -> dict[Cover, str]:
        """Return the texts of the last outcomes."""
        with self._lock:
            return dict(self._details)
