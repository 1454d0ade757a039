"""Frames that the skip policy accepts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.config import SkipConfig
from anon_ros.core import SkipPolicy


@given(st.integers(1, 7), st.integers(1, 60))
def test_every_nth_accepts_first(every_nth: int, frames: int) -> None:
    policy = SkipPolicy(SkipConfig(every_nth=every_nth))
    taken = [index for index in range(frames) if policy.accepts(index)]
    assert taken == list(range(0, frames, every_nth))


@pytest.mark.parametrize(("rate_hz", "expected"), [(10, 100), (7, 70), (30, 300), (60, 300)])
def test_rate_limit_holds_with_jitter(rate_hz: float, expected: int) -> None:
    jitter = random.Random(0)  # noqa: S311 - nothing secret
    policy = SkipPolicy(SkipConfig(max_rate_hz=rate_hz))
    arrivals = [round(1e9 * (index / 30 + jitter.uniform(0, 0.02))) for index in range(300)]
    assert sum(map(policy.accepts, sorted(arrivals))) == pytest.approx(expected, rel=0.03)


def test_rate_limit_allows_no_burst() -> None:
    policy = SkipPolicy(SkipConfig(max_rate_hz=10))
    assert policy.accepts(0)
    late = [round(1e9 * (5 + index / 100)) for index in range(11)]
    assert sum(map(policy.accepts, late)) == 2


def test_clock_set_back_restarts() -> None:
    limited, unlimited = (SkipPolicy(SkipConfig(max_rate_hz=rate)) for rate in (10, 0))
    times_s = [100.0, 100.1, 100.15, 50.0, 50.05, 50.1, 50.2]
    assert [limited.accepts(round(t * 1e9)) for t in times_s] == [
        *(True, True, False, True, False, True, True)
    ]
    assert all(unlimited.accepts(round(t * 1e9)) for t in times_s)
