"""Fixed regions: always covered, or not searched, whoever else is in the image."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Detections, FixedRegions, Mask, MaskImage, Polygon, RgbImage
from anon_ros.errors import SegmentationError
from helpers.arrays import inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import FixedSegmenter, FunctionInpainter

LEFT_HALF = Polygon(np.array([(0, 0), (0.5, 0), (0.5, 1), (0, 1)]))
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def make_subject(
    masks: Sequence[Mask],
    always: Sequence[Polygon | MaskImage] = (),
    never: Sequence[Polygon | MaskImage] = (),
) -> Anonymizer:
    found = make_detections(masks) if masks else Detections.empty(60, 80)
    regions, inpaint = FixedRegions(always, never), InpaintConfig(min_person_px=0)
    return Anonymizer(
        FixedSegmenter(found),
        FunctionInpainter(inpaint_noise),
        MaskConfig(),
        inpaint,
        lambda _: regions,
    )


@given(st.lists(st.tuples(st.integers(0, 79), st.integers(0, 59)), min_size=3, max_size=6))
@settings(max_examples=60, deadline=None)
def test_always_covered_over_persons(corners: list[tuple[int, int]]) -> None:
    person = make_rectangle(60, 80, slice(20, 50), slice(20, 60))
    region = Polygon(np.array(corners) / (80, 60))
    result = make_subject([person], [region]).anonymize(IMAGE)
    alone = make_subject([], [region]).anonymize(IMAGE)
    inside = alone.replaced_mask
    assert (inside & region.draw(60, 80)).sum() == region.draw(60, 80).sum() > 0
    changed = (result.image != IMAGE).any(axis=2)
    assert np.array_equal(changed, result.replaced_mask)
    assert not (inside & ~changed).any()
    assert not (person & ~changed).any()
    assert len(result.outcomes) == 1
    # Nothing that was drawn for the person lies on the region: smooth, where noise is not.
    drawn = make_subject([person]).anonymize(IMAGE).image
    lost = inside & person & (result.image == drawn).all(axis=2)
    assert lost.sum() <= 0.05 * (inside & person).sum() + 2


def test_crossing_outline_covers_what_it_surrounds() -> None:
    star = np.array([(0.5, 0), (0.8, 1), (0, 0.4), (1, 0.4), (0.2, 1)])
    replaced = make_subject([], [Polygon(star)]).anonymize(IMAGE).replaced_mask
    assert replaced[35, 40]


def test_mask_image_covers_as_drawn() -> None:
    ring = ~make_rectangle(60, 80, slice(10, 50), slice(10, 70))
    replaced = make_subject([], [MaskImage("ring.png", ring)]).anonymize(IMAGE).replaced_mask
    assert np.array_equal(replaced, ring)


def test_empty_mask_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.png marks no pixel"):
        MaskImage("a.png", np.zeros((8, 8), np.bool_))


def test_mask_image_of_another_size_fails_the_frame() -> None:
    mask = np.ones((30, 40), np.bool_)
    for subject in (
        make_subject([], always=[MaskImage("regions.always: a.png", mask)]),
        make_subject([], never=[MaskImage("regions.always: a.png", mask)]),
    ):
        with pytest.raises(SegmentationError, match=r"a.png has 40x30 px, the image 80x60"):
            subject.anonymize(IMAGE)


@pytest.mark.parametrize(
    ("columns", "num_replaced"),
    [(slice(5, 30), 0), (slice(20, 43), 1), (slice(50, 70), 1)],
)
def test_only_who_lies_wholly_inside_is_ignored(columns: slice, num_replaced: int) -> None:
    person = make_rectangle(60, 80, slice(20, 50), columns)
    result = make_subject([person], never=[LEFT_HALF]).anonymize(IMAGE)
    assert len(result.detections) == num_replaced
    replaced = result.replaced_mask
    assert not (person & ~replaced).any() if num_replaced else not replaced.any()


def test_faint_mask_counts_as_its_box() -> None:
    """Its box is what is replaced: it must lie inside as well."""
    mask = make_rectangle(60, 80, slice(20, 22), slice(20, 22))
    found = make_detections([mask])
    found.boxes_xyxy[0] = (10, 10, 60, 50)
    subject = make_subject([mask], never=[LEFT_HALF])
    subject.segmenter.detections = found  # type: ignore[attr-defined]
    assert len(subject.anonymize(IMAGE).detections) == 1


def test_always_wins_over_never() -> None:
    person = make_rectangle(60, 80, slice(20, 50), slice(10, 30))
    result = make_subject([person], [LEFT_HALF], [LEFT_HALF]).anonymize(IMAGE)
    assert len(result.detections) == 0
    assert not (person & ~result.replaced_mask).any()


def test_regions_are_drawn_for_any_number_of_sizes() -> None:
    regions = FixedRegions([LEFT_HALF])
    for width_px in range(10, 60):
        (region,) = regions.cover(20, width_px)
        assert region.bounds.width_px == round(width_px / 2) + 1
        assert region.bounds.height_px == 20


def test_no_regions_change_nothing() -> None:
    image: RgbImage = IMAGE
    assert make_subject([]).anonymize(image).image is image
