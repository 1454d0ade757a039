"""Drawings in which the original person shows through, by real persons of a video."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from anon_ros.config import MaskConfig
from anon_ros.core import Crop, Mask, OutcomeKind, PersonRegion, RgbImage, make_region
from anon_ros.core.resemblance import is_recognizable, is_same, is_unchanged, move_away
from helpers.arrays import BOX, inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import make_anonymizer
from helpers.paths import ROOT

MASKS = ROOT / "test" / "data" / "masks"
MIN_HEIGHT_PX = 45
Person = tuple[RgbImage, Mask]
"""A window of the frame around a person, and the person's replaced pixels in it."""
Copy = Callable[[RgbImage, Mask], RgbImage]


def iter_persons(frames: dict[str, RgbImage]) -> Iterator[Person]:
    for name, frame in frames.items():
        height_px, width_px = frame.shape[:2]
        for line in (MASKS / f"{name}.txt").read_text().splitlines():
            outline = np.array(line.split()[1:], float).reshape(-1, 2) * (width_px, height_px)
            mask = np.zeros((height_px, width_px), np.uint8)
            cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
            region = make_region(mask.astype(np.bool_), BOX, MaskConfig())
            if region.bounds.height_px >= MIN_HEIGHT_PX:
                yield cut_out(frame, region)


def cut_out(frame: RgbImage, region: PersonRegion) -> Person:
    return np.ascontiguousarray(frame[region.window.slices]), region.mask


@pytest.fixture(scope="module")
def persons(vtest_rgb: dict[str, RgbImage]) -> list[Person]:
    found = list(iter_persons(vtest_rgb))
    assert len(found) > 20
    return found


def darken(image: RgbImage) -> RgbImage:
    """A scene of at most ten levels, with the noise of a camera."""
    noise = np.random.default_rng(image.size).normal(0, 0.7, image.shape)
    return np.clip(image / 24 + noise, 0, 255).astype(np.uint8)


def shift(levels: float) -> Copy:
    return lambda image, _: np.clip(image.astype(float) + levels, 0, 255).astype(np.uint8)


def lower_contrast(image: RgbImage, _: Mask) -> RgbImage:
    return np.clip(image * 0.7 + 40, 0, 255).astype(np.uint8)


def blur(image: RgbImage, mask: Mask) -> RgbImage:
    sigma_px = max(0.5, 0.01 * np.sqrt(mask.sum()))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


