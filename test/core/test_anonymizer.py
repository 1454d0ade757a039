"""The invariants I1 to I3, I5 and I7, whatever the persons and whatever the inpainter does."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import Drawing, Known, anonymizer, detections, noise, rectangle

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import AnonymizedFrame, Anonymizer, Crop, Detections, Mask, OutcomeKind, RgbImage
from anon_ros.errors import SegmentationError


def raises(_: Crop) -> RgbImage:
    message = "CUDA out of memory"
    raise RuntimeError(message)


def not_a_number(crop: Crop) -> RgbImage:
    return np.full(crop.image.shape, np.nan)


BAD_DRAWINGS: dict[str, tuple[Callable[[Crop], RgbImage], str]] = {
    "raises": (raises, "RuntimeError: CUDA out of memory"),
    "nan": (not_a_number, "NaN"),
    "black": (lambda crop: np.zeros_like(crop.image), "black"),
    "small": (lambda crop: crop.image[::2, ::2], "shape"),
    "float": (lambda crop: crop.image / 255.0, "float64"),
    "unchanged": (lambda crop: crop.image.copy(), "unchanged"),
    "nothing": (lambda _: None, "NoneType"),
}
DRAWINGS = {"noise": noise, "grey": lambda crop: np.full_like(crop.image, 77)} | {
    name: draw for name, (draw, _) in BAD_DRAWINGS.items()
}


@st.composite
def frames(draw: st.DrawFn) -> tuple[RgbImage, list[Mask]]:
    """Any image size, persons of any shape that overlap, touch borders, have holes or no pixel."""
    height_px, width_px = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    masks = []
    for _ in range(draw(st.integers(0, 4))):
        y0, x0 = draw(st.integers(0, height_px - 1)), draw(st.integers(0, width_px - 1))
        y1, x1 = draw(st.integers(y0 + 1, height_px)), draw(st.integers(x0 + 1, width_px))
        mask = rectangle(height_px, width_px, slice(y0, y1), slice(x0, x1))
        masks.append(mask & (random.random(mask.shape) < draw(st.sampled_from([0, 0.5, 1]))))
    flat = draw(st.booleans())
    shape = (height_px, width_px, 3)
    image = np.full(shape, 9, np.uint8) if flat else random.integers(0, 256, shape, np.uint8)
    return image, masks


def assert_replaced(image: RgbImage, masks: Sequence[Mask], result: AnonymizedFrame) -> None:
    differs = (result.image != image).any(axis=2)
    assert np.array_equal(differs, result.replaced_mask)
    for mask in masks:
        assert not (mask & ~result.replaced_mask).any()


@given(frames(), st.sampled_from(sorted(DRAWINGS)), st.integers(0, 2**40))
@settings(max_examples=300, deadline=None)
def test_each_person_is_replaced_and_nothing_else(
    frame: tuple[RgbImage, list[Mask]], drawing: str, seed: int
) -> None:
    image, masks = frame
    found = detections(masks) if masks else Detections.empty(*image.shape[:2])
    given_image = image.copy()
    subject = anonymizer(found, DRAWINGS[drawing])
    result = subject.anonymize(image, seed)
    assert_replaced(image, masks, result)
    assert np.array_equal(image, given_image), "the input was modified"
    assert len(result.outcomes) == len(masks)
    assert np.array_equal(result.image, subject.anonymize(image, seed).image)


@pytest.mark.parametrize("name", BAD_DRAWINGS)
def test_a_bad_drawing_leaves_the_person_covered_with_the_reason(name: str) -> None:
    draw, reason = BAD_DRAWINGS[name]
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    mask = rectangle(60, 60, slice(20, 50), slice(20, 40))
    result = anonymizer(detections([mask]), draw).anonymize(image)
    (outcome,) = result.outcomes
    assert outcome.kind is OutcomeKind.COVERED
    assert reason in outcome.reason
    assert_replaced(image, [mask], result)


def upper_part_kept(crop: Crop) -> RgbImage:
    """The person's upper third as it was, noise below."""
    drawn = noise(crop)
    rows = np.flatnonzero(crop.mask.any(axis=1))
    drawn[: rows[len(rows) // 3]] = crop.image[: rows[len(rows) // 3]]
    return drawn


@pytest.mark.parametrize(
    "draw", [upper_part_kept, lambda crop: crop.image ^ 1], ids=["a part", "nearly all"]
)
def test_a_drawing_that_shows_a_part_of_the_person_is_refused(
    draw: Callable[[Crop], RgbImage],
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    mask = rectangle(200, 200, slice(40, 160), slice(70, 130))
    (outcome,) = anonymizer(detections([mask]), draw).anonymize(image).outcomes
    assert outcome.reason == "the inpainter returned the person unchanged"


def test_one_bad_drawing_does_not_cost_the_others() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    masks = [rectangle(60, 90, slice(20, 50), slice(x, x + 15)) for x in (5, 35, 65)]

    def fails_for_one(crop: Crop) -> RgbImage:
        return raises(crop) if crop.seed == seeds[1] else noise(crop)

    seeds: list[int] = []
    anonymizer(detections(masks), lambda crop: seeds.append(crop.seed) or noise(crop)).anonymize(
        image
    )
    result = anonymizer(detections(masks), fails_for_one).anonymize(image)
    kinds = [outcome.kind.value for outcome in result.outcomes]
    assert kinds == ["inpainted", "covered", "inpainted"]


def test_frames_together_give_what_each_gives_alone_and_one_failure_harms_none() -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (60, 90, 3), np.uint8) for _ in range(3)]
    masks = [rectangle(60, 90, slice(20, 50), slice(x, x + 15)) for x in (5, 35, 65)]
    calls: list[int] = []

    class Blind(Known):
        def segment(self, image: RgbImage) -> Detections:
            if image is images[1]:
                message = "out of light"
                raise RuntimeError(message)
            return self.answer

    class Counting(Drawing):
        def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
            calls.append(len(crops))
            return super().inpaint(crops)

    inpaint = InpaintConfig(min_person_px=0)
    subject = Anonymizer(Blind(detections(masks)), Counting(noise), MaskConfig(), inpaint)
    first, second, third = subject.anonymize_batch([(image, 7) for image in images])
    assert calls == [6]
    assert isinstance(second, SegmentationError)
    for image, result in ((images[0], first), (images[2], third)):
        assert isinstance(result, AnonymizedFrame)
        assert np.array_equal(result.image, subject.anonymize(image, 7).image)
        assert_replaced(image, masks, result)
    wrong = subject.anonymize_batch([(images[0], -1), (images[2], 7)])
    assert isinstance(wrong[0], ValueError)
    assert isinstance(wrong[1], AnonymizedFrame)


def test_a_wrong_number_of_drawings_covers_everybody() -> None:
    class Forgetful:
        def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
            return [noise(crop) for crop in crops] * 2

    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    mask = rectangle(60, 60, slice(10, 50), slice(10, 50))
    subject = Anonymizer(Known(detections([mask])), Forgetful(), MaskConfig(), InpaintConfig())
    (outcome,) = subject.anonymize(image).outcomes
    assert outcome.reason == "the inpainter returned 2 images for 1 crops"


def test_a_small_person_is_covered_not_left() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    mask = rectangle(40, 40, slice(10, 14), slice(10, 12))
    result = anonymizer(detections([mask]), min_person_px=32).anonymize(image)
    assert result.outcomes[0].kind is OutcomeKind.COVERED
    assert "2x4 px is below inpaint.min_person_px = 32" in result.outcomes[0].reason
    assert_replaced(image, [mask], result)


def test_the_largest_person_ends_on_top_and_equals_keep_their_order() -> None:
    # The largest comes first, so that the segmenter's own order would put it at the bottom.
    areas = [
        (slice(40, 78), slice(2, 60)),
        (slice(15, 45), slice(20, 50)),
        (slice(22, 52), slice(35, 65)),
    ]
    masks = [rectangle(80, 80, *area) for area in areas]
    greys = iter([200, 100, 150])
    image = np.random.default_rng(0).integers(0, 50, (80, 80, 3), np.uint8)
    result = anonymizer(
        detections(masks), lambda crop: np.full_like(crop.image, next(greys))
    ).anonymize(image)
    assert (result.image[masks[0]] == 200).all(), "the largest is on top everywhere"
    assert masks[1].sum() == masks[2].sum()
    both = masks[1] & masks[2] & ~result_dilated(masks[0])
    assert both.any()
    assert (result.image[both] == 150).all(), "of equals the later detection is on top"


def result_dilated(mask: Mask) -> Mask:
    image = np.zeros((*mask.shape, 3), np.uint8)
    return anonymizer(detections([mask])).anonymize(image).replaced_mask


def test_a_feather_never_shows_the_neighbour() -> None:
    """Outside its own mask a drawing shows the original, and that may be another person."""
    image = np.full((400, 400, 3), 20, np.uint8)
    masks = [
        rectangle(400, 400, slice(50, 350), slice(50, 196)),
        rectangle(400, 400, slice(50, 300), slice(204, 350)),
    ]
    image[masks[0] | masks[1]] = 255

    def draw(crop: Crop) -> RgbImage:
        return np.where(crop.mask[..., None], np.uint8(90), crop.image)

    result = anonymizer(detections(masks), draw).anonymize(image)
    assert result.image.max() <= 91


def test_the_cover_and_the_crop_follow_init() -> None:
    image = np.full((80, 80, 3), 20, np.uint8)
    mask = rectangle(80, 80, slice(10, 70), slice(20, 60))
    image[mask] = 255
    seen: dict[str, int] = {}
    for init in ("original", "covered"):

        def draw(crop: Crop, init: str = init) -> RgbImage:
            seen[init] = int(crop.image[crop.mask].max())
            return noise(crop)

        config = InpaintConfig(init=init)
        Anonymizer(Known(detections([mask])), Drawing(draw), MaskConfig(), config).anonymize(image)
    assert seen == {"original": 255, "covered": 20}


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("no memory"),
        detections([rectangle(30, 40, slice(3, 9), slice(3, 9))]),
        None,
    ],
    ids=["raises", "masks of another size", "nothing"],
)
def test_without_a_segmentation_there_is_no_frame(answer: object) -> None:
    class Failing:
        def segment(self, _: RgbImage) -> object:
            if isinstance(answer, Exception):
                raise answer
            return answer

    subject = Anonymizer(Failing(), Drawing(noise), MaskConfig(), InpaintConfig())
    with pytest.raises(SegmentationError):
        subject.anonymize(np.zeros((20, 20, 3), np.uint8))


def test_a_detection_without_any_pixel_fails_the_frame() -> None:
    outside = Detections(
        np.array([[90, 90, 99, 99]], np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
        np.zeros((1, 20, 20), np.bool_),
    )
    with pytest.raises(SegmentationError, match="no pixel in the image"):
        anonymizer(outside).anonymize(np.zeros((20, 20, 3), np.uint8))


def test_a_box_that_is_not_finite_is_no_detection() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Detections(
            np.array([[0, 0, np.nan, 1]], np.float32),
            np.ones(1, np.float32),
            np.zeros(1, np.int64),
            np.zeros((1, 20, 20), np.bool_),
        )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_only_rgb_images_are_taken(image: RgbImage) -> None:
    with pytest.raises(ValueError, match="expected a"):
        anonymizer(Detections.empty(4, 4)).anonymize(image)
