"""Crops around persons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core.crops import extract_crop, plan_crop
from anon_ros.core.masks import union_mask
from helpers.arrays import make_rectangle, make_region_of


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
