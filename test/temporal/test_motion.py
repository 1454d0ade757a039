"""Where a person is taken to be who is not seen, and which pixels that covers."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from street import HEIGHT_PX, WIDTH_PX, figure
from support import detections

from anon_ros.core import Mask, Roi
from anon_ros.tracking.mask_memory import MaskMemory
from anon_ros.tracking.motion_model import extrapolate_box
from anon_ros.tracking.observations import PersonObservation, observe_persons, stretched_to
from anon_ros.utils.units import NS_PER_S


def sighting(mask: Mask, time_s: float = 0) -> PersonObservation:
    (found,) = observe_persons(detections([mask]), round(time_s * NS_PER_S))
    return found


def whole(window: Roi, mask: Mask) -> Mask:
    image = np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_)
    image[window.slices] = mask
    return image


def walked(
    rate_hz: float, speed_px_s: float, frames: int, start: float = 100
) -> list[PersonObservation]:
    times_s = [index / rate_hz for index in range(frames)]
    return [sighting(figure(start + speed_px_s * at), at) for at in times_s]


def centre(box: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    return float(box[0] + box[2]) / 2


@pytest.mark.parametrize("rate_hz", [1.2, 3, 10, 30, 100])
def test_a_walker_goes_on_at_his_speed(rate_hz: float) -> None:
    seen = walked(rate_hz, 60, max(round(rate_hz), 3))
    last_s = seen[-1].time_ns / NS_PER_S
    box = extrapolate_box(seen, seen[-1].time_ns + NS_PER_S, WIDTH_PX)
    assert centre(box) == pytest.approx(100 + 15 + 60 * (last_s + 1), abs=3)


def test_stamps_that_come_in_bursts_tell_no_speed() -> None:
    """20 px from frame to frame, as at 10 Hz, but stamped 1 ms apart: that would be 20,000 px/s."""
    seen = [sighting(figure(100 + 20 * index), index / 1000) for index in range(6)]
    box = extrapolate_box(seen, seen[-1].time_ns + NS_PER_S, WIDTH_PX)
    assert abs(centre(box) - centre(seen[-1].box_xyxy)) < 100


def test_a_trembling_box_drifts_no_farther_than_its_size() -> None:
    seen = [sighting(figure(100 + 2 * (index % 2)), index / 60) for index in range(4)]
    box = extrapolate_box(seen, seen[-1].time_ns + NS_PER_S, WIDTH_PX)
    assert abs(centre(box) - 115) < 40


@pytest.mark.parametrize("at_left", [True, False])
def test_who_has_come_in_through_the_border_grows_no_wider_than_a_person(at_left: bool) -> None:  # noqa: FBT001
    """80 px high: 48 px wide at most, then he leaves the border behind."""
    inside = [4 * index for index in range(1, 6)]
    edges = [x - 30 if at_left else WIDTH_PX - x for x in inside]
    seen = [sighting(figure(x), index / 10) for index, x in enumerate(edges)]
    for after_s, width_px, gap_px in ((0.5, 40, 0), (1.0, 48, 12)):
        x0, _, x1, _ = extrapolate_box(seen, seen[-1].time_ns + round(after_s * NS_PER_S), WIDTH_PX)
        assert x1 - x0 == pytest.approx(width_px, abs=2)
        assert (x0 if at_left else WIDTH_PX - x1) == pytest.approx(gap_px, abs=2)


FIGURE = sighting(figure(200))
sides = st.floats(-3000, 3000)


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(sides, sides, st.floats(2, 5000), st.floats(2, 5000)),
    st.integers(0, 60),
    st.sampled_from([figure(200), figure(-10), figure(WIDTH_PX - 5), figure(0, 0, HEIGHT_PX)]),
)
def test_whatever_the_box_the_mask_is_that_of_the_image(
    place: tuple[float, float, float, float], growth_px: int, mask: Mask
) -> None:
    x0, y0, width, height = place
    box = np.array([x0, y0, x0 + width, y0 + height])
    window, part = stretched_to(sighting(mask), box, growth_px, WIDTH_PX, HEIGHT_PX)
    assert part.shape == (window.height_px, window.width_px)
    assert Roi(0, 0, WIDTH_PX, HEIGHT_PX).contains(window)
    # A full figure fills its box: the image's pixels that are no farther from it than it grows.
    ys, xs = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    dx = np.maximum(np.maximum(x0 - xs, xs + 1 - (x0 + width)), 0)
    dy = np.maximum(np.maximum(y0 - ys, ys + 1 - (y0 + height)), 0)
    distances_px = np.hypot(dx, dy)
    covered = whole(window, part)
    assert not (covered & (distances_px > 1.03 * growth_px + 2)).any()
    assert covered[distances_px < 0.97 * growth_px - 2].all()


def test_where_he_was_seen_he_is_as_he_was_seen() -> None:
    person = figure(200, height_px=60) | figure(210, 90, 10)
    once = sighting(person)
    window, part = stretched_to(once, once.box_xyxy, 0, WIDTH_PX, HEIGHT_PX)
    assert (whole(window, part) == person).all()


def test_specks_do_not_grow() -> None:
    speck = figure(200).copy()
    speck[20:22, 20:22] = True
    once = sighting(speck)
    window, part = stretched_to(once, once.box_xyxy, 10, WIDTH_PX, HEIGHT_PX)
    assert not whole(window, part)[:60, :60].any()


@pytest.mark.parametrize(
    ("ratio", "grown_px"),
    [(0.0, 0), (0.4, 0.4 * 49 / 4 / 2), (4.0, 4 * 49 / 4 / 2), (10.0, 49), (1000.0, 49)],
)
def test_a_carried_mask_grows_with_age_up_to_its_size(ratio: float, grown_px: float) -> None:
    """By a quarter of memory.growth_ratio per second beyond the end; 49 px is its size."""
    seen = [sighting(figure(200), index / 10) for index in range(5)]
    recall = MaskMemory(10 * NS_PER_S, ratio, 0.0, WIDTH_PX, HEIGHT_PX)
    age_s = 0.5 if ratio < 10 else 2
    missed = recall.propagate(seen, seen[-1].time_ns + round(age_s * NS_PER_S))
    assert missed is not None
    columns = np.flatnonzero(whole(missed.window, missed.mask).any(axis=0))
    assert columns[0] == pytest.approx(200 - grown_px, abs=1.5)
    assert columns[-1] == pytest.approx(229 + grown_px, abs=1.5)


def test_growing_by_a_whole_person_takes_no_seconds() -> None:
    """Done with a disc it would, and the answer must be the disc's."""
    once = sighting(figure(50, 20, 200))
    window, part = stretched_to(once, once.box_xyxy, 120, WIDTH_PX, HEIGHT_PX)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (241, 241))
    wide = np.pad(figure(50, 20, 200), 200).view(np.uint8)
    expected = cv2.dilate(wide, disc)[200:-200, 200:-200].astype(np.bool_)
    differs = np.count_nonzero(whole(window, part) ^ expected)
    assert differs < 0.02 * np.count_nonzero(expected)


@pytest.mark.parametrize("growth_px", [0, 5])
def test_at_the_border_a_person_is_stretched_as_in_the_middle(growth_px: int) -> None:
    person = figure(200, 30, 50) & (np.random.default_rng(0).random((HEIGHT_PX, WIDTH_PX)) < 0.9)
    once = sighting(person)
    box = np.array([40.0, 30.0, 107.0, 201.0])
    wide = whole(*stretched_to(once, box, growth_px, WIDTH_PX, HEIGHT_PX))
    window, part = stretched_to(once, box, growth_px, 80, 150)
    narrow = np.zeros((150, 80), np.bool_)
    narrow[window.slices] = part
    assert (narrow == wide[:150, :80]).all()
    assert narrow.any()
