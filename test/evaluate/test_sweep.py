"""The weakest setting that suffices, and how sure that is."""

import numpy as np
import pytest

from anon_ros.evaluate import recommend


def rates(*shares: float, queries: int = 200) -> np.ndarray:
    return np.array([np.arange(queries) < round(share * queries) for share in shares])


def test_the_smallest_value_from_which_on_all_suffice() -> None:
    found = recommend([0.2, 0.4, 0.6, 0.8], rates(0.5, 0.02, 0.3, 0.01), 0.05)
    assert found.value == 0.8  # 0.4 was luck: 0.6 is worse
    assert recommend([0.2, 0.4], rates(0.0, 0.0), 0.0).value == 0.2


def test_none_is_said_when_none_suffices() -> None:
    found = recommend([0.2, 0.4], rates(0.5, 0.4), 0.05)
    assert (found.value, found.low, found.high, found.failing_ratio) == (None, None, None, 1)


def test_uncertainty_is_where_rates_are_near_the_limit() -> None:
    sure = recommend([0.2, 0.4, 0.6], rates(0.9, 0.0, 0.0), 0.1)
    assert (sure.low, sure.value, sure.high, sure.failing_ratio) == (0.4, 0.4, 0.4, 0)
    near = recommend([0.2, 0.4, 0.6], rates(0.9, 0.1, 0.0), 0.1)
    assert (near.low, near.high, near.failing_ratio) == (0.4, 0.6, 0)
    unsure = recommend([0.2, 0.4], rates(0.9, 0.1), 0.1)
    assert unsure.value == 0.4
    assert unsure.high is None
    assert 0.2 < unsure.failing_ratio < 0.8


def test_what_is_no_sweep_is_refused() -> None:
    for values, found in (
        ([0.4, 0.2], rates(0, 0)),
        ([0.2], rates(0, 0)),
        ([], np.zeros((0, 5), np.bool_)),
        ([0.2], np.zeros((1, 0), np.bool_)),
    ):
        with pytest.raises(ValueError, match="ascending"):
            recommend(values, found, 0.1)
