"""The segmenter over networks of both back-ends that find what is known."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import cv2
import numpy as np
import pytest
import torch

from anon_ros.config import DetectionConfig, InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Detections, Mask, RgbImage
from anon_ros.errors import SegmentationError
from anon_ros.models.detection.segmenter import PersonSegmenter
from anon_ros.models.inpainting.classical import CLASSICAL
from helpers.arrays import make_detections, make_rectangle
from helpers.detectors import BACKENDS, make_candidate
from helpers.detectors import make_mask_segmenter as make_mask_segmenter_of
from helpers.detectors import make_segmenter as make_segmenter_of

GRAY = np.zeros((640, 640, 3), np.uint8)
BOX = [320.0, 320.0, 100.0, 200.0]
Rect: TypeAlias = tuple[int, int, int, int]
# One person behind another, both in nearly the same box.
FRONT, BEHIND = (20, 5, 48, 85), (48, 5, 61, 85)

MakeSegmenter: TypeAlias = Callable[..., PersonSegmenter]


@pytest.fixture(params=BACKENDS)
def make_segmenter(request: pytest.FixtureRequest) -> MakeSegmenter:
    return partial(make_segmenter_of, backend=request.param)


@pytest.fixture(params=BACKENDS)
def make_mask_segmenter(request: pytest.FixtureRequest) -> MakeSegmenter:
    return partial(make_mask_segmenter_of, backend=request.param)


def make_disc_image(width_px: int, height_px: int) -> tuple[RgbImage, Mask]:
    """A grey image with a bright disc whose soft edge crosses mid grey at the mask's edge."""
    y, x = np.mgrid[0.5:height_px, 0.5:width_px]
    radius_px = min(width_px, height_px) / 4  # off the borders, to which a mask would go on
    inside_px = radius_px - np.hypot(x - width_px * 0.45, y - height_px * 0.6)
    edge_px = max(width_px, height_px) / 20
    value = np.clip(0.5 + inside_px / edge_px, 0, 1) * 255
    return np.repeat(np.rint(value)[..., None], 3, axis=2).astype(np.uint8), inside_px > 0


def measure_boundary_error_px(mask: Mask, known: Mask) -> float:
    """Return the distance of the farthest wrong pixel from the known boundary."""
    sides = (known, ~known)
    near, far = (cv2.distanceTransform(s.astype(np.uint8), cv2.DIST_L2, 5) for s in sides)
    return float((near + far)[mask != known].max(initial=0))


@pytest.mark.parametrize("inference_px", [320, 640, 1000])
@pytest.mark.parametrize(
    ("width_px", "height_px"),
    [(1920, 1080), (1280, 720), (640, 480), (768, 576), (1080, 1920), (801, 1203), (1217, 333)],
)
def test_known_mask_keeps_its_place(
    make_segmenter: MakeSegmenter, width_px: int, height_px: int, inference_px: int
) -> None:
    image, known = make_disc_image(width_px, height_px)
    everything = make_candidate([500, 500, 2000, 2000], [0, 0.9, 0])
    segmenter = make_segmenter(
        everything, config=DetectionConfig(inference_px=inference_px, tiles="off")
    )
    (mask,) = segmenter.segment(image).masks
    assert mask.shape == (height_px, width_px)
    assert measure_boundary_error_px(mask, known) <= 1


def test_person_class_wins(make_segmenter: MakeSegmenter) -> None:
    found = make_segmenter(make_candidate(BOX, [0.9, 0.3, 0])).segment(GRAY)
    assert found.class_ids.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.3])


def test_two_classes_are_one_detection(make_segmenter: MakeSegmenter) -> None:
    shifted = [321.0, 322.0, 100.0, 200.0]
    found = make_segmenter(
        make_candidate(BOX, [0, 0.5, 0]), make_candidate(shifted, [0, 0, 0.6])
    ).segment(GRAY)
    assert found.class_ids.tolist() == [2]


def test_low_scores_dropped(make_segmenter: MakeSegmenter) -> None:
    found = make_segmenter(make_candidate(BOX, [0.9, 0.05, 0.05])).segment(GRAY)
    assert len(found) == 0
    assert found.masks.shape == (0, 640, 640)


def test_empty_mask_becomes_box(make_segmenter: MakeSegmenter) -> None:
    found = make_segmenter(make_candidate(BOX, [0, 0.5, 0])).segment(GRAY)
    expected = np.zeros((640, 640), np.bool_)
    expected[220:420, 270:370] = True
    assert np.array_equal(found.masks[0], expected)


def test_box_in_padding_keeps_a_pixel(make_segmenter: MakeSegmenter) -> None:
    wide = np.zeros((320, 640, 3), np.uint8)
    found = make_segmenter(make_candidate([700, 700, 10, 10], [0, 0.5, 0])).segment(wide)
    assert found.masks.sum() == 1


