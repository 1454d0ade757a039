"""Estimates with 95 % confidence intervals: bootstrap, Wilson, jackknife."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
NUM_RESAMPLES = 1000
_Z = 1.959964  # 97.5 % of a normal distribution
_TAILS = (2.5, 97.5)  # per cent
_LARGE_SET = 1000  # images from which on fewer halves suffice
_MIN_FRAMES_IN_HALF = 4
_MIN_IMAGES = 2  # a single image has no distance


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval.

    Attributes:
        value: the measured value; None if there was nothing to measure.
        low: lower end of the interval; None if it is unknown.
        high: upper end; None if it is unknown.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate times ``factor``, for another unit."""
        values = (self.value, self.low, self.high)
        return Estimate(*(None if value is None else factor * value for value in values))


def bootstrap(
    statistic: Callable[[Indices], float | None],
    count: int,
    rounds: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate a statistic of ``count`` units by the percentile bootstrap (Efron 1979).

    Args:
        statistic: of indices of units, which may repeat; None if it is undefined for them.
        count: number of units. They must be independent: persons or frames, not pixels.
        rounds: number of resamples.
        seed: of the resampling.
    """
    value = statistic(np.arange(count)) if count else None
    if value is None or count < 2:  # noqa: PLR2004 - one unit has no spread
        return Estimate(value)
    random = np.random.default_rng(seed)
    resampled = [statistic(random.integers(count, size=count)) for _ in range(rounds)]
    values = [v for v in resampled if v is not None]
    if not values:
        return Estimate(value)
    low, high = np.percentile(values, _TAILS)
    return Estimate(value, float(low), float(high))


def estimate_proportion(successes: int, trials: int) -> Estimate:
    """Estimate the ratio of successes in independent trials, with Wilson's interval (1927).

    Unlike the bootstrap's it does not shrink to nothing where no trial, or every trial, succeeds.
    """
    return _make_wilson_interval(successes / trials, trials) if trials else Estimate(None)


def estimate_clustered_proportion(
    successes: npt.NDArray[np.float64] | Indices, trials: npt.NDArray[np.float64] | Indices
) -> Estimate:
    """Estimate the ratio of successes of clustered trials, as the queries of a person are.

    Wilson's interval with the effective sample size of the clustered trials, by the variance
    between the groups (Korn and Graubard, Survey Methodology, 1998; with Wilson's: Franco et al.,
    J. Survey Statistics and Methodology, 2019). Where no trial, or every trial, succeeds, a group
    counts as a single trial.

    Args:
        successes: (G,) by group.
        trials: (G,) by group, above 0.
    """
    num_groups, num_trials = len(trials), float(trials.sum())
    if not num_groups:
        return Estimate(None)
    ratio = float(successes.sum()) / num_trials
    if num_groups < 2:  # noqa: PLR2004 - one group has no spread
        return Estimate(ratio)
    effective_trials = float(num_groups)
    if 0 < ratio < 1:
        squares = float(np.square(successes - ratio * trials).sum())
        variance = num_groups / (num_groups - 1) * squares / num_trials**2
        correction = (
            _Z / t_quantile(num_groups - 1)
        ) ** 2  # a variance of few groups is itself uncertain
        effective_trials = (
            min(correction * ratio * (1 - ratio) / variance, num_trials) if variance else num_trials
        )
    return _make_wilson_interval(ratio, max(effective_trials, 1.0))


def t_quantile(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t for 1 degree of freedom or more.

    It is 11 % too low for 1 degree of freedom, 1 % for 3 (Abramowitz and Stegun, Handbook of
    Mathematical Functions, 26.7.5).
    """
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, start=1))


def _make_wilson_interval(ratio: float, count: float) -> Estimate:
    spread = _Z**2 / count
    center = (ratio + spread / 2) / (1 + spread)
    margin = math.sqrt(spread * (ratio * (1 - ratio) + spread / 4)) / (1 + spread)
    low = 0.0 if ratio == 0 else center - margin
    high = 1.0 if ratio == 1 else center + margin
    return Estimate(ratio, low, high)


def bootstrap_ratio(
    numerators: npt.NDArray[np.float64], denominators: npt.NDArray[np.float64], groups: Indices
) -> Estimate:
    """Estimate the sum of ``numerators`` by that of ``denominators``; None if the latter is 0.

    Args:
        numerators: (N,).
        denominators: (N,), 0 or more.
        groups: (N,) independent unit of every value, as the frame of a person.
    """
    _, unit = np.unique(groups, return_inverse=True)
    numerator, denominator = np.bincount(unit, numerators), np.bincount(unit, denominators)

    def compute_ratio(chosen: Indices) -> float | None:
        total = float(denominator[chosen].sum())
        return float(numerator[chosen].sum()) / total if total > 0 else None

    return bootstrap(compute_ratio, len(numerator))


def jackknife_halves(
    statistic: Callable[[Indices], float | None],
    frames: Indices,
    min_value: float = -np.inf,
    seed: int = 0,
) -> Estimate:
    """Estimate a statistic that is biased for few images, with an interval from random halves.

    Resampling with replacement would add that bias to the interval: copies look like a smaller
    set. The spread of the statistic over halves without replacement estimates its standard error
    (the delete-d jackknife with d = n / 2; Shao and Wu, 1989); the bias of the halves, which is
    larger, does not matter.

    Args:
        statistic: of indices of images, the same for both sets; None if they are too few.
        frames: (N,) frame of every image. Persons in a frame share its light and place, so halves
            are of frames.
        min_value: smallest possible value of the statistic.
        seed: of the halves.
    """
    value = statistic(np.arange(len(frames))) if len(frames) >= _MIN_IMAGES else None
    units = np.unique(frames)
    if value is None or len(units) < 2 * _MIN_FRAMES_IN_HALF:
        return Estimate(value)
    rounds = 50 if len(frames) <= _LARGE_SET else 10
    values = [v for v in _evaluate_halves(statistic, frames, rounds, seed) if v is not None]
    if len(values) < _MIN_IMAGES:
        return Estimate(value)
    half = len(units) // 2
    margin = (
        t_quantile(rounds - 1)
        * math.sqrt(half / (len(units) - half))
        * float(np.std(values, ddof=1))
    )
    return Estimate(value, max(min_value, value - margin), value + margin)


def _evaluate_halves(
    statistic: Callable[[Indices], float | None], frames: Indices, rounds: int, seed: int
) -> Iterator[float | None]:
    """Yield the statistic of random halves of the frames."""
    random, units = np.random.default_rng(seed), np.unique(frames)
    half = len(units) // 2
    for _ in range(rounds):
        chosen = np.isin(frames, random.permutation(units)[:half])
        yield statistic(np.flatnonzero(chosen))
