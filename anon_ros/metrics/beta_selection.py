"""Which setting of a sweep is the weakest that suffices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anon_ros.metrics.intervals import Estimate


@dataclass(frozen=True)
class BetaRecommendation:
    """The smallest value from which on identity is hidden as well as was asked for.

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
    """The smallest value from which on, up to the largest, no rate is above ``limit``.

    A rate that dips below the limit by luck and rises again is not believed.

    Args:
        values: ascending, of the sweep.
        rates: how often somebody is found with each value; of those without an interval the
            upper end counts as 1, the lower one as 0.
        limit: the highest rate that suffices, 0..1.

    Raises:
        ValueError: if the values are not ascending, or not as many as rates, or a rate is unknown.
    """
    is_unknown = any(rate.value is None for rate in rates)
    if not values or len(values) != len(rates) or any(np.diff(values) <= 0) or is_unknown:
        message = f"{list(values)} for {list(rates)}, expected ascending values, a rate for each"
        raise ValueError(message)

    def first(end: Callable[[Estimate], float | None], unknown: float) -> float | None:
        ends = [end(rate) for rate in rates]
        failing = [i for i, rate in enumerate(ends) if (unknown if rate is None else rate) > limit]
        place = failing[-1] + 1 if failing else 0
        return float(values[place]) if place < len(values) else None

    return BetaRecommendation(
        first(lambda rate: rate.value, 1.0),
        first(lambda rate: rate.low, 0.0),
        first(lambda rate: rate.high, 1.0),
    )
