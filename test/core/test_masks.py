"""Masks of persons and the regions made of them."""

import numpy as np
import pytest

from anon_ros.config import MaskConfig
from anon_ros.core import (
    Roi,
    make_region,
)
from helpers.arrays import make_rectangle, make_region_of


def measure_growth_px(height_px: int) -> int:
    """By how many pixels the mask of a square person grows upward."""
    mask = make_rectangle(500, 500, slice(100, 100 + height_px), slice(100, 100 + height_px))
    region = make_region_of(mask)
    return 100 - (region.window.y0 + int(np.flatnonzero(region.mask.any(axis=1))[0]))


def test_dilation_follows_person_size() -> None:
    assert [measure_growth_px(height_px) for height_px in (10, 100, 300)] == [2, 5, 15]


def test_feather_lies_outside_mask() -> None:
    region = make_region_of(make_rectangle(300, 300, slice(50, 250), slice(50, 250)), feather=0.05)
    assert (region.feather_alpha[region.mask] == 1).all()
    outward = region.feather_alpha[region.mask.shape[0] // 2]
    edge = int(np.argmax(region.mask[region.mask.shape[0] // 2]))
    assert edge == pytest.approx(10, abs=1)
    assert (np.diff(outward[: edge + 1]) > 0).all()
    assert outward[0] < 0.2


def test_region_fills_holes() -> None:
    mask = make_rectangle(100, 100, slice(20, 80), slice(20, 80))
    mask[40:60, 40:60] = False
    region = make_region_of(mask)
    assert region.mask[Roi(40, 40, 60, 60).relative_to(region.window).slices].all()


def test_region_of_empty_mask_is_box() -> None:
    box = np.array([10.6, 20.4, 30.2, 50.9], np.float32)
    region = make_region(np.zeros((100, 100), np.bool_), box, MaskConfig())
    assert region.bounds == Roi(10, 20, 31, 51)
    assert region.mask[region.bounds.relative_to(region.window).slices].all()


def test_region_of_sparse_mask_is_box() -> None:
    box = np.array([10, 20, 90, 80], np.float32)
    few = make_rectangle(100, 100, slice(30, 34), slice(40, 44))
    enough = make_rectangle(100, 100, slice(30, 60), slice(40, 60))
    assert make_region(few, box, MaskConfig()).bounds == Roi(10, 20, 90, 80)
    assert make_region(enough, box, MaskConfig()).bounds == Roi(40, 30, 60, 60)
