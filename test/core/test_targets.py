"""I2, I3 and I7 over overlapping targets: persons, a vehicle, a plate."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import (
    TARGET_STRIDE,
    AnonymizedFrame,
    Anonymizer,
    CoverReason,
    Crop,
    Detections,
    Mask,
    OutcomeKind,
    RgbImage,
    Target,
)
from anon_ros.models.inpainting.classical import CLASSICAL
from helpers.arrays import inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import FixedSegmenter, FunctionInpainter

HEIGHT_PX, WIDTH_PX = 60, 80
IMAGE = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
ACTIONS = ("fill", "blur", "pixelate")


def draw_white(crop: Crop) -> RgbImage:
    return np.full_like(crop.image, 255)


def make_subject(
    masks: Sequence[Mask], numbers: Sequence[int], actions: Sequence[str], draw: object = draw_white
) -> Anonymizer:
    found = make_detections(masks) if masks else Detections.empty(HEIGHT_PX, WIDTH_PX)
    found = replace(found, class_ids=np.array(numbers, np.int64) * TARGET_STRIDE)
    targets = [
        Target(f"{action} {number}", action, 0.05, CLASSICAL[action] if action != "fill" else None)
        for number, action in enumerate(actions)
    ]
    return Anonymizer(
        FixedSegmenter(found),
        FunctionInpainter(draw),  # type: ignore[arg-type]
        MaskConfig(),
        InpaintConfig(min_person_px=0),
        targets=targets,
    )


def assert_replaced(image: RgbImage, masks: Sequence[Mask], result: AnonymizedFrame) -> None:
    """I2 and I3."""
    assert np.array_equal((result.image != image).any(axis=2), result.replaced_mask)
    assert all(not (mask & ~result.replaced_mask).any() for mask in masks)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Mask], list[int], list[str]]:
    masks, numbers = [], []
    for _ in range(draw(st.integers(1, 5))):
        y0, x0 = draw(st.integers(0, HEIGHT_PX - 2)), draw(st.integers(0, WIDTH_PX - 2))
        y1, x1 = draw(st.integers(y0 + 1, HEIGHT_PX)), draw(st.integers(x0 + 1, WIDTH_PX))
        masks.append(make_rectangle(HEIGHT_PX, WIDTH_PX, slice(y0, y1), slice(x0, x1)))
        numbers.append(draw(st.integers(0, 3)))  # of two targets: the third is not known
    return masks, numbers, [draw(st.sampled_from(ACTIONS)) for _ in range(2)]


@given(scenes())
@settings(max_examples=150, deadline=None)
def test_all_targets_replaced_and_nothing_else(
    scene: tuple[list[Mask], list[int], list[str]],
) -> None:
    masks, numbers, actions = scene
    subject = make_subject(masks, numbers, actions, inpaint_noise)
    given_image = IMAGE.copy()
    result = subject.anonymize(IMAGE)
    assert_replaced(IMAGE, masks, result)
    assert np.array_equal(IMAGE, given_image)
    assert np.array_equal(result.image, subject.anonymize(IMAGE).image)
    for number, outcome in zip(numbers, result.outcomes, strict=True):
        if number in {1, 2}:
            assert outcome.kind is OutcomeKind.COVERED
            assert outcome.cover_reason is CoverReason.TARGET
            assert outcome.target == f"{actions[number - 1]} {number - 1}"
        else:
            assert (outcome.kind, outcome.target) == (OutcomeKind.INPAINTED, "person")


VEHICLE = make_rectangle(60, 80, slice(10, 50), slice(10, 70))
PLATE = make_rectangle(60, 80, slice(35, 43), slice(34, 46))
PERSON = make_rectangle(60, 80, slice(20, 55), slice(50, 62))
BESIDE = make_rectangle(60, 80, slice(20, 55), slice(70, 78))


@pytest.mark.parametrize("action", ACTIONS)
def test_plate_inside_drawn_person_is_not_lost(action: str) -> None:
    """The larger is drawn last (I7), and the plate is put back over it."""
    result = make_subject([VEHICLE, PLATE], [0, 1], [action]).anonymize(IMAGE)
    assert (result.image[VEHICLE & ~PLATE] >= 250).mean() > 0.8
    assert (result.image[PLATE] < 250).mean() > 0.9


@pytest.mark.parametrize("action", ACTIONS)
def test_person_before_a_vehicle_shows_in_no_cover(action: str) -> None:
    """A person in black: neither is anything of them in the blurred vehicle, nor the other way."""
    image = IMAGE // 4 + 190
    image[PERSON] = 0
    vehicle = VEHICLE & ~PERSON
    result = make_subject([PERSON, vehicle], [0, 1], [action]).anonymize(image)
    assert_replaced(image, [PERSON, vehicle], result)
    assert (result.image[PERSON] >= 250).all(), "the vehicle's margin lies below the person"
    assert action in result.outcomes[1].reason_text
    assert result.image[vehicle].min() > 180


def test_contested_pixels_are_the_covered_targets() -> None:
    result = make_subject([PERSON, VEHICLE], [0, 1], ["fill"]).anonymize(IMAGE)
    assert (result.image[PERSON & VEHICLE] < 250).all(axis=1).mean() > 0.9
    assert (result.image[PERSON & ~VEHICLE] >= 250).mean() > 0.5


def test_persons_alone_are_as_before() -> None:
    """With targets configured and none detected, nothing of the result changes."""
    masks = [PERSON, BESIDE]
    plain = make_subject(masks, [0, 0], [], inpaint_noise).anonymize(IMAGE)
    other = make_subject(masks, [0, 0], ["blur"], inpaint_noise).anonymize(IMAGE)
    assert np.array_equal(plain.image, other.image)


def test_flat_target_says_why_it_has_the_fill() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)
    (outcome,) = make_subject([PLATE], [1], ["blur"]).anonymize(image).outcomes
    assert outcome.reason_text.startswith("blur 0: fill, as the inpainter returned")


def test_smaller_target_dilates_by_its_own_ratio() -> None:
    subject = make_subject([PLATE], [1], ["fill"])
    wide = replace(subject, targets=[Target("plate", "fill", 1.0)])
    areas = [s.anonymize(IMAGE).replaced_mask.sum() for s in (subject, wide)]
    assert areas[1] > 3 * areas[0]
