"""Which setting of a sweep is the weakest that suffices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.evaluate.estimate import ROUNDS

_TAIL = 0.025


@dataclass(frozen=True)
class Recommendation:
    """The smallest value from which on identity is hidden as well as was asked for.

    Attributes:
        value: of the sweep; None if none suffices.
        low: the smallest value that other samples of the same size might recommend; None if not
            even the largest one would do.
        high: the largest such value; None if some samples would recommend none.
        failing_ratio: share of samples in which no value suffices.
    """

    value: float | None
    low: float | None
    high: float | None
    failing_ratio: float


def recommend(
    values: Sequence[float],
    found: npt.NDArray[np.bool_],
    limit: float,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Recommendation:
    """The smallest value from which on, up to the largest, no rate is above ``limit``.

    A rate that dips below the limit by luck and rises again is not believed.

    Args:
        values: ascending, of the sweep.
        found: (B, Q) bool: for each value, whether each query found its person; the same queries
            for all values, so that they are resampled together.
        limit: the highest rate that suffices, 0..1.
        rounds: resamples of the queries.
        seed: of the resampling.

    Raises:
        ValueError: if the values are not ascending, or the shapes disagree.
    """
    if len(values) != len(found) or any(np.diff(values) <= 0) or not found.size:
        message = f"{list(values)} for rates {found.shape}, expected ascending values, one per row"
        raise ValueError(message)
    random, count = np.random.default_rng(seed), found.shape[1]
    chosen = [_first(found[:, random.integers(count, size=count)], limit) for _ in range(rounds)]
    places = np.sort(np.array(chosen))  # the number of values stands for none
    low, high = (places[int(share * (rounds - 1))] for share in (_TAIL, 1 - _TAIL))
    known = [*map(float, values), None]
    failing = float(np.mean(places == len(values)))
    return Recommendation(known[_first(found, limit)], known[low], known[high], failing)


def _first(found: npt.NDArray[np.bool_], limit: float) -> int:
    suffices = found.mean(axis=1) <= limit
    failing = np.flatnonzero(~suffices)
    return int(failing[-1]) + 1 if len(failing) else 0
