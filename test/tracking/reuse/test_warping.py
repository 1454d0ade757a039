"""A synthetic person follows the original one, and shows nothing else than what was drawn."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import InpaintFailure, Mask, RgbImage, Roi
from anon_ros.tracking.reuse.warping import (
    CachedPerson,
    WarpedPerson,
    WarpLimits,
    WarpTarget,
    cache_person,
    overlay_warped,
    warp_person,
)
from helpers.arrays import make_rectangle

DEFAULT_LIMITS = WarpLimits(max_age_s=2.0)
NO_LIMITS = WarpLimits(
    max_age_s=1e9,
    max_size_ratio=1e9,
    min_overlap=0,
    max_residual_levels=255,
    min_valid_ratio=0,
)


@pytest.fixture
def street_image(vtest_rgb: dict[str, RgbImage]) -> RgbImage:
    """A street, 768 x 576 px."""
    return vtest_rgb["vtest0240"]


def make_ellipse(height_px: int, width_px: int, share: float = 0.33) -> Mask:
    y, x = np.mgrid[:height_px, :width_px]
    middle_y, middle_x = (height_px - 1) / 2, (width_px - 1) / 2
    spread = ((y - middle_y) / (share * height_px)) ** 2 + (
        (x - middle_x) / (share * width_px)
    ) ** 2
    return spread <= 1


def make_coordinates(height_px: int, width_px: int) -> RgbImage:
    """A drawing that tells of each pixel where it was: x in red, y in green."""
    y, x = np.mgrid[:height_px, :width_px]
    return np.stack([x, y, np.full_like(x, 99)], axis=2).astype(np.uint8)


def shift_image(image: RgbImage, dx_px: int, dy_px: int) -> RgbImage:
    return np.roll(image, (dy_px, dx_px), (0, 1))


def assert_follows(warped: WarpedPerson, dx_px: float, dy_px: float, within_px: float) -> None:
    """Each pixel shows the drawing's pixel at its own place less (dx, dy)."""
    y, x = np.nonzero(warped.valid)
    red, green, blue = warped.image[y, x].astype(float).T
    assert np.abs(red - (x - dx_px)).max() <= within_px
    assert np.abs(green - (y - dy_px)).max() <= within_px
    assert (blue == 99).all()


def unwrap_warped(
    answer: tuple[WarpedPerson, CachedPerson] | InpaintFailure,
) -> tuple[WarpedPerson, CachedPerson]:
    assert not isinstance(answer, InpaintFailure), answer.detail
    return answer


@pytest.mark.parametrize("step", [(0, 0), (4, 0), (-3, 5), (9, -7)])
@pytest.mark.parametrize("follows", [True, False], ids=["window follows", "window stays"])
def test_warp_follows_person(
    street_image: RgbImage, step: tuple[int, int], *, follows: bool
) -> None:
    dx, dy = step
    mask = make_ellipse(200, 100)
    kept = cache_person(mask, Roi(300, 200, 400, 400), make_coordinates(200, 100), street_image, 0)
    x0, y0 = (300 + dx, 200 + dy) if follows else (300, 200)
    target_mask = mask if follows else np.roll(mask, (dy, dx), (0, 1))
    target = WarpTarget(
        shift_image(street_image, dx, dy), target_mask, Roi(x0, y0, x0 + 100, y0 + 200), 10**8
    )
    warped, newer = unwrap_warped(warp_person(kept, target, DEFAULT_LIMITS))
    assert_follows(warped, *((0, 0) if follows else step), within_px=0)
    assert newer.last_patch.roi == target.roi
    assert newer.image is kept.image
    assert np.count_nonzero(warped.valid) > 0.95 * np.count_nonzero(target_mask)


def test_warp_follows_wide_step(street_image: RgbImage) -> None:
    mask = make_ellipse(200, 100)
    kept = cache_person(mask, Roi(300, 200, 400, 400), make_coordinates(200, 100), street_image, 0)
    far = WarpTarget(shift_image(street_image, 150, -100), mask, Roi(450, 100, 550, 300), 1)
    warped, _ = unwrap_warped(warp_person(kept, far, DEFAULT_LIMITS))
    assert_follows(warped, 0, 0, within_px=0)


