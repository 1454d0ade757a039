"""Observed masks, stretched to other places."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import Mask, Roi
from anon_ros.tracking.observations import observe_persons
from helpers.arrays import make_detections
from helpers.street import HEIGHT_PX, WIDTH_PX, make_observation, make_person_mask, paste_window

sides = st.floats(-3000, 3000)


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(sides, sides, st.floats(2, 5000), st.floats(2, 5000)),
    st.integers(0, 60),
    st.sampled_from(
        [
            make_person_mask(200),
            make_person_mask(-10),
            make_person_mask(WIDTH_PX - 5),
            make_person_mask(0, 0, HEIGHT_PX),
        ]
    ),
)
def test_stretched_mask_stays_inside(
    place: tuple[float, float, float, float], growth_px: int, mask: Mask
) -> None:
    x0, y0, width, height = place
    box = np.array([x0, y0, x0 + width, y0 + height])
    window, part = make_observation(mask).stretched_to(box, growth_px, WIDTH_PX, HEIGHT_PX)
    assert part.shape == (window.height_px, window.width_px)
    assert Roi(0, 0, WIDTH_PX, HEIGHT_PX).contains(window)
    # A full figure fills its box: the image's pixels that are no farther from it than it grows.
    ys, xs = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    dx = np.maximum(np.maximum(x0 - xs, xs + 1 - (x0 + width)), 0)
    dy = np.maximum(np.maximum(y0 - ys, ys + 1 - (y0 + height)), 0)
    distances_px = np.hypot(dx, dy)
    covered = paste_window(window, part)
    assert not (covered & (distances_px > 1.03 * growth_px + 2)).any()
    assert covered[distances_px < 0.97 * growth_px - 2].all()


def test_stretch_to_same_box_is_identity() -> None:
    person = make_person_mask(200, height_px=60) | make_person_mask(210, 90, 10)
    once = make_observation(person)
    window, part = once.stretched_to(once.box_xyxy, 0, WIDTH_PX, HEIGHT_PX)
    assert (paste_window(window, part) == person).all()


def test_specks_do_not_grow() -> None:
    person = make_person_mask(200)
    speck = person.copy()
    speck[20:22, 20:22] = True
    (once,) = observe_persons(replace(make_detections([person]), masks=speck[np.newaxis]), 0)
    window, part = once.stretched_to(once.box_xyxy, 10, WIDTH_PX, HEIGHT_PX)
    assert not paste_window(window, part)[:60, :60].any()


def test_mask_growth_equals_disc() -> None:
    """Done with a disc it would, and the answer must be the disc's."""
    once = make_observation(make_person_mask(50, 20, 200))
    window, part = once.stretched_to(once.box_xyxy, 120, WIDTH_PX, HEIGHT_PX)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (241, 241))
    wide = np.pad(make_person_mask(50, 20, 200), 200).view(np.uint8)
    expected = cv2.dilate(wide, disc)[200:-200, 200:-200].astype(np.bool_)
    differs = np.count_nonzero(paste_window(window, part) ^ expected)
    assert differs < 0.02 * np.count_nonzero(expected)


@pytest.mark.parametrize("growth_px", [0, 5])
def test_stretch_at_border_equals_middle(growth_px: int) -> None:
    person = make_person_mask(200, 30, 50) & (
        np.random.default_rng(0).random((HEIGHT_PX, WIDTH_PX)) < 0.9
    )
    once = make_observation(person)
    box = np.array([40.0, 30.0, 107.0, 201.0])
    wide = paste_window(*once.stretched_to(box, growth_px, WIDTH_PX, HEIGHT_PX))
    window, part = once.stretched_to(box, growth_px, 80, 150)
    narrow = np.zeros((150, 80), np.bool_)
    narrow[window.slices] = part
    assert (narrow == wide[:150, :80]).all()
    assert narrow.any()
