"""Flicker inside the masks."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import Mask, RgbImage
from anon_ros.metrics.temporal.flicker import FlickerMetric, FlickerReport
from helpers.arrays import make_rectangle

H, W = 160, 200
PATCH_PX = 60


def make_texture(seed: int, height_px: int = H, width_px: int = W) -> RgbImage:
    """Blobs of a few px: what flow can follow."""
    noise = np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float32)
    return np.clip(128 + 8 * (blurred - blurred.mean()), 0, 255).astype(np.uint8)


def make_person_mask(x: int, y: int) -> Mask:
    return make_rectangle(H, W, slice(y, y + PATCH_PX), slice(x, x + PATCH_PX))


def paste_patch(background: RgbImage, patch: RgbImage, x: int, y: int) -> RgbImage:
    frame = background.copy()
    frame[y : y + PATCH_PX, x : x + PATCH_PX] = patch
    return frame


def make_walk(patch: RgbImage) -> list[RgbImage]:
    """A patch that moves 4 px right and 2 px down per frame before a still background."""
    return [paste_patch(make_texture(0), patch, 40 + 4 * i, 50 + 2 * i) for i in range(4)]


ORIGINAL = make_walk(make_texture(1, PATCH_PX, PATCH_PX))
MASKS = [make_person_mask(40 + 4 * i, 50 + 2 * i) for i in range(4)]


def fill_persons(colours: "list[int]") -> list[RgbImage]:
    """The original with the person of each frame in one colour."""
    frames = [frame.copy() for frame in ORIGINAL]
    for frame, mask, colour in zip(frames, MASKS, colours, strict=True):
        frame[mask] = colour
    return frames


def measure_flicker(
    anonymized: list[RgbImage],
    original: list[RgbImage] = ORIGINAL,
    masks: list[Mask] = MASKS,
) -> FlickerReport:
    flicker = FlickerMetric()
    for frame in zip(original, anonymized, masks, strict=True):
        flicker.update(*frame)
    return flicker.compute()


def test_report_of_no_frames_is_empty() -> None:
    nothing = FlickerReport(0, 0, None, None, None, None, None, None)
    assert FlickerMetric().compute() == nothing
    nobody = [np.zeros((H, W), np.bool_)] * 4
    assert measure_flicker(ORIGINAL, masks=nobody) == FlickerReport(4, 0, *[None] * 6)


def test_single_frame_has_distance() -> None:
    report = measure_flicker(fill_persons([0] * 4)[:1], ORIGINAL[:1], MASKS[:1])
    levels = ORIGINAL[0][MASKS[0]].mean()
    assert report.distance_levels == pytest.approx(levels)
    assert (report.warp_error_levels, report.temporal_difference_error_levels) == (None, None)


def test_copy_of_input_has_ratio_one() -> None:
    noise = np.random.default_rng(0)
    noisy = [np.clip(f + noise.normal(0, 4, f.shape), 0, 255).astype(np.uint8) for f in ORIGINAL]
    report = measure_flicker(noisy, noisy)
    assert report.warp_error_ratio == 1
    assert report.warp_error_levels == report.original_warp_error_levels
    assert report.warp_error_levels is not None
    assert report.warp_error_levels > 2
    assert report.temporal_difference_error_levels == 0
    assert report.temporal_difference_error_ratio == 0
    assert report.distance_levels == 0


def test_still_scene_has_known_values() -> None:
    """A third of the person's channels change by 30 levels, so 10 per pixel."""
    still, masks = [make_texture(0)] * 3, [make_person_mask(40, 50)] * 3
    anonymized = [frame.copy() for frame in still]
    for frame, red in zip(anonymized, (100, 130, 100), strict=True):
        frame[masks[0]] = (red, 100, 100)
    report = measure_flicker(anonymized, still, masks)
    assert report.warped_px == pytest.approx(2 * PATCH_PX**2, rel=0.1)
    assert report.warp_error_levels == pytest.approx(10, abs=1e-3)
    assert report.original_warp_error_levels == pytest.approx(0, abs=0.05)
    assert report.temporal_difference_error_levels == pytest.approx(10)
    assert report.temporal_difference_error_ratio is None
    off = [np.abs(a[masks[0]] - make_texture(0)[masks[0]].astype(float)).mean() for a in anonymized]
    assert report.distance_levels == pytest.approx(np.mean(off))


def test_differences_use_mask_union() -> None:
    """10 of 20 columns change by 50 in the original, all 20 by 40 where it is anonymized."""
    black = np.zeros((H, W, 3), np.uint8)
    left, right = (make_rectangle(H, W, slice(0, 80), slice(x, x + 10)) for x in (50, 60))
    original, anonymized = black.copy(), black.copy()
    original[left] = 50
    anonymized[left | right] = 40
    report = measure_flicker([black, anonymized], [black, original], [left, right])
    assert report.temporal_difference_error_levels == pytest.approx(40 - 25)
    assert report.temporal_difference_error_ratio == pytest.approx(15 / 25)
    assert report.distance_levels == pytest.approx(40 / 2)