def test_warp_keeps_still_person(street_image: RgbImage) -> None:
    mask, roi = make_ellipse(200, 100), Roi(300, 200, 400, 400)
    drawing = np.random.default_rng(0).integers(0, 256, (200, 100, 3), np.uint8)
    kept = cache_person(mask, roi, drawing, street_image, 0)
    for now_ns in range(5):
        warped, kept = unwrap_warped(
            warp_person(kept, WarpTarget(street_image, mask, roi, now_ns), DEFAULT_LIMITS)
        )
        assert np.array_equal(warped.valid, mask)
        assert np.array_equal(warped.image[mask], drawing[mask])
        assert not warped.image[~mask].any()


def test_warp_enlarges_near_person(street_image: RgbImage) -> None:
    mask, roi = make_ellipse(240, 120), Roi(300, 200, 420, 440)
    kept = cache_person(mask, roi, make_coordinates(240, 120), street_image, 0)
    scale, middle = 1.06, (359.5, 319.5)
    nearer = cv2.warpAffine(
        street_image, cv2.getRotationMatrix2D(middle, 0, scale), street_image.shape[1::-1]
    )
    large = make_ellipse(260, 130, 0.33 * scale * 240 / 260)
    warped, _ = unwrap_warped(
        warp_person(kept, WarpTarget(nearer, large, Roi(295, 190, 425, 450), 1), DEFAULT_LIMITS)
    )
    y, x = np.nonzero(warped.valid)
    red, green, _ = warped.image[y, x].astype(float).T
    assert np.abs(red - ((x + 295 - middle[0]) / scale + middle[0] - 300)).max() < 1.5
    assert np.abs(green - ((y + 190 - middle[1]) / scale + middle[1] - 200)).max() < 1.5


def test_warp_never_drifts(street_image: RgbImage) -> None:
    mask, random = make_ellipse(160, 80), np.random.default_rng(3)
    kept = cache_person(mask, Roi(250, 300, 330, 460), make_coordinates(160, 80), street_image, 0)
    for step in range(1, 21):
        dx, dy = 7 * step, -5 * step
        left, top, right, bottom = random.integers(0, 20, 4).tolist()
        window_mask = np.pad(mask, ((top, bottom), (left, right)))
        roi = Roi(250 + dx - left, 300 + dy - top, 330 + dx + right, 460 + dy + bottom)
        target = WarpTarget(shift_image(street_image, dx, dy), window_mask, roi, step)
        warped, kept = unwrap_warped(warp_person(kept, target, DEFAULT_LIMITS))
        assert_follows(warped, left, top, within_px=1)
    assert np.count_nonzero(warped.valid) > 0.95 * np.count_nonzero(mask)


@st.composite
def random_windows(draw: st.DrawFn) -> tuple[Mask, Roi]:
    """A window of any size, in the image, beyond its border or far from it, with any mask."""
    width_px, height_px = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    x0, y0 = draw(st.integers(-60, 90)), draw(st.integers(-60, 90))
    if draw(st.booleans()):
        x0 += draw(st.sampled_from([-100_000, 0, 100_000]))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = random.random((height_px, width_px)) < draw(st.sampled_from([0, 0.5, 0.98, 1]))
    return mask, Roi(x0, y0, x0 + width_px, y0 + height_px)


def make_inpainted(mask: Mask, random: np.random.Generator) -> RgbImage:
    """200 and above where it is synthetic; elsewhere, as an inpainter's answer, the original."""
    synthetic = random.integers(200, 256, (*mask.shape, 3), np.uint8)
    return np.where(mask[..., None], synthetic, random.integers(0, 100, (*mask.shape, 3), np.uint8))


