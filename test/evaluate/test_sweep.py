"""The weakest setting that suffices, and how sure that is."""

import pytest

from anon_ros.metrics import BetaRecommendation, Estimate, recommend_beta, wilson_proportion


def rates(*shares: float, persons: int = 200) -> list[Estimate]:
    return [wilson_proportion(round(share * persons), persons) for share in shares]


def test_the_smallest_value_from_which_on_all_suffice() -> None:
    found = recommend_beta([0.2, 0.4, 0.6, 0.8], rates(0.5, 0.02, 0.3, 0.01), 0.05)
    assert found.value == 0.8  # 0.4 was luck: 0.6 is worse
    assert recommend_beta([0.2, 0.4], rates(0.0, 0.0), 0.0).value == 0.2


def test_none_is_said_when_none_suffices() -> None:
    assert recommend_beta([0.2, 0.4], rates(0.5, 0.4), 0.05) == BetaRecommendation(None, None, None)


def test_uncertainty_is_where_rates_are_near_the_limit() -> None:
    sure = recommend_beta([0.2, 0.4, 0.6], rates(0.9, 0.0, 0.0), 0.1)
    assert (sure.optimistic, sure.value, sure.conservative) == (0.4, 0.4, 0.4)
    near = recommend_beta([0.2, 0.4, 0.6], rates(0.9, 0.1, 0.0), 0.1)
    assert (near.optimistic, near.value, near.conservative) == (0.4, 0.4, 0.6)
    unsure = recommend_beta([0.2, 0.4], rates(0.9, 0.1), 0.1)
    assert (unsure.optimistic, unsure.value, unsure.conservative) == (0.4, 0.4, None)
    hardly = recommend_beta([0.2, 0.4], rates(0.9, 0.11), 0.1)
    assert (hardly.optimistic, hardly.value, hardly.conservative) == (0.4, None, None)


def test_nobody_found_of_three_persons_proves_nothing() -> None:
    few = recommend_beta([0.2, 0.6], rates(0.0, 0.0, persons=3), 0.08)
    assert (few.optimistic, few.value, few.conservative) == (0.2, 0.2, None)
    unknown = recommend_beta([0.2], [Estimate(0.0)], 0.08)
    assert (unknown.optimistic, unknown.value, unknown.conservative) == (0.2, 0.2, None)


def test_what_is_no_sweep_is_refused() -> None:
    for values, found in (
        ([0.4, 0.2], rates(0, 0)),
        ([0.4, 0.4], rates(0, 0)),
        ([0.2], rates(0, 0)),
        ([], []),
        ([0.2], [Estimate(None)]),
    ):
        with pytest.raises(ValueError, match="ascending"):
            recommend_beta(values, found, 0.1)
