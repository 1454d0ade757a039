"""The weakest setting that suffices, and how sure that is."""

import pytest

from anon_ros.metrics import BetaRecommendation, Estimate, estimate_proportion, recommend_beta


def make_rates(*shares: float, persons: int = 200) -> list[Estimate]:
    return [estimate_proportion(round(share * persons), persons) for share in shares]


def test_recommend_smallest_value() -> None:
    found = recommend_beta([0.2, 0.4, 0.6, 0.8], make_rates(0.5, 0.02, 0.3, 0.01), 0.05)
    assert found.value == 0.8  # 0.4 was luck: 0.6 is worse
    assert recommend_beta([0.2, 0.4], make_rates(0.0, 0.0), 0.0).value == 0.2


def test_recommend_none_if_insufficient() -> None:
    assert recommend_beta([0.2, 0.4], make_rates(0.5, 0.4), 0.05) == BetaRecommendation(
        None, None, None
    )


def test_recommend_interval_near_limit() -> None:
    sure = recommend_beta([0.2, 0.4, 0.6], make_rates(0.9, 0.0, 0.0), 0.1)
    assert (sure.optimistic, sure.value, sure.conservative) == (0.4, 0.4, 0.4)
    near = recommend_beta([0.2, 0.4, 0.6], make_rates(0.9, 0.1, 0.0), 0.1)
    assert (near.optimistic, near.value, near.conservative) == (0.4, 0.4, 0.6)
    unsure = recommend_beta([0.2, 0.4], make_rates(0.9, 0.1), 0.1)
    assert (unsure.optimistic, unsure.value, unsure.conservative) == (0.4, 0.4, None)
    hardly = recommend_beta([0.2, 0.4], make_rates(0.9, 0.11), 0.1)
    assert (hardly.optimistic, hardly.value, hardly.conservative) == (0.4, None, None)


def test_recommend_needs_many_persons() -> None:
    few = recommend_beta([0.2, 0.6], make_rates(0.0, 0.0, persons=3), 0.08)
    assert (few.optimistic, few.value, few.conservative) == (0.2, 0.2, None)
    unknown = recommend_beta([0.2], [Estimate(0.0)], 0.08)
    assert (unknown.optimistic, unknown.value, unknown.conservative) == (0.2, 0.2, None)


def test_recommend_rejects_bad_sweep() -> None:
    for values, found in (
        ([0.4, 0.2], make_rates(0, 0)),
        ([0.4, 0.4], make_rates(0, 0)),
        ([0.2], make_rates(0, 0)),
        ([], []),
        ([0.2], [Estimate(None)]),
    ):
        with pytest.raises(ValueError, match="ascending"):
            recommend_beta(values, found, 0.1)
