"""The weakest setting that suffices, and how sure that is."""

import pytest

from anon_ros.evaluate import Estimate, Recommendation, proportion, recommend


def rates(*shares: float, persons: int = 200) -> list[Estimate]:
    return [proportion(round(share * persons), persons) for share in shares]


def test_the_smallest_value_from_which_on_all_suffice() -> None:
    found = recommend([0.2, 0.4, 0.6, 0.8], rates(0.5, 0.02, 0.3, 0.01), 0.05)
    assert found.value == 0.8  # 0.4 was luck: 0.6 is worse
    assert recommend([0.2, 0.4], rates(0.0, 0.0), 0.0).value == 0.2


def test_none_is_said_when_none_suffices() -> None:
    assert recommend([0.2, 0.4], rates(0.5, 0.4), 0.05) == Recommendation(None, None, None)


def test_uncertainty_is_where_rates_are_near_the_limit() -> None:
    sure = recommend([0.2, 0.4, 0.6], rates(0.9, 0.0, 0.0), 0.1)
    assert (sure.low, sure.value, sure.high) == (0.4, 0.4, 0.4)
    near = recommend([0.2, 0.4, 0.6], rates(0.9, 0.1, 0.0), 0.1)
    assert (near.low, near.value, near.high) == (0.4, 0.4, 0.6)
    unsure = recommend([0.2, 0.4], rates(0.9, 0.1), 0.1)
    assert (unsure.low, unsure.value, unsure.high) == (0.4, 0.4, None)
    hardly = recommend([0.2, 0.4], rates(0.9, 0.11), 0.1)
    assert (hardly.low, hardly.value, hardly.high) == (0.4, None, None)


def test_nobody_found_of_three_persons_proves_nothing() -> None:
    few = recommend([0.2, 0.6], rates(0.0, 0.0, persons=3), 0.08)
    assert (few.low, few.value, few.high) == (0.2, 0.2, None)
    unknown = recommend([0.2], [Estimate(0.0)], 0.08)
    assert (unknown.low, unknown.value, unknown.high) == (0.2, 0.2, None)


def test_what_is_no_sweep_is_refused() -> None:
    for values, found in (
        ([0.4, 0.2], rates(0, 0)),
        ([0.4, 0.4], rates(0, 0)),
        ([0.2], rates(0, 0)),
        ([], []),
        ([0.2], [Estimate(None)]),
    ):
        with pytest.raises(ValueError, match="ascending"):
            recommend(values, found, 0.1)
