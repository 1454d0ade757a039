"""Masks of persons out of sight."""

import numpy as np
import pytest

from anon_ros.tracking.mask_memory import MaskMemory
from anon_ros.utils.units import NS_PER_S
from helpers.street import HEIGHT_PX, WIDTH_PX, make_observation, make_person_mask, paste_window


@pytest.mark.parametrize(
    ("ratio", "grown_px"),
    [(0.0, 0), (0.4, 0.4 * 49 / 4 / 2), (4.0, 4 * 49 / 4 / 2), (10.0, 49), (1000.0, 49)],
)
def test_propagated_mask_grows(ratio: float, grown_px: float) -> None:
    """By a quarter of memory.growth_ratio per second beyond the end; 49 px is its size."""
    seen = [make_observation(make_person_mask(200), index / 10) for index in range(5)]
    recall = MaskMemory(10 * NS_PER_S, ratio, 0.0, WIDTH_PX, HEIGHT_PX)
    age_s = 0.5 if ratio < 10 else 2
    missed = recall.propagate(seen, seen[-1].time_ns + round(age_s * NS_PER_S))
    assert missed is not None
    columns = np.flatnonzero(paste_window(missed.window, missed.mask).any(axis=0))
    assert columns[0] == pytest.approx(200 - grown_px, abs=1.5)
    assert columns[-1] == pytest.approx(229 + grown_px, abs=1.5)
