"""The invariants I1 to I3, I5 and I7, whatever the persons and whatever the inpainter does."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import AnonymizedFrame, Anonymizer, Crop, Detections, Mask, OutcomeKind, RgbImage
from anon_ros.errors import SegmentationError
from helpers.arrays import inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import (
    BatchingSegmenter,
    FixedSegmenter,
    FunctionInpainter,
    make_anonymizer,
    make_street_image,
)


def raise_out_of_memory(_: Crop) -> RgbImage:
    message = "CUDA out of memory"
    raise RuntimeError(message)


def return_nan(crop: Crop) -> RgbImage:
    return np.full(crop.image.shape, np.nan)


INVALID_INPAINTINGS: dict[str, tuple[Callable[[Crop], RgbImage], str]] = {
    "raises": (raise_out_of_memory, "RuntimeError: CUDA out of memory"),
    "nan": (return_nan, "NaN"),
    "black": (lambda crop: np.zeros_like(crop.image), "black"),
    "small": (lambda crop: crop.image[::2, ::2], "shape"),
    "float": (lambda crop: crop.image / 255.0, "float64"),
    "unchanged": (lambda crop: crop.image.copy(), "unchanged"),
    "nothing": (lambda _: None, "NoneType"),
}
INPAINTINGS = {"noise": inpaint_noise, "grey": lambda crop: np.full_like(crop.image, 77)} | {
    name: draw for name, (draw, _) in INVALID_INPAINTINGS.items()
}


@st.composite
def frames_with_masks(draw: st.DrawFn) -> tuple[RgbImage, list[Mask]]:
    """Any image size, persons of any shape that overlap, touch borders, have holes or no pixel."""
    height_px, width_px = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    masks = []
    for _ in range(draw(st.integers(0, 4))):
        y0, x0 = draw(st.integers(0, height_px - 1)), draw(st.integers(0, width_px - 1))
        y1, x1 = draw(st.integers(y0 + 1, height_px)), draw(st.integers(x0 + 1, width_px))
        mask = make_rectangle(height_px, width_px, slice(y0, y1), slice(x0, x1))
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


@given(frames_with_masks(), st.sampled_from(sorted(INPAINTINGS)), st.integers(0, 2**40))
@settings(max_examples=300, deadline=None)
def test_anonymize_replaces_only_persons(
    frame: tuple[RgbImage, list[Mask]], drawing: str, seed: int
) -> None:
    image, masks = frame
    found = make_detections(masks) if masks else Detections.empty(*image.shape[:2])
    given_image = image.copy()
    subject = make_anonymizer(found, INPAINTINGS[drawing])
    result = subject.anonymize(image, seed)
    assert_replaced(image, masks, result)
    assert np.array_equal(image, given_image), "the input was modified"
    assert len(result.outcomes) == len(masks)
    assert np.array_equal(result.image, subject.anonymize(image, seed).image)


@pytest.mark.parametrize("name", INVALID_INPAINTINGS)
def test_invalid_inpainting_is_covered(name: str) -> None:
    draw, reason = INVALID_INPAINTINGS[name]
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    mask = make_rectangle(60, 60, slice(20, 50), slice(20, 40))
    result = make_anonymizer(make_detections([mask]), draw).anonymize(image)
    (outcome,) = result.outcomes
    assert outcome.kind is OutcomeKind.COVERED
    assert reason in outcome.reason_text
    assert_replaced(image, [mask], result)


def keep_upper_part(crop: Crop) -> RgbImage:
    """The person's upper third as it was, noise below."""
    drawn = inpaint_noise(crop)
    rows = np.flatnonzero(crop.mask.any(axis=1))
    drawn[: rows[len(rows) // 3]] = crop.image[: rows[len(rows) // 3]]
    return drawn


@pytest.mark.parametrize(
    "draw", [keep_upper_part, lambda crop: crop.image ^ 1], ids=["a part", "nearly all"]
)
def test_unchanged_inpainting_is_covered(
    draw: Callable[[Crop], RgbImage],
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    mask = make_rectangle(200, 200, slice(40, 160), slice(70, 130))
    (outcome,) = make_anonymizer(make_detections([mask]), draw).anonymize(image).outcomes
    assert outcome.reason_text == "the inpainter returned the person unchanged"


def test_inpaint_failure_stays_local() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    masks = [make_rectangle(60, 90, slice(20, 50), slice(x, x + 15)) for x in (5, 35, 65)]

    def fails_for_one(crop: Crop) -> RgbImage:
        return raise_out_of_memory(crop) if crop.seed == seeds[1] else inpaint_noise(crop)

    seeds: list[int] = []
    make_anonymizer(
        make_detections(masks), lambda crop: seeds.append(crop.seed) or inpaint_noise(crop)
    ).anonymize(image)
    result = make_anonymizer(make_detections(masks), fails_for_one).anonymize(image)
    kinds = [outcome.kind.value for outcome in result.outcomes]
    assert kinds == ["inpainted", "covered", "inpainted"]


def test_batch_equals_single_frames() -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (60, 90, 3), np.uint8) for _ in range(3)]
    masks = [make_rectangle(60, 90, slice(20, 50), slice(x, x + 15)) for x in (5, 35, 65)]
    calls: list[int] = []

    class Blind(FixedSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            if image is images[1]:
                message = "out of light"
                raise RuntimeError(message)
            return self.detections

    class Counting(FunctionInpainter):
        def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
            calls.append(len(crops))
            return super().inpaint(crops)

    inpaint = InpaintConfig(min_person_px=0)
    subject = Anonymizer(
        Blind(make_detections(masks)), Counting(inpaint_noise), MaskConfig(), inpaint
    )
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


def make_joint_anonymizer(segmenter: BatchingSegmenter) -> Anonymizer:
    inpainter, inpaint = FunctionInpainter(inpaint_noise), InpaintConfig(min_person_px=0)
    return Anonymizer(segmenter, inpainter, MaskConfig(), inpaint)


@pytest.mark.parametrize("answers", [None, 1, 4], ids=["as many", "too few", "too many"])
def test_joint_detection_equals_single(answers: int | None) -> None:
    """Whatever a joint call does: what it does not answer is detected frame by frame."""
    street = make_street_image(90, 60)
    images = [np.ascontiguousarray(np.roll(street, shift, axis=1)) for shift in (0, 5, 30)]

    class Forgetful(BatchingSegmenter):
        def segment_batch(self, images: Sequence[RgbImage]) -> list[Detections]:
            found = super().segment_batch(images)
            return found if answers is None else (found * 2)[:answers]

    segmenter = Forgetful()
    subject = make_joint_anonymizer(segmenter)
    results = subject.anonymize_batch([(image, 7) for image in images])
    assert segmenter.batch_sizes == [3]
    for image, result in zip(images, results, strict=True):
        assert isinstance(result, AnonymizedFrame)
        assert len(result.detections) >= 3
        assert np.array_equal(result.image, subject.anonymize(image, 7).image)
    assert segmenter.batch_sizes == [3], "a frame alone needs no joint call"


def test_joint_detection_fails_for_its_frame_alone() -> None:
    images = [make_street_image(90, 60), np.zeros((60, 60, 3), np.uint8), np.zeros(3, np.uint8)]
    segmenter = BatchingSegmenter(max_batch=2)
    results = make_joint_anonymizer(segmenter).anonymize_batch([(image, 7) for image in images])
    assert [type(result) for result in results] == [AnonymizedFrame, SegmentationError, ValueError]
    assert segmenter.batch_sizes == [2]


def test_wrong_crop_count_covers_all() -> None:
    class Forgetful:
        max_batch, draws_persons, keeps_grid = 1, False, False

        def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
            return [inpaint_noise(crop) for crop in crops] * 2

    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    mask = make_rectangle(60, 60, slice(10, 50), slice(10, 50))
    subject = Anonymizer(
        FixedSegmenter(make_detections([mask])), Forgetful(), MaskConfig(), InpaintConfig()
    )
    (outcome,) = subject.anonymize(image).outcomes
    assert outcome.reason_text == "the inpainter returned 2 images for 1 crops"


def test_small_person_covered() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    mask = make_rectangle(40, 40, slice(10, 14), slice(10, 12))
    result = make_anonymizer(make_detections([mask]), min_person_px=32).anonymize(image)
    assert result.outcomes[0].kind is OutcomeKind.COVERED
    assert "2x4 px is below inpaint.min_person_px = 32" in result.outcomes[0].reason_text
    assert_replaced(image, [mask], result)


def test_largest_person_is_on_top() -> None:
    # The largest comes first, so that the segmenter's own order would put it at the bottom.
    areas = [
        (slice(40, 78), slice(2, 60)),
        (slice(15, 45), slice(20, 50)),
        (slice(22, 52), slice(35, 65)),
    ]
    masks = [make_rectangle(80, 80, *area) for area in areas]
    greys = iter([200, 100, 150])
    image = np.random.default_rng(0).integers(0, 50, (80, 80, 3), np.uint8)
    result = make_anonymizer(
        make_detections(masks), lambda crop: np.full_like(crop.image, next(greys))
    ).anonymize(image)
    assert (result.image[masks[0]] == 200).all(), "the largest is on top everywhere"
    assert masks[1].sum() == masks[2].sum()
    both = masks[1] & masks[2] & ~find_replaced_mask(masks[0])
    assert both.any()
    assert (result.image[both] == 150).all(), "of equals the later detection is on top"


def find_replaced_mask(mask: Mask) -> Mask:
    image = np.zeros((*mask.shape, 3), np.uint8)
    return make_anonymizer(make_detections([mask])).anonymize(image).replaced_mask


def test_feather_never_shows_neighbor() -> None:
    """Outside its own mask a drawing shows the original, and that may be another person."""
    image = np.full((400, 400, 3), 20, np.uint8)
    masks = [
        make_rectangle(400, 400, slice(50, 350), slice(50, 196)),
        make_rectangle(400, 400, slice(50, 300), slice(204, 350)),
    ]
    image[masks[0] | masks[1]] = 255

    def draw(crop: Crop) -> RgbImage:
        return np.where(crop.mask[..., None], np.uint8(90), crop.image)

    result = make_anonymizer(make_detections(masks), draw).anonymize(image)
    assert result.image.max() <= 91


def test_cover_and_crop_follow_init() -> None:
    image = np.full((80, 80, 3), 20, np.uint8)
    mask = make_rectangle(80, 80, slice(10, 70), slice(20, 60))
    image[mask] = 255
    seen: dict[str, int] = {}
    for init in ("original", "covered"):

        def draw(crop: Crop, init: str = init) -> RgbImage:
            seen[init] = int(crop.image[crop.mask].max())
            return inpaint_noise(crop)

        config = InpaintConfig(init=init)
        Anonymizer(
            FixedSegmenter(make_detections([mask])), FunctionInpainter(draw), MaskConfig(), config
        ).anonymize(image)
    assert seen == {"original": 255, "covered": 20}


@pytest.mark.parametrize(
    "answer",
    [
        RuntimeError("no memory"),
        make_detections([make_rectangle(30, 40, slice(3, 9), slice(3, 9))]),
        None,
    ],
    ids=["raises", "masks of another size", "nothing"],
)
def test_segmentation_failure_raises(answer: object) -> None:
    class Failing:
        def segment(self, _: RgbImage) -> object:
            if isinstance(answer, Exception):
                raise answer
            return answer

    subject = Anonymizer(Failing(), FunctionInpainter(inpaint_noise), MaskConfig(), InpaintConfig())
    with pytest.raises(SegmentationError):
        subject.anonymize(np.zeros((20, 20, 3), np.uint8))


def test_empty_detection_raises() -> None:
    outside = Detections(
        np.array([[90, 90, 99, 99]], np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
        np.zeros((1, 20, 20), np.bool_),
    )
    with pytest.raises(SegmentationError, match="no pixel in the image"):
        make_anonymizer(outside).anonymize(np.zeros((20, 20, 3), np.uint8))


def test_detections_reject_nan_boxes() -> None:
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
def test_anonymize_rejects_other_images(image: RgbImage) -> None:
    with pytest.raises(ValueError, match="expected a"):
        make_anonymizer(Detections.empty(4, 4)).anonymize(image)


@pytest.mark.parametrize(
    ("draw", "draws_persons", "expected"),
    [
        (inpaint_noise, True, 0.45),
        (inpaint_noise, False, None),
        (raise_out_of_memory, True, None),
        (lambda crop: crop.image.copy(), True, None),
    ],
    ids=["drawn", "classical", "failed", "refused"],
)
def test_frame_says_if_a_model_drew_somebody(
    draw: Callable[[Crop], RgbImage], *, draws_persons: bool, expected: float | None
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    mask = make_rectangle(60, 60, slice(10, 40), slice(10, 40))
    inpainter = FunctionInpainter(draw, draws_persons=draws_persons)
    config = InpaintConfig(min_person_px=0, beta_d=0.45)
    for found in (Detections.empty(60, 60), make_detections([mask])):
        anonymizer = Anonymizer(FixedSegmenter(found), inpainter, MaskConfig(), config)
        assert anonymizer.anonymize(image).drawn_beta_d == (expected if len(found) else None)
