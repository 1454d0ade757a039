"""The fill that covers a person."""

import numpy as np

from anon_ros.core import (
    cover_regions,
    fill_from_surroundings,
)
from anon_ros.core.masks import union_mask
from helpers.arrays import make_rectangle, make_region_of


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
