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
    Tier,
)
from anon_ros.models.inpainting.classical import CLASSICAL
from helpers.arrays import inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import FixedSegmenter, FunctionInpainter

HEIGHT_PX, WIDTH_PX = 60, 80
IMAGE = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
ACTIONS = ("fill", "blur", "pixelate")
DRAWING = InpaintConfig(prompt="a bus", beta_d=0.8, context_ratio=2, min_person_px=0)


def draw_white(crop: Crop) -> RgbImage:
    return np.full_like(crop.image, 255)


def make_subject(
    masks: Sequence[Mask], numbers: Sequence[int], actions: Sequence[str], draw: object = draw_white
) -> Anonymizer:
    found = make_detections(masks) if masks else Detections.empty(HEIGHT_PX, WIDTH_PX)
    found = replace(found, class_ids=np.array(numbers, np.int64) * TARGET_STRIDE)
    targets = [
        Target(
            f"{action} {number}",
            action,
            0.05,
            CLASSICAL.get(action) if action != "fill" else None,
            DRAWING if action == "inpaint" else None,
        )
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
    return masks, numbers, [draw(st.sampled_from([*ACTIONS, "inpaint"])) for _ in range(2)]


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
        action = actions[number - 1] if number in {1, 2} else ""
        assert outcome.target == (f"{action} {number - 1}" if action else "person")
        if action in ACTIONS:
            assert outcome.kind is OutcomeKind.COVERED
            assert outcome.cover_reason is CoverReason.TARGET
        else:
            assert (outcome.kind, outcome.tier) == (OutcomeKind.INPAINTED, Tier.MAIN)


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


def draw_style(crop: Crop) -> RgbImage:
    """White for persons, gray for targets."""
    return np.full_like(crop.image, 255 if crop.style is None else 200)


@pytest.mark.parametrize("plate", ACTIONS)
def test_covered_plate_on_a_drawn_vehicle_is_not_lost(plate: str) -> None:
    subject = make_subject([PLATE, VEHICLE], [1, 2], [plate, "inpaint"], draw_style)
    result = subject.anonymize(IMAGE)
    assert_replaced(IMAGE, [PLATE, VEHICLE], result)
    covered = result.image[PLATE]
    assert (covered != 200).any(axis=1).mean() > 0.9
    assert (result.image[VEHICLE & ~PLATE] == 200).all(axis=1).mean() > 0.8


def test_drawn_targets_lie_in_one_order_of_coverage() -> None:
    """The larger on top, a person or not; a person before a vehicle stays above its margin."""
    small = make_rectangle(60, 80, slice(12, 20), slice(12, 20))
    vehicle = VEHICLE & ~PERSON
    masks = [PERSON, vehicle, small]
    subject = make_subject(masks, [0, 1, 0], ["inpaint"], draw_style)
    result = subject.anonymize(IMAGE)
    assert_replaced(IMAGE, masks, result)
    assert (result.image[PERSON] >= 254).all()
    assert ((result.image == 200) | (result.image == 201))[vehicle].all(), "and over the small one"
    large = make_rectangle(60, 80, slice(0, 60), slice(0, 78))
    result = make_subject([large, VEHICLE], [0, 1], ["inpaint"], draw_style).anonymize(IMAGE)
    assert (result.image[VEHICLE] >= 254).all()


def test_drawn_target_sees_others_as_they_are_covered() -> None:
    """Its noise level may be lower than theirs."""
    image = IMAGE // 4 + 190
    image[PERSON] = 0
    seen: list[Crop] = []

    def draw(crop: Crop) -> RgbImage:
        seen.append(crop)
        return inpaint_noise(crop)

    make_subject([PERSON, VEHICLE], [0, 1], ["inpaint"], draw).anonymize(image)
    assert [crop.style for crop in seen] == [None, DRAWING.style]
    assert (seen[0].image == 0).any()
    assert seen[1].image.min() > 180
    assert seen[1].image.shape[:2] == (80, 160), "its own context, twice as high as the vehicle"


def test_target_that_came_back_unchanged_keeps_its_cover() -> None:
    """I4, and not by the word of the inpainter."""
    subject = make_subject([VEHICLE], [1], ["inpaint"], lambda crop: crop.image)
    result = subject.anonymize(IMAGE)
    assert_replaced(IMAGE, [VEHICLE], result)
    (outcome,) = result.outcomes
    assert outcome.cover_reason is CoverReason.INVALID_RESULT
    assert (outcome.kind, outcome.target) == (OutcomeKind.COVERED, "inpaint 0")
    assert result.drawn_beta_d is None
    assert np.abs(np.diff(result.image[15:45, 15:65].astype(int), axis=1)).max() < 12


def test_failed_target_is_above_drawn_persons() -> None:
    def draw(crop: Crop) -> RgbImage:
        if crop.style is not None:
            message = "boom"
            raise RuntimeError(message)
        return draw_white(crop)

    large = make_rectangle(60, 80, slice(0, 60), slice(0, 78))
    result = make_subject([large, VEHICLE], [0, 1], ["inpaint"], draw).anonymize(IMAGE)
    assert [outcome.kind for outcome in result.outcomes] == [*OutcomeKind]
    assert "boom" in result.outcomes[1].reason_text
    assert (result.image[VEHICLE] < 250).all(axis=1).mean() > 0.9


@pytest.mark.parametrize("small_model", ["", "generator"])
def test_small_target_keeps_its_cover(small_model: str) -> None:
    """The small model draws persons only: no target comes to it."""
    inpaint = InpaintConfig(min_person_px=10, small_model=small_model, small_below_px=100)
    subject = replace(make_subject([PLATE, VEHICLE], [1, 1], ["inpaint"]), inpaint=inpaint)
    plate, vehicle = subject.anonymize(IMAGE).outcomes
    assert plate.cover_reason is CoverReason.TOO_SMALL
    assert plate.reason_text == "12x8 px is below inpaint.min_person_px = 10"
    assert vehicle.tier is Tier.MAIN


def test_lowest_noise_level_is_reported() -> None:
    """The same in each frame, whoever is in it."""
    for beta_d, lowest in ((0.8, 0.6), (0.4, 0.4)):
        for masks, numbers in (([PERSON], [0]), ([VEHICLE], [1]), ([PERSON, VEHICLE], [0, 1])):
            subject = make_subject(masks, numbers, ["inpaint"], inpaint_noise)
            (target,) = subject.targets
            drawing = replace(DRAWING, beta_d=beta_d)
            subject = replace(subject, targets=[replace(target, drawing=drawing)])
            assert subject.anonymize(IMAGE).drawn_beta_d == lowest


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
