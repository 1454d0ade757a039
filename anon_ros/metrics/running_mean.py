"""Means of nothing are None, never NaN."""

from dataclasses import dataclass


@dataclass
class RunningMean:
    """A mean of values that are not kept."""

    total: float = 0.0
    count: int = 0

    def add(self, total: float, count: int = 1) -> None:
        """Count ``count`` more values that sum up to ``total``."""
        self.total += total
        self.count += count

    @property
    def value(self) -> float | None:
        """The mean; None of no values."""
        return safe_ratio(self.total, self.count)


def safe_ratio(part: float | None, whole: float | None) -> float | None:
    """``part / whole``; None if one of them is unknown or ``whole`` is zero."""
    return None if part is None or not whole else part / whole
