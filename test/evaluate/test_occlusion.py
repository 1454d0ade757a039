"""Who is on top: by hand, and as properties of scenes whose depths are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import detections, rectangle

from anon_ros.config import MaskConfig
from anon_ros.core import Detections, RgbImage, make_region
from anon_ros.core.coverage import coverage_order, coverage_px
from anon_ros.metrics import (
    BACKGROUND,
    MISORDER_CAUSES,
    Cutout,
    evaluate_paste_order,
    extract_cutouts,
    make_scene,
    match_masks,
    misorder_cause,
    order_by_box_bottom,
    order_by_coverage,
    order_by_depth,
    order_by_detection,
)

EXACT = MaskConfig(dilate_ratio=0, feather_ratio=0)
H, W = 60, 80


def three() -> Detections:
    """A large one, a small one whose feet are lowest, and one apart."""
    return detections(
        [
            rectangle(H, W, slice(5, 50), slice(5, 35)),
            rectangle(H, W, slice(30, 55), slice(25, 45)),
            rectangle(H, W, slice(10, 20), slice(60, 70)),
        ]
    )


def regions_of(found: Detections) -> list:  # type: ignore[type-arg]
    pairs = zip(found.masks, found.boxes_xyxy, strict=True)
    return [make_region(mask, box, EXACT) for mask, box in pairs]


def test_orders_of_a_hand_made_case() -> None:
    found = three()
    assert order_by_coverage(found) == [2, 1, 0] == coverage_order(coverage_px(found))
    assert order_by_detection(found) == [0, 1, 2]
    assert order_by_box_bottom(found) == [2, 0, 1]
    depth = np.full((H, W), np.nan, np.float32)
    depth[found.masks[0]], depth[found.masks[1]] = 9, 4
    assert order_by_depth(found, depth) == [2, 0, 1]  # of the last one nothing is known


def test_contested_and_wrong_pixels_of_a_hand_made_case() -> None:
    found = three()
    regions, depths = regions_of(found), [9.0, 4.0, 5.0]
    shared_px = int((regions_px(found, 0) & regions_px(found, 1)).sum())
    right = evaluate_paste_order(regions, [2, 0, 1], depths)
    assert (right.overlap_px, right.misordered_px, right.pairs) == (shared_px, 0, {(1, 0)})
    assert right.misordered_pairs == frozenset()
    wrong = evaluate_paste_order(regions, order_by_coverage(found), depths)
    assert (wrong.overlap_px, wrong.misordered_px) == (shared_px, shared_px)
    assert wrong.misordered_pairs == {(1, 0)}
    assert wrong.replaced_px == int((union_px(found)).sum())


def test_of_who_is_equally_far_away_nobody_is_wrong() -> None:
    regions, depths = regions_of(three()), [5.0, 5.0, 5.0]
    for order in ([0, 1, 2], [1, 0, 2]):
        found = evaluate_paste_order(regions, order, depths)
        assert found.overlap_px > 0
        assert (found.misordered_px, found.pairs) == (0, frozenset())


def regions_px(found: Detections, index: int) -> np.ndarray:
    region = regions_of(found)[index]
    whole = np.zeros((H, W), np.bool_)
    whole[region.window.slices] = region.mask
    return whole


def union_px(found: Detections) -> np.ndarray:
    return np.any([regions_px(found, index) for index in range(len(found))], axis=0)


def test_nobody_is_no_case() -> None:
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
def test_pasted_from_far_to_near_nothing_is_wrong_and_reversed_everything(
    boxes: list[tuple[int, int, int, int]], random: object
) -> None:
    masks = [rectangle(H, W, slice(y, y + h), slice(x, x + w)) for y, x, w, h in boxes]
    found = detections(masks)
    depths = [float(index + 1) for index in range(len(boxes))]
    random.shuffle(depths)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    far_first = sorted(range(len(boxes)), key=lambda index: -depths[index])
    regions = regions_of(found)
    right, wrong = (
        evaluate_paste_order(regions, far_first, depths),
        evaluate_paste_order(regions, far_first[::-1], depths),
    )
    assert right.misordered_px == 0
    assert not right.misordered_pairs
    assert wrong.misordered_px == wrong.overlap_px == right.overlap_px
    assert wrong.misordered_pairs == wrong.pairs == right.pairs


def test_the_first_reason_that_applies_is_told() -> None:
    def why(**changes: list[float]) -> str:
        facts = {
            "is_child": [False, False],
            "inside_ratios": [1.0, 1.0],
            "visible_ratios": [1.0, 1.0],
            "depths": [2.0, 4.0],
        }
        return misorder_cause((0, 1), **(facts | changes))  # type: ignore[arg-type]

    assert why() == MISORDER_CAUSES[-1]
    assert why(depths=[2.0, 2.2]) == MISORDER_CAUSES[3]
    assert why(is_child=[True, False]) == MISORDER_CAUSES[2]
    assert why(is_child=[True, True]) == MISORDER_CAUSES[-1]
    assert why(visible_ratios=[0.5, 1.0], is_child=[True, False]) == MISORDER_CAUSES[1]
    assert why(inside_ratios=[0.5, 1.0], visible_ratios=[0.5, 1.0]) == MISORDER_CAUSES[0]


def test_only_standing_persons_who_are_seen_whole_are_cut_out() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    alone = rectangle(200, 300, slice(20, 120), slice(20, 60))
    at_the_border = rectangle(200, 300, slice(0, 100), slice(80, 120))
    lying = rectangle(200, 300, slice(150, 190), slice(20, 120))
    touching = rectangle(200, 300, slice(20, 120), slice(200, 240))
    touched = rectangle(200, 300, slice(60, 180), slice(230, 270))
    masks = np.array([alone, at_the_border, lying, touching, touched])
    (cutout,) = extract_cutouts(image, masks)
    assert cutout.mask.all()
    assert np.array_equal(cutout.image, image[20:120, 20:60])
    assert extract_cutouts(image, masks[:0]) == []


@pytest.fixture(scope="module")
def people() -> list[Cutout]:
    random = np.random.default_rng(1)
    shapes = [(120, 40), (90, 45), (150, 60)]
    return [
        Cutout(random.integers(0, 256, (*shape, 3), np.uint8), np.ones(shape, np.bool_))
        for shape in shapes
    ]


def test_a_scene_shows_the_nearer_person_and_repeats_itself(people: list[Cutout]) -> None:
    background = np.full((240, 320, 3), 99, np.uint8)
    hidden = contested = 0
    for seed in range(40):
        scene, again = (
            make_scene(people, background, np.random.default_rng(seed)) for _ in range(2)
        )
        assert np.array_equal(scene.image, again.image)
        assert np.array_equal(scene.index_map, again.index_map)
        check_scene(scene.image, scene.index_map, background)
        depths = [actor.depth_m for actor in scene.persons]
        assert depths == sorted(depths, reverse=True)
        visible_px = scene.visible().sum(axis=(1, 2))
        for actor, seen_px in zip(scene.persons, visible_px, strict=True):
            assert seen_px <= actor.inside_px <= actor.total_px
            hidden += seen_px < actor.inside_px
        contested += scene.persons[-1].inside_px == visible_px[-1]  # the nearest is never hidden
    assert contested == 40
    assert hidden > 20


def check_scene(image: RgbImage, owners: np.ndarray, background: RgbImage) -> None:
    nobody = owners == BACKGROUND
    assert np.array_equal(image[nobody], background[nobody])


def test_masks_are_matched_one_to_one_the_best_first() -> None:
    a, b = rectangle(H, W, slice(0, 20), slice(0, 20)), rectangle(H, W, slice(0, 20), slice(2, 22))
    c = rectangle(H, W, slice(40, 60), slice(40, 60))
    assert match_masks(np.array([b, c]), np.array([a, b]), 0.5) == {0: 1}
    assert match_masks(np.array([a]), np.zeros((0, H, W), np.bool_), 0.5) == {}
