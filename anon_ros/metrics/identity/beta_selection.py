"""Choice of the weakest setting of a sweep that suffices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anon_ros.metrics.intervals import Estimate


@dataclass(frozen=True)
class BetaRecommendation:
    """The smallest value from which on identity is hidden as well as required.

    Attributes:
        value: of the sweep; None if none suffices.
        optimistic: the smallest value that may suffice, by the lower ends of the intervals; None
            if not even the largest one may.
        conservative: the smallest value that suffices for sure, by the upper ends; None if none
            does.
    """

    value: float | None
    optimistic: float | None
    conservative: float | None


def recommend_beta(
    values: Sequence[float], rates: Sequence[Estimate], limit: float
) -> BetaRecommendation:
    """Return the smallest value from which on, up to the largest, no rate is above ``limit``.

    A rate that falls below the limit by chance and rises again does not count.

    Args:
        values: ascending, of the sweep.
        rates: re-identification rate by value; without an interval its upper end counts as 1,
            its lower end as 0.
        limit: the highest rate that suffices, 0..1.

    Raises:
        ValueError: if the values are not ascending, or not as many as rates, or a rate is unknown.
    """
    is_unknown = any(rate.value is None for rate in rates)
    if not values or len(values) != len(rates) or any(np.diff(values) <= 0) or is_unknown:
        message = f"{list(values)} for {list(rates)}, expected ascending values, a rate for each"
        raise ValueError(message)

    def find_first(end: Callable[[Estimate], float | None], default: float) -> float | None:
        ends = [end(rate) for rate in rates]
        failing = [i for i, rate in enumerate(ends) if (default if rate is None else rate) > limit]
        index = failing[-1] + 1 if failing else 0
        return float(values[index]) if index < len(values) else None

    return BetaRecommendation(
        find_first(lambda rate: rate.value, 1.0),
        find_first(lambda rate: rate.low, 0.0),
        find_first(lambda rate: rate.high, 1.0),
    )
