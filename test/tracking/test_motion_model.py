"""Extrapolated boxes of persons out of sight."""

import numpy as np
import pytest

from anon_ros.tracking.motion_model import extrapolate_box
from anon_ros.tracking.observations import PersonObservation
from anon_ros.utils.units import NS_PER_S
from helpers.street import WIDTH_PX, make_observation, make_person_mask


def observe_walk(
    rate_hz: float, speed_px_s: float, frames: int, start: float = 100
) -> list[PersonObservation]:
    times_s = [index / rate_hz for index in range(frames)]
    return [make_observation(make_person_mask(start + speed_px_s * at), at) for at in times_s]


def center_x_px(box: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    return float(box[0] + box[2]) / 2


@pytest.mark.parametrize("rate_hz", [1.2, 3, 10, 30, 100])
def test_extrapolation_keeps_speed(rate_hz: float) -> None:
    seen = observe_walk(rate_hz, 60, max(round(rate_hz), 3))
    last_s = seen[-1].time_ns / NS_PER_S
    box = extrapolate_box(seen, seen[-1].time_ns + NS_PER_S, WIDTH_PX)
    assert center_x_px(box) == pytest.approx(100 + 15 + 60 * (last_s + 1), abs=3)


def test_bursty_stamps_give_no_speed() -> None:
    """20 px from frame to frame, as at 10 Hz, but stamped 1 ms apart: that would be 20,000 px/s."""
    seen = [
        make_observation(make_person_mask(100 + 20 * index), index / 1000) for index in range(6)
    ]
    box = extrapolate_box(seen, seen[-1].time_ns + NS_PER_S, WIDTH_PX)
    assert abs(center_x_px(box) - center_x_px(seen[-1].box_xyxy)) < 100


def test_jittering_box_barely_drifts() -> None:
    seen = [
        make_observation(make_person_mask(100 + 2 * (index % 2)), index / 60) for index in range(4)
    ]
    box = extrapolate_box(seen, seen[-1].time_ns + NS_PER_S, WIDTH_PX)
    assert abs(center_x_px(box) - 115) < 40


@pytest.mark.parametrize("at_left", [True, False])
def test_border_box_keeps_person_width(at_left: bool) -> None:  # noqa: FBT001
    """80 px high: 48 px wide at most, then he leaves the border behind."""
    inside = [4 * index for index in range(1, 6)]
    edges = [x - 30 if at_left else WIDTH_PX - x for x in inside]
    seen = [make_observation(make_person_mask(x), index / 10) for index, x in enumerate(edges)]
    for after_s, width_px, gap_px in ((0.5, 40, 0), (1.0, 48, 12)):
        x0, _, x1, _ = extrapolate_box(seen, seen[-1].time_ns + round(after_s * NS_PER_S), WIDTH_PX)
        assert x1 - x0 == pytest.approx(width_px, abs=2)
        assert (x0 if at_left else WIDTH_PX - x1) == pytest.approx(gap_px, abs=2)
