"""Means and ratios that are None, never NaN, where nothing was measured."""

from dataclasses import dataclass


@dataclass
class RunningMean:
    """A mean of values that are not stored."""

    total: float = 0.0
    count: int = 0

    def add(self, total: float, count: int = 1) -> None:
        """Add ``count`` values with the sum ``total``."""
        self.total += total
        self.count += count

    @property
    def value(self) -> float | None:
        """The mean; None without values."""
        return divide_or_none(self.total, self.count)


def divide_or_none(numerator: float | None, denominator: float | None) -> float | None:
    """Return the ratio; None if either is unknown or ``denominator`` is zero."""
    return None if numerator is None or not denominator else numerator / denominator