def test_too_many_persons_fail_frame(make_segmenter: MakeSegmenter) -> None:
    columns = [make_candidate([x, 320, 20, 90], [0, 0.5, 0]) for x in (100, 200, 300)]
    assert len(make_segmenter(*columns, config=DetectionConfig(max_persons=4)).segment(GRAY)) == 3
    with pytest.raises(SegmentationError, match=r"3 persons reach detect\.max_persons = 3"):
        make_segmenter(*columns, config=DetectionConfig(max_persons=3)).segment(GRAY)


def test_weak_candidates_are_bounded(make_segmenter: MakeSegmenter) -> None:
    scores = [0.6, 0.2, 0.05, 0.3, 0.7]
    columns = [make_candidate([60 + 90 * i, 320, 20, 90], [0, s, 0]) for i, s in enumerate(scores)]
    config = DetectionConfig(confidence=0.5, max_persons=4)
    found = make_segmenter(*columns, config=config).with_thresholds(config, 0.1).segment(GRAY)
    assert found.scores.tolist() == pytest.approx([0.7, 0.6, 0.3, 0.2])
    few = replace(config, max_persons=3)
    found = make_segmenter(*columns).with_thresholds(few, 0.1).segment(GRAY)
    assert found.scores.tolist() == pytest.approx([0.7, 0.6, 0.3])
    alone = make_segmenter(*columns).with_thresholds(config, None).segment(GRAY)
    assert alone.scores.tolist() == pytest.approx([0.7, 0.6])
    with pytest.raises(SegmentationError, match=r"2 persons reach .*detect\.confidence = 0\.5"):
        make_segmenter(*columns).with_thresholds(replace(config, max_persons=2), 0.1).segment(GRAY)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_output_fails_frame(make_segmenter: MakeSegmenter, value: float) -> None:
    with pytest.raises(SegmentationError, match="NaN"):
        make_segmenter(make_candidate(BOX, [0, value, 0])).segment(GRAY)


def test_two_looks_reach_max_persons(make_segmenter: MakeSegmenter) -> None:
    """The second look at a dim scene finds as many; nobody may be cut off by the limit."""
    boxes = [[20.0, 30, 20, 30], [70.0, 30, 20, 30]]
    candidates = [make_candidate(box, [0, 0.9, 0]) for box in boxes]
    dim = np.full((96, 96, 3), 100, np.uint8)
    dim[40:] = 104
    segmenter = make_segmenter(*candidates, config=DetectionConfig(max_persons=3))
    assert len(segmenter.segment(dim)) == 2
    with pytest.raises(SegmentationError, match="max_persons"):
        make_segmenter(*candidates, config=DetectionConfig(max_persons=2)).segment(dim)


@pytest.mark.parametrize("on_gpu", [False, True])
def test_joint_call_equals_single_ones(
    make_mask_segmenter: MakeSegmenter, monkeypatch: pytest.MonkeyPatch, *, on_gpu: bool
) -> None:
    """Images of several sizes, of which one is searched in tiles and one, dim, in two looks."""
    sizes: list[int] = []
    for name in ("yolo_backend", "rfdetr_backend"):
        monkeypatch.setattr(
            f"anon_ros.models.detection.backends.{name}.choose_batch_size",
            lambda _, size: sizes.append(size) or (3 if on_gpu else 1),
        )
    segmenter = make_mask_segmenter([BOX], [(270, 220, 370, 420)], inference_px=640)
    dim = np.full((96, 96, 3), 100, np.uint8)
    dim[40:] = 104
    images = [GRAY, np.zeros((480, 2400, 3), np.uint8), dim, GRAY[:480].copy(), GRAY]
    found = segmenter.segment_batch(images)
    assert sizes, "the size is chosen here"
    for image, detections in zip(images, found, strict=True):
        alone = segmenter.segment(image)
        assert len(detections) == len(alone) > 0
        for values, expected in zip(vars(detections).values(), vars(alone).values(), strict=True):
            assert np.array_equal(values, expected)
    assert len(found[1]) > 1, "a person in each tile"
    assert segmenter.max_batch == 1, "no gain on the CPU"


def test_joint_call_fails_if_an_image_does(make_segmenter: MakeSegmenter) -> None:
    with pytest.raises(SegmentationError, match="NaN"):
        make_segmenter(make_candidate(BOX, [0, math.nan, 0])).segment_batch([GRAY, GRAY])