@given(
    st.lists(random_windows(), min_size=2, max_size=4),
    st.integers(0, 2**32),
    st.sampled_from([1, 9]),
)
@settings(max_examples=300, deadline=None)
def test_warp_never_shows_original(places: list[tuple[Mask, Roi]], seed: int, blur_px: int) -> None:
    random = np.random.default_rng(seed)
    frames = [random.integers(0, 100, (80, 100, 3), np.uint8) for _ in places]
    frames = [cv2.blur(frame, (blur_px, blur_px)) for frame in frames]
    (mask, roi), *later = places
    kept = cache_person(mask, roi, make_inpainted(mask, random), frames[0], 0)
    assert not kept.image[~mask].any()
    for frame, (new_mask, new_roi) in zip(frames[1:], later, strict=True):
        answer = warp_person(kept, WarpTarget(frame, new_mask, new_roi, 1), NO_LIMITS)
        if isinstance(answer, InpaintFailure):
            assert answer.detail
            continue
        warped, kept = answer
        covered = random.integers(120, 180, (*new_mask.shape, 3), np.uint8)
        result = overlay_warped(covered, warped)
        assert result.dtype == np.uint8
        assert not (warped.valid & ~new_mask).any()
        assert (result[warped.valid] >= 200).all()
        assert np.array_equal(result[~warped.valid], covered[~warped.valid])


def test_warp_never_mixes_background(street_image: RgbImage) -> None:
    # Half a pixel to the side, the person's outermost pixels have a neighbour that is none.
    mask, roi = make_ellipse(100, 50), Roi(300, 200, 350, 300)
    drawing = np.where(mask[..., None], np.uint8(250), np.uint8(10)) * np.ones(3, np.uint8)
    half = cv2.warpAffine(
        street_image, np.array([[1, 0, 0.5], [0, 1, 0]]), street_image.shape[1::-1]
    )
    kept = cache_person(mask, roi, drawing, street_image, 0)
    warped, _ = unwrap_warped(
        warp_person(kept, WarpTarget(half, np.ones_like(mask), roi, 1), NO_LIMITS)
    )
    assert (warped.image[warped.valid] == 250).all()


@pytest.fixture
def standing_person(street_image: RgbImage) -> tuple[CachedPerson, WarpTarget]:
    """A person who did not move."""
    mask, roi = make_ellipse(200, 100), Roi(300, 200, 400, 400)
    kept = cache_person(mask, roi, make_coordinates(200, 100), street_image, 10**9)
    return kept, WarpTarget(street_image, mask, roi, 10**9)


def assert_refused(answer: object, *words: str) -> None:
    assert isinstance(answer, InpaintFailure)
    for word in words:
        assert word in answer.detail


@pytest.mark.parametrize(("now_ns", "age"), [(3_500_000_000, "2.500 s"), (0, "-1.000 s")])
def test_warp_rejects_old_crop(
    standing_person: tuple[CachedPerson, WarpTarget], now_ns: int, age: str
) -> None:
    kept, target = standing_person
    assert_refused(warp_person(kept, replace(target, now_ns=now_ns), DEFAULT_LIMITS), age, "2.0 s")
    unwrap_warped(warp_person(kept, replace(target, now_ns=3_000_000_000), DEFAULT_LIMITS))


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_warp_rejects_other_size(
    standing_person: tuple[CachedPerson, WarpTarget], share: float
) -> None:
    kept, target = standing_person
    answer = warp_person(kept, replace(target, mask=make_ellipse(200, 100, share)), DEFAULT_LIMITS)
    assert_refused(answer, "factor of 1.", "above 1.5")


def test_warp_rejects_other_shape(standing_person: tuple[CachedPerson, WarpTarget]) -> None:
    kept, target = standing_person
    lying = make_rectangle(200, 100, slice(90, 150), slice(0, 100))
    assert_refused(
        warp_person(kept, replace(target, mask=lying), DEFAULT_LIMITS), "overlaps", "below 0.4"
    )


def test_warp_rejects_other_content(standing_person: tuple[CachedPerson, WarpTarget]) -> None:
    kept, target = standing_person
    random = np.random.default_rng(0)
    other = random.integers(0, 256, target.image.shape, np.uint8)
    answer = warp_person(kept, replace(target, image=cv2.blur(other, (5, 5)) * 2), DEFAULT_LIMITS)
    assert_refused(answer, "gray levels", "above 25")


def test_warp_rejects_unfilled_mask(
    standing_person: tuple[CachedPerson, WarpTarget],
) -> None:
    kept, target = standing_person
    grown = replace(target, mask=make_ellipse(200, 100, 0.45))
    assert_refused(
        warp_person(kept, grown, replace(DEFAULT_LIMITS, min_valid_ratio=0.6)), "0.5", "below 0.6"
    )
    warped, _ = unwrap_warped(warp_person(kept, grown, DEFAULT_LIMITS))
    assert np.array_equal(warped.valid, make_ellipse(200, 100))


