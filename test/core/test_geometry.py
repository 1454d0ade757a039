"""Regions, crops and the cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import make_rectangle

from anon_ros.config import MaskConfig
from anon_ros.core import (
    Mask,
    PersonRegion,
    Roi,
    cover_regions,
    fill_from_surroundings,
    make_region,
)
from anon_ros.core.coverage import coverage_order
from anon_ros.core.crops import extract_crop, plan_crop
from anon_ros.core.masks import union_mask

BOX = np.zeros(4, np.float32)


def make_region_of(mask: Mask, *, dilate: float = 0.05, feather: float = 0.015) -> PersonRegion:
    return make_region(mask, BOX, MaskConfig(dilate_ratio=dilate, feather_ratio=feather))


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


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.floats(1, 5),
    st.tuples(*[st.floats(0, 0.999)] * 4),
    st.booleans(),
)
@settings(deadline=None)
def test_crop_shifts_before_padding(
    height_px: int,
    width_px: int,
    ratio: float,
    corners: tuple[float, ...],
    square: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    (x0, x1), (y0, y1) = sorted(corners[:2]), sorted(corners[2:])
    rows = slice(int(y0 * height_px), int(y1 * height_px) + 1)
    columns = slice(int(x0 * width_px), int(x1 * width_px) + 1)
    region = make_region_of(make_rectangle(height_px, width_px, rows, columns))
    roi = plan_crop(region, width_px, height_px, ratio, square=square)
    window = region.window
    assert roi.width_px / roi.height_px in ((1,) if square else (0.5, 1, 2))
    assert roi.width_px >= ratio * region.bounds.width_px
    assert roi.height_px >= ratio * region.bounds.height_px
    assert (roi.x0 <= window.x0, roi.y0 <= window.y0) == (True, True)
    assert (roi.x1 >= window.x1, roi.y1 >= window.y1) == (True, True)
    for low, high, length in ((roi.x0, roi.x1, width_px), (roi.y0, roi.y1, height_px)):
        fits = high - low <= length
        assert (low >= 0 and high <= length) if fits else (low <= 0 and high >= length)


@pytest.mark.parametrize(
    ("person_wh", "window_wh"),
    [((40, 100), (75, 150)), ((60, 60), (90, 90)), ((90, 20), (136, 68))],
)
def test_crop_aspect_follows_person(person_wh: tuple[int, int], window_wh: tuple[int, int]) -> None:
    (width, height) = person_wh
    region = make_region_of(
        make_rectangle(500, 500, slice(200, 200 + height), slice(200, 200 + width))
    )
    roi = plan_crop(region, 500, 500, 1.5, square=False)
    assert (roi.width_px, roi.height_px) == window_wh


def test_crop_repeats_edge_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 20, 3), np.uint8)
    region = make_region_of(make_rectangle(40, 20, slice(5, 35), slice(5, 15)))
    people = union_mask([region], 40, 20)
    roi = plan_crop(region, 20, 40, 1.5, square=True)
    crop = extract_crop(image, people, region, roi, seed=3)
    inside = roi.clip(20, 40)
    inner = inside.relative_to(roi).slices
    assert roi.width_px == 45
    assert (crop.image[inner] == image[inside.slices]).all()
    assert (crop.image[inner[0], 0] == image[inside.slices][:, 0]).all()
    assert (crop.persons_mask[inner] == people[inside.slices]).all()
    assert crop.persons_mask.sum() == people.sum() == crop.mask.sum()


def test_cover_never_uses_person_pixels() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (90, 120, 3), np.uint8)
    regions = [
        make_region_of(make_rectangle(90, 120, slice(20, 80), slice(x, x + 30)))
        for x in (0, 25, 80)
    ]
    people = union_mask(regions, 90, 120)
    other = image.copy()
    other[people] = random.integers(0, 256, (people.sum(), 3), np.uint8)
    assert (
        cover_regions(image, regions, people)[people]
        == cover_regions(other, regions, people)[people]
    ).all()


def test_cover_of_full_frame_is_gray() -> None:
    image = np.full((30, 30, 3), 200, np.uint8)
    regions = [make_region_of(make_rectangle(30, 30, slice(0, 30), slice(0, 30)))]
    assert (cover_regions(image, regions, union_mask(regions, 30, 30)) == 128).all()


def test_fill_is_flat_in_narrow_gaps() -> None:
    image = np.full((1080, 1080, 3), 100, np.uint8)
    people = np.ones((1080, 1080), np.bool_)
    people[:, ::60] = False
    people[500:503] = False
    filled = fill_from_surroundings(image, people)
    assert np.abs(filled.astype(int) - 100).max() <= 28, "grey 128 where nothing is known"


def test_coverage_order_is_stable() -> None:
    assert coverage_order(np.array([5, 3, 9, 3, 5])) == [1, 3, 0, 4, 2]
