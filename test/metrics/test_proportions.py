"""Shares with their interval, against the numbers of SciPy 1.17."""

import numpy as np
import pytest

from anon_ros.metrics import Estimate, estimate_clustered_proportion, estimate_proportion


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [  # scipy.stats.binomtest(part, whole).proportion_ci(method="wilson")
        (0, 7, 0, 0.354330),
        (1, 7, 0.025680, 0.513128),
        (3, 150, 0.006825, 0.057147),
        (75, 150, 0.420990, 0.579010),
        (150, 150, 0.975030, 1),
    ],
)
def test_wilson_interval_equals_scipy(part: int, whole: int, low: float, high: float) -> None:
    found = estimate_proportion(part, whole)
    assert found.value == part / whole
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_proportion_of_nothing_is_none() -> None:
    assert estimate_proportion(0, 0) == Estimate(None)
    assert Estimate(None).scaled(100) == Estimate(None)
    assert Estimate(0.5, 0.25, None).scaled(100) == Estimate(50, 25, None)


def test_groups_of_one_are_trials() -> None:
    trials = np.repeat([1, 0], [30, 70])
    found, alone = (
        estimate_clustered_proportion(trials, np.ones(100, np.int64)),
        estimate_proportion(30, 100),
    )
    assert found.value == alone.value
    # But for the variance, which is that of a sample, and itself uncertain.
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high), abs=3e-3)


def test_identical_trials_count_as_one() -> None:
    sixteen = estimate_clustered_proportion(np.repeat([9, 0], [5, 11]), np.full(16, 9))
    one_each = estimate_clustered_proportion(np.repeat([1, 0], [5, 11]), np.ones(16, np.int64))
    assert (sixteen.low, sixteen.high) == pytest.approx((one_each.low, one_each.high))


@pytest.mark.parametrize("share", [0, 1])
def test_few_persons_are_uncertain(share: int) -> None:
    found, persons = (
        estimate_clustered_proportion(share * np.full(5, 40), np.full(5, 40)),
        share * 5,
    )
    assert found == estimate_proportion(persons, 5)


def test_few_groups_count_as_trials() -> None:
    found = estimate_clustered_proportion(np.array([2, 2, 2]), np.array([4, 4, 4]))
    assert found == estimate_proportion(6, 12)
    assert estimate_clustered_proportion(np.array([2]), np.array([4])) == Estimate(0.5)
    nothing = np.zeros(0, np.int64)
    assert estimate_clustered_proportion(nothing, nothing) == Estimate(None)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 2.0), (2.0, 2.0), (0.2, 3.0)])
def test_grouped_interval_has_coverage(alpha: float, beta: float) -> None:
    """Persons who are found more or less easily, each searched for 4 to 12 times."""
    random = np.random.default_rng(0)
    truth, held = alpha / (alpha + beta), 0
    for _ in range(1000):
        wholes = random.integers(4, 13, 30)
        parts = random.binomial(wholes, random.beta(alpha, beta, 30))
        found = estimate_clustered_proportion(parts, wholes)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 1000 <= 0.99
