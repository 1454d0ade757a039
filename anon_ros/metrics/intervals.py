"""A figure, and how far another sample of the same kind could have moved it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
NUM_RESAMPLES = 1000
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

    def scaled(self, factor: float) -> "Estimate":
        """In another unit."""
        parts = (self.value, self.low, self.high)
        return Estimate(*(None if part is None else factor * part for part in parts))


def bootstrap(
    statistic: Callable[[Indices], float | None],
    count: int,
    rounds: int = NUM_RESAMPLES,
    seed: int = 0,
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


def wilson_proportion(part: int, whole: int) -> Estimate:
    """A share of independent yes-or-no trials, with the interval of Wilson (1927).

    Unlike the bootstrap's it does not shrink to nothing where no trial, or each, was a yes.
    """
    return _wilson(part / whole, whole) if whole else Estimate(None)


def clustered_proportion(
    parts: npt.NDArray[np.float64] | Indices, wholes: npt.NDArray[np.float64] | Indices
) -> Estimate:
    """A share of yes-or-no trials that are alike within groups, as the queries of one person.

    Wilson's interval for as many trials as independent ones would tell as much, by the variance
    between the groups (Korn and Graubard, Survey Methodology, 1998; with Wilson's: Franco et al.,
    J. Survey Statistics and Methodology, 2019). Where no trial, or each, was a yes, a group counts
    as one trial.

    Args:
        parts: (G,) how many were a yes, by group.
        wholes: (G,) how many there were, above 0.
    """
    groups, whole = len(wholes), float(wholes.sum())
    if not groups:
        return Estimate(None)
    share = float(parts.sum()) / whole
    if groups < 2:  # noqa: PLR2004 - one group has no spread
        return Estimate(share)
    worth = float(groups)
    if 0 < share < 1:
        squares = float(np.square(parts - share * wholes).sum())
        variance = groups / (groups - 1) * squares / whole**2
        trust = (_Z / t_quantile(groups - 1)) ** 2  # a variance of few groups is itself uncertain
        worth = min(trust * share * (1 - share) / variance, whole) if variance else whole
    return _wilson(share, max(worth, 1.0))


def t_quantile(degrees: int) -> float:
    """97.5 % of Student's t, from 1 degree of freedom on, where it is 11 % too low; from 3 on 1 %.

    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.)
    """
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))


def _wilson(share: float, count: float) -> Estimate:
    spread = _Z**2 / count
    centre = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    low = 0.0 if share == 0 else centre - reach
    high = 1.0 if share == 1 else centre + reach
    return Estimate(share, low, high)


def mean_estimate(values: npt.NDArray[np.float64], rounds: int = NUM_RESAMPLES) -> Estimate:
    """The mean of (N,) independent values."""
    return bootstrap(lambda chosen: float(values[chosen].mean()), len(values), rounds)


def bootstrap_ratio(
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