def test_moving_person_has_low_warp_error() -> None:
    report = measure_flicker(make_walk(make_texture(2, PATCH_PX, PATCH_PX)))
    still = measure_flicker(make_walk(make_texture(2, PATCH_PX, PATCH_PX))[:1] * 4)
    assert report.warped_px > 0.8 * 3 * PATCH_PX**2
    assert report.warp_error_levels is not None
    assert still.warp_error_levels is not None
    # Flow differs from one kind of CPU to another, for both videos alike.
    assert report.warp_error_ratio is not None
    assert report.warp_error_ratio < 1.5
    assert still.warp_error_levels > 10 * report.warp_error_levels
    assert report.distance_levels is not None
    assert report.distance_levels > 20


def test_changing_color_flickers_more() -> None:
    stays, changes = (
        measure_flicker(fill_persons([90] * 4)),
        measure_flicker(fill_persons([90, 200, 30, 140])),
    )
    assert stays.warp_error_levels == pytest.approx(0, abs=1e-3)
    assert changes.warp_error_levels == pytest.approx((110 + 170 + 110) / 3, abs=1)
    assert stays.warp_error_ratio is not None
    assert changes.warp_error_ratio is not None
    assert stays.warp_error_ratio < 1 < changes.warp_error_ratio
    assert stays.temporal_difference_error_levels is not None
    assert changes.temporal_difference_error_levels is not None
    assert stays.temporal_difference_error_levels < changes.temporal_difference_error_levels


def test_frozen_person_has_ratio_one() -> None:
    report = measure_flicker([make_texture(5)] * 4)
    assert report.temporal_difference_error_ratio == pytest.approx(1)


def test_entering_pixels_ignored() -> None:
    still = [make_texture(0)] * 2
    left, right = make_person_mask(20, 50), make_person_mask(20 + PATCH_PX, 50)
    report = measure_flicker([make_texture(3), make_texture(4)], still, [left, right])
    assert (report.warped_px, report.warp_error_levels) == (0, None)
    assert report.temporal_difference_error_levels is not None
    assert report.temporal_difference_error_levels > 20


def test_disoccluded_pixels_ignored() -> None:
    everywhere = [np.ones((H, W), np.bool_)] * 2
    still = measure_flicker([ORIGINAL[0]] * 2, [ORIGINAL[0]] * 2, everywhere)
    moved = measure_flicker(ORIGINAL[::3], ORIGINAL[::3], everywhere)
    uncovered_px = np.count_nonzero(MASKS[0] & ~MASKS[3])
    assert still.warped_px > 0.95 * H * W
    assert moved.warped_px < still.warped_px - 0.5 * uncovered_px
    assert moved.warp_error_levels is not None
    assert moved.warp_error_levels < np.abs(ORIGINAL[3] - ORIGINAL[0].astype(float)).mean() / 3


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=5)
def test_distant_pixels_never_count(seed: int) -> None:
    mask = make_rectangle(400, 400, slice(10, 60), slice(20, 70))
    still, other = make_texture(0, 400, 400), make_texture(0, 400, 400)
    other[200:, 200:] = make_texture(seed, 200, 200)
    calm = measure_flicker([still] * 2, [still] * 2, [mask] * 2)
    assert measure_flicker([still, other], [still, other], [mask] * 2) == calm


def test_reader_may_reuse_buffers() -> None:
    buffers = [np.empty((H, W, 3), np.uint8), np.empty((H, W, 3), np.uint8), MASKS[0].copy()]
    flicker, anonymized = FlickerMetric(), fill_persons([90, 200, 30, 140])
    for frame in zip(ORIGINAL, anonymized, MASKS, strict=True):
        for buffer, part in zip(buffers, frame, strict=True):
            buffer[:] = part
        flicker.update(*buffers)
    assert flicker.compute() == measure_flicker(anonymized)


@pytest.mark.parametrize("x", [0, W - PATCH_PX])
def test_persons_at_border_measured(x: int) -> None:
    still, masks = [make_texture(0)] * 2, [make_person_mask(x, H - PATCH_PX)] * 2
    report = measure_flicker([np.full_like(still[0], level) for level in (50, 70)], still, masks)
    assert report.warp_error_levels == pytest.approx(20, abs=1e-3)
    assert report.warped_px > 0.8 * PATCH_PX**2


def test_invalid_frames_rejected() -> None:
    flicker, image, mask = FlickerMetric(), ORIGINAL[0], MASKS[0]
    with pytest.raises(ValueError, match="200 x 31 px, flow needs 32"):
        flicker.update(image[:31], image[:31], mask[:31])
    with pytest.raises(ValueError, match="mask: uint8"):
        flicker.update(image, image, mask.view(np.uint8))
    with pytest.raises(ValueError, match="anonymized"):
        flicker.update(image, image[1:], mask)
    flicker.update(image, image, mask)
    with pytest.raises(ValueError, match="original"):
        flicker.update(image[1:], image[1:], mask[1:])
    assert flicker.compute().frames == 1


def test_smallest_frame_measured() -> None:
    still, mask = make_texture(0, 32, 32), np.ones((32, 32), np.bool_)
    report = measure_flicker([still, still // 2], [still] * 2, [mask] * 2)
    assert report.warp_error_levels == pytest.approx(np.abs(still - still / 2).mean(), rel=0.3)
