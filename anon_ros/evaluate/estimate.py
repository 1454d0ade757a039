"""A figure, and how far another sample of the same kind could have moved it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
ROUNDS = 1000
_Z = 1.959964  # 97.5 % of a normal distribution
_TAILS = (2.5, 97.5)  # per cent


@dataclass(frozen=True)
class Estimate:
    """A figure with the interval that holds it with 95 % confidence.

    Attributes:
        value: the figure; None if there was nothing to measure.
        low: lower end of the interval; None if it is not known.
        high: upper end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def times(self, factor: float) -> "Estimate":
        """In another unit."""
        parts = (self.value, self.low, self.high)
        return Estimate(*(None if part is None else factor * part for part in parts))


def bootstrap(
    statistic: Callable[[Indices], float | None], count: int, rounds: int = ROUNDS, seed: int = 0
) -> Estimate:
    """A statistic of ``count`` units, with the percentile interval of the bootstrap (Efron 1979).

    Args:
        statistic: takes indices of units, possibly several times the same; None if they tell
            nothing.
        count: of units. They must be independent: persons or frames, not pixels.
        rounds: resamples.
        seed: of the resampling.
    """
    value = statistic(np.arange(count)) if count else None
    if value is None or count < 2:  # noqa: PLR2004 - one unit has no spread
        return Estimate(value)
    random = np.random.default_rng(seed)
    drawn = [statistic(random.integers(count, size=count)) for _ in range(rounds)]
    known = [each for each in drawn if each is not None]
    if not known:
        return Estimate(value)
    low, high = np.percentile(known, _TAILS)
    return Estimate(value, float(low), float(high))


def proportion(part: int, whole: int) -> Estimate:
    """A share of independent yes-or-no trials, with the interval of Wilson (1927).

    Unlike the bootstrap's it does not shrink to nothing where no trial, or each, was a yes.
    """
    if not whole:
        return Estimate(None)
    share, spread = part / whole, _Z**2 / whole
    centre = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    low = 0.0 if part == 0 else centre - reach
    high = 1.0 if part == whole else centre + reach
    return Estimate(share, low, high)


def mean_estimate(values: npt.NDArray[np.float64], rounds: int = ROUNDS) -> Estimate:
    """The mean of (N,) independent values."""
    return bootstrap(lambda chosen: float(values[chosen].mean()), len(values), rounds)


def ratio_estimate(
    parts: npt.NDArray[np.float64], wholes: npt.NDArray[np.float64], groups: Indices
) -> Estimate:
    """The sum of (N,) ``parts`` by that of (N,) ``wholes``; None if those are 0.

    Args:
        parts: of each value.
        wholes: of each value, 0 or more.
        groups: (N,) which values belong to one independent unit, as persons to their frame.
    """
    _, unit = np.unique(groups, return_inverse=True)
    part, whole = np.bincount(unit, parts), np.bincount(unit, wholes)

    def ratio(chosen: Indices) -> float | None:
        total = float(whole[chosen].sum())
        return float(part[chosen].sum()) / total if total > 0 else None

    return bootstrap(ratio, len(part))
