"""Rectangles against sets of pixels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.core import Roi

COORDINATE = st.integers(-4, 12)
ROIS = st.builds(Roi, COORDINATE, COORDINATE, COORDINATE, COORDINATE)


def pixels(roi: Roi) -> set[tuple[int, int]]:
    return {(x, y) for x in range(roi.x0, roi.x1) for y in range(roi.y0, roi.y1)}


@given(left=ROIS, right=ROIS)
def test_roi_intersects_as_its_pixels(left: Roi, right: Roi) -> None:
    assert pixels(left.intersection(right)) == pixels(left) & pixels(right)
    assert left.is_empty == (not pixels(left))


@given(left=ROIS, right=ROIS)
def test_roi_union_is_smallest_that_contains_both(left: Roi, right: Roi) -> None:
    union = left.union(right)
    assert union.contains(left)
    assert union.contains(right)
    sides = zip(vars(union).values(), vars(left).values(), vars(right).values(), strict=True)
    assert all(side in {a, b} for side, a, b in sides)


@given(roi=ROIS, size=st.tuples(st.integers(1, 9), st.integers(1, 9)), align_px=st.integers(1, 3))
def test_roi_from_mask_aligns_outward(roi: Roi, size: tuple[int, int], align_px: int) -> None:
    height_px, width_px = size
    mask = np.zeros(size, np.bool_)
    inside = roi.clip(width_px, height_px)
    mask[inside.slices] = True
    bounds = Roi.from_mask(mask, align_px)
    cells = {(x // align_px, y // align_px) for x, y in pixels(inside)}
    image = pixels(Roi(0, 0, width_px, height_px))
    assert pixels(bounds) == {(x, y) for x, y in image if (x // align_px, y // align_px) in cells}


def test_roi_from_box_touches_partial_pixels() -> None:
    assert Roi.from_box_xyxy([-0.5, 1.0, 2.1, 3.0]) == Roi(-1, 1, 3, 3)
    assert Roi.from_box_xyxy(np.array([0.2, 0.9, 1, 1], np.float32)) == Roi(0, 0, 1, 1)