def test_warp_rejects_non_finite_flow(
    standing_person: tuple[CachedPerson, WarpTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = np.full((2, 256, 128), np.nan, np.float32)
    monkeypatch.setattr("anon_ros.tracking.reuse.warping.estimate_flow", lambda *_: flow)
    assert_refused(warp_person(*standing_person, DEFAULT_LIMITS), "not finite")


def test_warp_rejects_empty_masks(
    standing_person: tuple[CachedPerson, WarpTarget],
) -> None:
    kept, target = standing_person
    empty = np.zeros_like(target.mask)
    assert_refused(warp_person(kept, replace(target, mask=empty), NO_LIMITS), "empty")
    blank = cache_person(empty, target.roi, make_coordinates(200, 100), target.image, 0)
    assert_refused(warp_person(blank, target, NO_LIMITS), "empty")
    away = replace(target, roi=Roi(5000, 200, 5100, 400))
    assert_refused(warp_person(kept, away, NO_LIMITS), "no pixel of the image")
    nothing = replace(target, mask=empty[:0, :0], roi=Roi(5, 5, 5, 5))
    assert_refused(warp_person(kept, nothing, NO_LIMITS), "no pixel of the image")
    assert_refused(warp_person(kept, replace(target, mask=empty[1:]), NO_LIMITS), "(199, 100)")


@pytest.mark.parametrize("wh", [(1, 1), (1, 300), (300, 1), (2, 3), (11, 11), (700, 20)])
def test_warp_accepts_any_window(street_image: RgbImage, wh: tuple[int, int]) -> None:
    width_px, height_px = wh
    mask = np.ones((height_px, width_px), np.bool_)
    roi = Roi(20, 200, 20 + width_px, 200 + height_px)
    kept = cache_person(mask, roi, np.full((*mask.shape, 3), 7, np.uint8), street_image, 0)
    warped, _ = unwrap_warped(
        warp_person(kept, WarpTarget(street_image, mask, roi, 1), DEFAULT_LIMITS)
    )
    assert warped.image.shape == (height_px, width_px, 3)
    assert np.array_equal(warped.image == 7, np.repeat(warped.valid[..., None], 3, axis=2))


def test_warp_follows_beyond_border(street_image: RgbImage) -> None:
    mask = make_rectangle(250, 150, slice(100, 235), slice(60, 140))
    kept = cache_person(mask, Roi(-55, -90, 95, 160), make_coordinates(250, 150), street_image, 0)
    target = WarpTarget(shift_image(street_image, 4, 3), mask, Roi(-51, -87, 99, 163), 1)
    warped, _ = unwrap_warped(warp_person(kept, target, DEFAULT_LIMITS))
    assert_follows(warped, 0, 0, within_px=1)


def test_warp_is_deterministic(street_image: RgbImage, vtest_rgb: dict[str, RgbImage]) -> None:
    mask, roi = make_ellipse(200, 100), Roi(300, 200, 400, 400)
    kept = cache_person(mask, roi, make_coordinates(200, 100), street_image, 0)
    later = vtest_rgb["vtest0360"]

    def drawing(_: int) -> RgbImage:
        return unwrap_warped(warp_person(kept, WarpTarget(later, mask, roi, 1), NO_LIMITS))[0].image

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(drawing, range(12))
    assert all(np.array_equal(first, other) for other in others)


def test_warp_modifies_no_input(
    standing_person: tuple[CachedPerson, WarpTarget],
) -> None:
    kept, target = standing_person
    before = kept.flow_offsets_px.copy(), kept.image.copy(), target.image.copy()
    warped, _ = unwrap_warped(
        warp_person(kept, replace(target, image=shift_image(target.image, 3, 1)), NO_LIMITS)
    )
    after = kept.flow_offsets_px, kept.image, target.image
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    covered = np.full((200, 100, 3), 5, np.uint8)
    overlay_warped(covered, warped)
    assert (covered == 5).all()
    with pytest.raises(ValueError, match=r"cover is \(199, 100, 3\)"):
        overlay_warped(covered[1:], warped)
