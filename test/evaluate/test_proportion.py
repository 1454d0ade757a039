"""Shares with their interval, against scipy's."""

import pytest
from scipy import stats

from anon_ros.evaluate import Estimate, proportion


@pytest.mark.parametrize(("part", "whole"), [(0, 7), (1, 7), (3, 150), (75, 150), (150, 150)])
def test_equals_another_implementation(part: int, whole: int) -> None:
    other = stats.binomtest(part, whole).proportion_ci(method="wilson")
    found = proportion(part, whole)
    assert found.value == part / whole
    assert found.low == pytest.approx(other.low, abs=1e-6)
    assert found.high == pytest.approx(other.high, abs=1e-6)


def test_of_nothing_nothing_is_known() -> None:
    assert proportion(0, 0) == Estimate(None)
    assert Estimate(None).times(100) == Estimate(None)
    assert Estimate(0.5, 0.25, None).times(100) == Estimate(50, 25, None)
