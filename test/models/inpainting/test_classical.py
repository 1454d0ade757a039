import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import Crop, Mask, RgbImage, Roi
from anon_ros.models.inpainting.classical import CLASSICAL


def make_crop(image: RgbImage, mask: Mask, people: Mask | None = None) -> Crop:
    side_px = len(mask)
    return Crop(image, mask, mask if people is None else people, Roi(0, 0, side_px, side_px), 0)


def make_centered_mask(side_px: int) -> Mask:
    mask = np.zeros((side_px, side_px), np.bool_)
    mask[side_px // 5 : -side_px // 5, side_px // 3 : -side_px // 3] = True
    return mask


@given(side_px=st.integers(1, 300), seed=st.integers(0, 99), kind=st.sampled_from([*CLASSICAL]))
@settings(deadline=None, max_examples=60)
def test_inpaint_returns_image_per_crop(side_px: int, seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (side_px, side_px, 3), np.uint8)
    mask = random.random((side_px, side_px)) < random.random()
    mask[random.integers(side_px), random.integers(side_px)] = True
    before = image.copy()
    drawings = CLASSICAL[kind].inpaint([make_crop(image, mask)] * 2)
    assert [drawing.shape for drawing in drawings] == [image.shape] * 2
    assert {drawing.dtype for drawing in drawings} == {np.dtype(np.uint8)}
    assert np.array_equal(drawings[0], drawings[1])
    assert np.array_equal(image, before)


@pytest.mark.parametrize("kind", ["fill", "telea"])
@pytest.mark.parametrize("side_px", [90, 500])
def test_fill_never_uses_person_pixels(kind: str, side_px: int) -> None:
    random = np.random.default_rng(0)
    mask = make_centered_mask(side_px)
    people = mask | (np.indices(mask.shape)[1] > side_px * 0.6)  # one stands right beside
    image = random.integers(0, 256, (side_px, side_px, 3), np.uint8)
    other = image.copy()
    other[people] = random.integers(0, 256, (int(people.sum()), 3), np.uint8)
    (first,) = CLASSICAL[kind].inpaint([make_crop(image, mask, people)])
    (second,) = CLASSICAL[kind].inpaint([make_crop(other, mask, people)])
    assert np.array_equal(first[mask], second[mask])


@pytest.mark.parametrize("kind", ["fill", "telea"])
def test_fill_of_full_crop_is_gray(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    everything = np.ones((50, 50), np.bool_)
    (drawn,) = CLASSICAL[kind].inpaint([make_crop(image, everything)])
    assert (drawn == 128).all()


@pytest.mark.parametrize("kind", ["blur", "pixelate"])
@pytest.mark.parametrize("side_px", [60, 300, 900])
def test_blur_removes_fine_detail(kind: str, side_px: int) -> None:
    mask = make_centered_mask(side_px)
    person_px = int(mask.any(axis=1).sum())
    period_px = max(2, person_px // 16)
    stripes = (np.arange(side_px) // max(1, period_px // 2) % 2 * 255).astype(np.uint8)
    image = np.repeat(np.tile(stripes, (side_px, 1))[..., None], 3, axis=2)
    (drawn,) = CLASSICAL[kind].inpaint([make_crop(image, mask)])
    assert drawn[mask].std() < 0.3 * image[mask].std()


def test_pixelate_leaves_few_colors(bus_rgb: RgbImage) -> None:
    image = np.asarray(cv2.resize(bus_rgb, (400, 400)), np.uint8)
    mask = make_centered_mask(400)
    (drawn,) = CLASSICAL["pixelate"].inpaint([make_crop(image, mask)])
    assert len(np.unique(drawn[mask], axis=0)) <= 9 * 9
