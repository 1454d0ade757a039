"""Masks of persons out of sight."""

from dataclasses import replace

import numpy as np
import pytest

from anon_ros.tracking.mask_memory import MaskMemory
from anon_ros.tracking.observations import observe_persons
from anon_ros.utils.units import NS_PER_S
from helpers.arrays import make_detections
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


def test_propagated_sparse_mask_keeps_its_box() -> None:
    """Grown, a mask in less than a tenth of its box would no longer seem to miss the person."""
    person = make_person_mask(200)
    spot = person & make_person_mask(205, 120, 8)
    found = replace(make_detections([person]), masks=spot[np.newaxis])
    seen = [obs for index in range(5) for obs in observe_persons(found, index * NS_PER_S // 10)]
    memory = MaskMemory(10 * NS_PER_S, 1.0, 0.0, WIDTH_PX, HEIGHT_PX)
    for age_ns in (NS_PER_S // 10, NS_PER_S):
        missed = memory.propagate(seen, seen[-1].time_ns + age_ns)
        assert missed is not None
        assert paste_window(missed.window, missed.mask)[person].all()
