"""Intervals by the jackknife."""

import numpy as np
import pytest

from anon_ros.metrics import (
    Estimate,
    frechet_distance,
    jackknife_halves,
)
from helpers.features import make_feature_sets

FRAMES = np.arange(60)


def test_jackknife_has_coverage() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        values = random.normal(3, 1, 60)
        found = jackknife_halves(
            lambda chosen, v=values: float(v[chosen].mean()), FRAMES, seed=seed
        )
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 3 <= found.high
    assert 0.9 <= held / 200 <= 0.99


def test_jackknife_groups_by_frame() -> None:
    values = np.random.default_rng(0).normal(size=60)
    alone = jackknife_halves(lambda chosen: float(values[chosen].mean()), FRAMES)
    often = values.repeat(9)
    crowded = jackknife_halves(lambda chosen: float(often[chosen].mean()), FRAMES.repeat(9))
    assert crowded.value == pytest.approx(alone.value)
    widths = [each.high - each.low for each in (alone, crowded)]  # type: ignore[operator]
    assert widths[1] == pytest.approx(widths[0])


def test_jackknife_clips_and_skips_none() -> None:
    values = np.random.default_rng(0).exponential(size=60) ** 4
    found = jackknife_halves(lambda chosen: float(values[chosen].mean()), FRAMES, min_value=0.0)
    assert found.low == 0
    seldom = jackknife_halves(lambda chosen: 1.0 if len(chosen) == 60 else None, FRAMES)
    assert seldom == Estimate(1.0)


def test_jackknife_ignores_copies() -> None:
    one, other = make_feature_sets(60, 64)
    other = other[:60]
    found = jackknife_halves(lambda chosen: frechet_distance(one[chosen], other[chosen]), FRAMES)
    assert found.value is not None
    assert found.low is not None
    assert 0 < found.value - found.low < found.value
    few = jackknife_halves(lambda chosen: frechet_distance(one[chosen], other[chosen]), FRAMES[:5])
    assert (few.low, few.high) == (None, None)
    assert jackknife_halves(lambda _: 1.0, FRAMES[:1]).value is None
