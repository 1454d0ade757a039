"""The order of overlapping persons, by hand and as properties."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anon_ros.config import MaskConfig
from anon_ros.core import Detections, make_region
from anon_ros.core.coverage import coverage_order, coverage_px
from anon_ros.metrics import (
    MISORDER_CAUSES,
    evaluate_paste_order,
    find_misorder_cause,
    order_by_box_bottom,
    order_by_coverage,
    order_by_depth,
    order_by_detection,
)
from helpers.arrays import make_detections, make_rectangle

EXACT = MaskConfig(dilate_ratio=0, feather_ratio=0)


H, W = 60, 80


def make_three_persons() -> Detections:
    """A large one, a small one whose feet are lowest, and one apart."""
    return make_detections(
        [
            make_rectangle(H, W, slice(5, 50), slice(5, 35)),
            make_rectangle(H, W, slice(30, 55), slice(25, 45)),
            make_rectangle(H, W, slice(10, 20), slice(60, 70)),
        ]
    )


def make_regions(found: Detections) -> list:  # type: ignore[type-arg]
    pairs = zip(found.masks, found.boxes_xyxy, strict=True)
    return [make_region(mask, box, EXACT) for mask, box in pairs]


def test_orders_of_known_case() -> None:
    found = make_three_persons()
    assert order_by_coverage(found) == [2, 1, 0] == coverage_order(coverage_px(found))
    assert order_by_detection(found) == [0, 1, 2]
    assert order_by_box_bottom(found) == [2, 0, 1]
    depth = np.full((H, W), np.nan, np.float32)
    depth[found.masks[0]], depth[found.masks[1]] = 9, 4
    assert order_by_depth(found, depth) == [2, 0, 1]  # of the last one nothing is known


def test_contested_px_of_known_case() -> None:
    found = make_three_persons()
    regions, depths = make_regions(found), [9.0, 4.0, 5.0]
    shared_px = int((find_region_px(found, 0) & find_region_px(found, 1)).sum())
    right = evaluate_paste_order(regions, [2, 0, 1], depths)
    assert (right.overlap_px, right.misordered_px, right.pairs) == (shared_px, 0, {(1, 0)})
    assert right.misordered_pairs == frozenset()
    wrong = evaluate_paste_order(regions, order_by_coverage(found), depths)
    assert (wrong.overlap_px, wrong.misordered_px) == (shared_px, shared_px)
    assert wrong.misordered_pairs == {(1, 0)}
    assert wrong.replaced_px == int((find_union_px(found)).sum())


def test_equal_depths_never_misordered() -> None:
    regions, depths = make_regions(make_three_persons()), [5.0, 5.0, 5.0]
    for order in ([0, 1, 2], [1, 0, 2]):
        found = evaluate_paste_order(regions, order, depths)
        assert found.overlap_px > 0
        assert (found.misordered_px, found.pairs) == (0, frozenset())


def find_region_px(found: Detections, index: int) -> np.ndarray:
    region = make_regions(found)[index]
    whole = np.zeros((H, W), np.bool_)
    whole[region.window.slices] = region.mask
    return whole


def find_union_px(found: Detections) -> np.ndarray:
    return np.any([find_region_px(found, index) for index in range(len(found))], axis=0)


def test_no_persons_have_no_pairs() -> None:
    nothing = evaluate_paste_order([], [], [])
    assert (nothing.overlap_px, nothing.replaced_px, nothing.pairs) == (0, 0, frozenset())


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 50), st.integers(5, 30), st.integers(5, 19)),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_depth_order_never_misorders(
    boxes: list[tuple[int, int, int, int]], random: object
) -> None:
    masks = [make_rectangle(H, W, slice(y, y + h), slice(x, x + w)) for y, x, w, h in boxes]
    found = make_detections(masks)
    depths = [float(index + 1) for index in range(len(boxes))]
    random.shuffle(depths)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    far_first = sorted(range(len(boxes)), key=lambda index: -depths[index])
    regions = make_regions(found)
    right, wrong = (
        evaluate_paste_order(regions, far_first, depths),
        evaluate_paste_order(regions, far_first[::-1], depths),
    )
    assert right.misordered_px == 0
    assert not right.misordered_pairs
    assert wrong.misordered_px == wrong.overlap_px == right.overlap_px
    assert wrong.misordered_pairs == wrong.pairs == right.pairs


def test_cause_is_first_that_applies() -> None:
    def why(**changes: list[float]) -> str:
        facts = {
            "is_child": [False, False],
            "inside_ratios": [1.0, 1.0],
            "visible_ratios": [1.0, 1.0],
            "depths": [2.0, 4.0],
        }
        return find_misorder_cause((0, 1), **(facts | changes))  # type: ignore[arg-type]

    assert why() == MISORDER_CAUSES[-1]
    assert why(depths=[2.0, 2.2]) == MISORDER_CAUSES[3]
    assert why(is_child=[True, False]) == MISORDER_CAUSES[2]
    assert why(is_child=[True, True]) == MISORDER_CAUSES[-1]
    assert why(visible_ratios=[0.5, 1.0], is_child=[True, False]) == MISORDER_CAUSES[1]
    assert why(inside_ratios=[0.5, 1.0], visible_ratios=[0.5, 1.0]) == MISORDER_CAUSES[0]