def test_joint_call_out_of_memory_halves_the_next() -> None:
    sizes: list[int] = []

    class SmallGpu:
        device = torch.device("cuda")

        def search(self, images: list[RgbImage], *_: object) -> list[Detections]:
            sizes.append(len(images))
            if len(images) > 3:
                raise torch.cuda.OutOfMemoryError
            return [make_detections([image[..., 0] == 0]) for image in images]

    segmenter = PersonSegmenter(SmallGpu(), DetectionConfig())  # type: ignore[arg-type]
    for thresholds in (0.1, 0.2, 0.3):  # a copy with others shares what was learned
        copy = segmenter.with_thresholds(DetectionConfig(), thresholds)
        anonymizer = Anonymizer(copy, CLASSICAL["fill"], MaskConfig(), InpaintConfig())
        results = anonymizer.detect_batch([(GRAY, "")] * 8)
        assert [len(found) for found in results if isinstance(found, Detections)] == [1] * 8
    assert sizes == [8, *[1] * 8, 4, 4, *[1] * 8, *[2] * 4]


def compute_iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_person_behind_nearly_equal_box_is_kept(make_mask_segmenter: MakeSegmenter) -> None:
    """Two boxes with an IoU of 0.9: one person in front, the other shows beside them."""
    boxes = [[320.0, 320, 200, 400], [330.0, 320, 200, 400]]
    both = make_mask_segmenter(boxes, [(220, 120, 340, 520), (340, 120, 430, 520)])
    assert len(both.segment(GRAY)) == 2
    twice = make_mask_segmenter(boxes, [(220, 120, 400, 520), (228, 120, 408, 520)])
    assert len(twice.segment(GRAY)) == 1


@dataclass(frozen=True)
class LookBackend:
    """Finds rectangles, with boxes of their own: the first list in the first picture, and so on."""

    looks: list[list[Rect]]
    boxes: list[Rect]

    def search(self, *_: object) -> list[Detections]:
        return [self._find(rects) for rects in self.looks]

    def _find(self, rects: list[Rect]) -> Detections:
        masks = [make_rectangle(96, 96, slice(y0, y1), slice(x0, x1)) for x0, y0, x1, y1 in rects]
        boxes = np.array(self.boxes[: len(rects)], np.float32)
        scores = np.linspace(0.9, 0.8, len(rects), dtype=np.float32)
        return Detections(boxes, scores, np.zeros(len(rects), np.int64), np.array(masks))


@pytest.mark.parametrize(
    "looks",
    [
        [[FRONT, BEHIND]] * 3,
        [[FRONT], [FRONT, BEHIND], [FRONT]],
        [[(20, 10, 60, 80)], [(20, 10, 60, 84)], [(24, 6, 60, 80)]],
    ],
    ids=["each look shows both", "one look shows both", "outlines of one person"],
)
def test_dim_scene_keeps_the_pixels_of_all_looks(looks: list[list[Rect]]) -> None:
    """Boxes that nearly agree are the same person's only if the masks are, too."""
    backend = LookBackend(looks, [(20, 5, 60, 85), (21, 5, 61, 85)])
    segmenter = PersonSegmenter(backend, DetectionConfig())  # type: ignore[arg-type]
    dim = np.full((96, 96, 3), 100, np.uint8)
    dim[40:] = 104
    found = segmenter.segment(dim)
    assert len(found) == max(map(len, looks))
    expected = np.zeros((96, 96), np.bool_)
    for x0, y0, x1, y1 in (rect for rects in looks for rect in rects):
        expected[y0:y1, x0:x1] = True
    assert np.array_equal(found.masks.any(axis=0), expected)


def test_hidden_persons_reach_max_persons(make_mask_segmenter: MakeSegmenter) -> None:
    boxes = [[320.0, 320, 200, 400], [330.0, 320, 200, 400]]
    rects = [(220, 120, 340, 520), (340, 120, 430, 520)]
    with pytest.raises(SegmentationError, match="max_persons"):
        make_mask_segmenter(boxes, rects, max_persons=2).segment(GRAY)


@pytest.mark.parametrize("turns", range(4))
def test_mask_goes_on_to_image_border(make_mask_segmenter: MakeSegmenter, turns: int) -> None:
    """Boxes and masks of persons who leave the image end up to two cells short of its border."""
    rects = [(8, 200, 80, 400), (240, 632 - 72, 400, 632), (560, 200, 632, 400), (240, 8, 400, 80)]
    x0, y0, x1, y1 = rects[turns]
    box = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
    (mask,) = make_mask_segmenter([box], [rects[turns]]).segment(GRAY).masks
    expected = np.zeros((640, 640), np.bool_)
    border = [(0, y0, x1, y1), (x0, y0, x1, 640), (x0, y0, 640, y1), (x0, 0, x1, y1)][turns]
    expected[border[1] : border[3], border[0] : border[2]] = True
    assert compute_iou(mask, expected) > 0.95
    edges = mask[200:400, 0], mask[-1, 240:400], mask[200:400, -1], mask[0, 240:400]
    assert edges[turns].mean() > 0.95


def test_mask_off_the_border_stays(make_mask_segmenter: MakeSegmenter) -> None:
    rect = (24, 200, 100, 400)
    (mask,) = make_mask_segmenter([[62.0, 300, 76, 200]], [rect]).segment(GRAY).masks
    assert not mask[:, :20].any()