def add_noise(image: RgbImage, _: Mask) -> RgbImage:
    noise = np.random.default_rng(0).normal(0, 5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def keep_upper_rows(ratio: float, levels: int) -> Copy:
    def copy(image: RgbImage, mask: Mask) -> RgbImage:
        drawing = draw_anew(image, mask)
        rows = np.flatnonzero(mask.any(axis=1))
        stop = rows[int(ratio * len(rows))]
        drawing[:stop] = shift(levels)(image[:stop], mask)
        return drawing

    return copy


def keep_outlines(image: RgbImage, mask: Mask) -> RgbImage:
    edges = cv2.dilate(cv2.Canny(image, 60, 120), np.ones((3, 3), np.uint8)) > 0
    return np.where(edges[..., None], image, draw_anew(image, mask))


def draw_anew(image: RgbImage, _: Mask) -> RgbImage:
    """Noise of the person's own light and contrast, smooth as a drawing is."""
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    drawing = image.mean(axis=(0, 1)) + smooth / smooth.std() * image.std()
    return np.clip(drawing, 0, 255).astype(np.uint8)


COPIES: dict[str, Copy] = {
    "copy": shift(0),
    "brighter": shift(20),
    "darker": shift(-12),
    "less contrast": lower_contrast,
    "negative": lambda image, _: 255 - image,
    "blurred": blur,
    "noisy": add_noise,
    "half": keep_upper_rows(0.5, 0),
    "brighter half": keep_upper_rows(0.5, 15),
    "brighter third": keep_upper_rows(0.33, 15),
    "head": keep_upper_rows(0.2, 0),
    "outlines": keep_outlines,
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_recognized(persons: list[Person], name: str) -> None:
    hits = [is_recognizable(COPIES[name](image, mask), image, mask) for image, mask in persons]
    assert np.mean(hits) == 1


@pytest.mark.parametrize("name", ["copy", "brighter", "brighter half"])
def test_copies_in_the_dark_are_recognized(persons: list[Person], name: str) -> None:
    """All of it is within a few levels of black, and can be made visible again."""
    for original, mask in persons:
        image = darken(original)
        assert is_recognizable(COPIES[name](image, mask), image, mask)


def test_large_copies_are_recognized(persons: list[Person]) -> None:
    """The noise of a close camera hides a likeness pixel by pixel."""
    for original, mask in persons[:6]:
        size_wh = original.shape[1] * 8, original.shape[0] * 8
        image = cv2.resize(original, size_wh, interpolation=cv2.INTER_CUBIC)
        large = cv2.resize(mask.astype(np.uint8), size_wh) > 0
        first, second = (
            np.clip(image + np.random.default_rng(seed).normal(0, 12, image.shape), 0, 255)
            for seed in (1, 2)
        )
        assert is_recognizable(second.astype(np.uint8), first.astype(np.uint8), large)


@pytest.mark.parametrize("dark", [False, True])
def test_other_persons_are_not_recognized(persons: list[Person], *, dark: bool) -> None:
    """Other persons drawn in the same place: the best that a model can do, black on black too."""
    hits = []
    for (image, mask), (other, _) in zip(persons, persons[1:] + persons[:1], strict=True):
        drawing = cv2.resize(other, image.shape[1::-1], interpolation=cv2.INTER_AREA)
        pair = (darken(drawing), darken(image)) if dark else (drawing, image)
        hits.append(is_recognizable(*pair, mask))
    assert np.mean(hits) < 0.05


def test_flat_clothing_moves_away() -> None:
    """Black stays black, but no patch of it is as it was."""
    random = np.random.default_rng(0)
    image, drawing = (random.integers(10, 13, (80, 40, 3), np.uint8) for _ in range(2))
    mask = make_rectangle(80, 40, slice(5, 75), slice(5, 35))
    assert is_unchanged(is_same(drawing, image, mask), mask)
    assert not is_recognizable(drawing, image, mask)
    moved = move_away(drawing, image, mask)
    assert not is_same(moved, image, mask).any()
    assert np.abs(moved.astype(int) - drawing)[mask].max() <= 7
    assert np.array_equal(moved[~mask], drawing[~mask])


@pytest.mark.parametrize("level", [0, 3, 127, 128, 252, 255])
@pytest.mark.parametrize("stop", [12, 70])
def test_moved_drawing_is_never_unchanged(level: int, stop: int) -> None:
    random = np.random.default_rng(level)
    image = np.full((80, 40, 3), level, np.uint8)
    drawing = random.integers(0, 256, image.shape, np.uint8)
    drawing[:stop] = np.clip(level + random.integers(-3, 4, (stop, 40, 3)), 0, 255)
    mask = make_rectangle(80, 40, slice(2, 78), slice(2, 38))
    assert is_unchanged(is_same(drawing, image, mask), mask)
    moved = move_away(drawing, image, mask)
    assert not is_unchanged(is_same(moved, image, mask), mask)


@pytest.mark.parametrize("level", [0, 60, 200])
def test_flat_drawing_is_not_recognized(persons: list[Person], level: int) -> None:
    for image, mask in persons:
        assert not is_recognizable(np.full_like(image, level), image, mask)


def test_new_drawing_stays_as_it_is() -> None:
    image = np.full((80, 40, 3), 90, np.uint8)
    mask = make_rectangle(80, 40, slice(5, 75), slice(5, 35))
    drawing = np.full_like(image, 120)
    assert move_away(drawing, image, mask) is drawing


@pytest.mark.parametrize("side_px", [2, 5, 9])
def test_tiny_persons_are_compared(side_px: int) -> None:
    random = np.random.default_rng(side_px)
    image = random.integers(0, 256, (20, 20, 3), np.uint8)
    mask = make_rectangle(20, 20, slice(5, 5 + side_px), slice(5, 5 + side_px))
    assert is_recognizable(image.copy(), image, mask)
    assert not is_recognizable(255 - image[::-1], image, mask)


def test_black_on_black_is_inpainted() -> None:
    """The whole way: a person in black is drawn anew in black."""
    random = np.random.default_rng(0)
    image = np.full((120, 90, 3), 140, np.uint8)
    mask = make_rectangle(120, 90, slice(20, 100), slice(30, 60))
    image[mask] = random.integers(8, 12, (mask.sum(), 3))

    def draw_black(crop: Crop) -> RgbImage:
        black = np.random.default_rng(1).integers(8, 12, crop.image.shape, np.uint8)
        return np.where(crop.mask[..., None], black, crop.image)

    result = make_anonymizer(make_detections([mask]), draw_black).anonymize(image)
    assert result.outcomes[0].kind is OutcomeKind.INPAINTED
    assert not is_same(result.image, image, mask).any()


def test_recognized_person_is_covered(persons: list[Person]) -> None:
    frame, mask = persons[0]
    image = cv2.copyMakeBorder(frame, 30, 30, 30, 30, cv2.BORDER_REPLICATE)
    inside = np.pad(mask, 30)
    for copy in (shift(15), lower_contrast):
        result = make_anonymizer(
            make_detections([inside]), lambda crop, copy=copy: copy(crop.image, crop.mask)
        ).anonymize(image)
        assert result.outcomes[0].reason_text == "the inpainter returned the person unchanged"
    drawn = make_anonymizer(make_detections([inside]), inpaint_noise).anonymize(image)
    assert drawn.outcomes[0].kind is OutcomeKind.INPAINTED
