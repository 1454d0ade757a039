"""Shares with their interval, against the numbers of SciPy 1.17."""

import pytest

from anon_ros.evaluate import Estimate, proportion


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
def test_equals_another_implementation(part: int, whole: int, low: float, high: float) -> None:
    found = proportion(part, whole)
    assert found.value == part / whole
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_of_nothing_nothing_is_known() -> None:
    assert proportion(0, 0) == Estimate(None)
    assert Estimate(None).times(100) == Estimate(None)
    assert Estimate(0.5, 0.25, None).times(100) == Estimate(50, 25, None)
