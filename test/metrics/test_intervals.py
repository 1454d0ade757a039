"""Intervals hold what they promise."""

import numpy as np
import pytest

from anon_ros.metrics import Estimate, bootstrap, bootstrap_ratio


def estimate_mean(values: np.ndarray, rounds: int = 1000) -> Estimate:
    return bootstrap(lambda chosen: float(values[chosen].mean()), len(values), rounds)


def test_bootstrap_has_coverage() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        found = estimate_mean(random.normal(2.0, 1.0, 80), rounds=300)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 2 <= found.high
    assert 0.91 <= held / 300 <= 0.98


def test_bootstrap_is_repeatable() -> None:
    values = np.array([1.0, 5.0, 9.0])
    seen: list[tuple[int, ...]] = []

    def statistic(chosen: np.ndarray) -> float:
        seen.append(tuple(chosen.tolist()))
        return float(values[chosen].mean())

    one = bootstrap(statistic, 3, rounds=50)
    assert one == bootstrap(statistic, 3, rounds=50)
    assert one.value == 5
    assert seen[0] == (0, 1, 2)
    assert len(set(seen)) > 5


def test_no_data_has_no_interval() -> None:
    assert estimate_mean(np.zeros(0)) == Estimate(None)
    assert estimate_mean(np.array([4.0])) == Estimate(4.0)
    assert bootstrap(lambda _: None, 5) == Estimate(None)
    # Resamples that tell nothing do not count.
    found = bootstrap(lambda chosen: 1.0 if 0 in chosen else None, 2, rounds=40)
    assert found == Estimate(1.0, 1.0, 1.0)


def test_ratio_is_weighted_by_unit() -> None:
    """One person with nothing sharp about it does not blow the figure up; frames are units."""
    parts, wholes = np.array([1.0, 2.0, 5.0, 0.1]), np.array([2.0, 4.0, 10.0, 0.0])
    found = bootstrap_ratio(parts, wholes, np.array([0, 0, 1, 1]))
    assert found.value == pytest.approx(8.1 / 16)
    assert bootstrap_ratio(parts, np.zeros(4), np.arange(4)) == Estimate(None)
    assert bootstrap_ratio(np.zeros(0), np.zeros(0), np.zeros(0, np.int64)) == Estimate(None)
    values = np.random.default_rng(0).normal(size=40)
    alone = bootstrap_ratio(values, np.ones(40), np.arange(40))
    crowded = bootstrap_ratio(values.repeat(7), np.ones(280), np.arange(40).repeat(7))
    assert (crowded.value, crowded.low, crowded.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )
