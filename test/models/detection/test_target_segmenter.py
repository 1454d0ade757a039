"""Belongings that are joined to persons, and targets, over a network with fixed candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anon_ros.config import Config, load_config
from anon_ros.core import TARGET_STRIDE, Detections, Mask
from anon_ros.errors import ModelError
from anon_ros.models import build_segmenter
from anon_ros.models.detection.backends.yolo_backend import YoloBackend
from anon_ros.models.detection.segmenter import PersonSegmenter
from anon_ros.models.detection.target_segmenter import TargetSegmenter, join_belongings
from anon_ros.models.factory import build_targets

GRAY = np.zeros((640, 640, 3), np.uint8)
NAMES = {0: "car", 1: "person", 2: "backpack", 3: "license_plate"}
Rect = tuple[int, int, int, int]


@dataclass(frozen=True)
class RectangleNetwork:
    """Finds rectangles of one class each, with their own masks."""

    candidates: torch.Tensor
    prototypes: torch.Tensor
    names: Mapping[int, str] = field(default_factory=lambda: NAMES)
    stride_px: int = 32

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        candidates = self.candidates.expand(len(batch), -1, -1)
        return candidates, self.prototypes.expand(len(batch), -1, -1, -1)


def make_segmenter(config: Config, *found: tuple[str, Rect]) -> TargetSegmenter:
    prototypes = torch.full((len(found), 160, 160), -1.0)
    rows = []
    for index, (name, (x0, y0, x1, y1)) in enumerate(found):
        prototypes[index, y0 // 4 : y1 // 4, x0 // 4 : x1 // 4] = 1
        scores = [0.8 * (name == known) for known in NAMES.values()]
        box = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
        rows.append([*box, *scores, *np.eye(len(found))[index]])
    network = RectangleNetwork(torch.tensor(rows).float().T, prototypes)
    persons = PersonSegmenter(YoloBackend(network, [1], torch.device("cpu")), config.detect)
    return TargetSegmenter.wrap(persons, config)


def count_inside(mask: Mask, rect: Rect) -> float:
    x0, y0, x1, y1 = rect
    return float(mask[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].mean())


PERSON, NEIGHBOR = (200, 200, 260, 400), (320, 200, 380, 400)
WORN, LOST = (264, 220, 300, 280), (480, 300, 540, 360)


def test_worn_backpack_is_joined_to_who_wears_it() -> None:
    config = load_config(overrides={"mask.join": ["backpack"]})
    found = [("person", PERSON), ("person", NEIGHBOR), ("backpack", WORN), ("backpack", LOST)]
    subject = make_segmenter(config, *found)
    for segmenter in (subject, subject.with_thresholds(config.detect, 0.05)):
        persons = segmenter.segment(GRAY)
        assert persons.class_ids.tolist() == [1, 1]
        wearer, neighbor = persons.masks
        assert count_inside(wearer, WORN) == count_inside(wearer, PERSON) == 1
        assert count_inside(neighbor, WORN) == count_inside(wearer, LOST) == 0
        assert persons.boxes_xyxy[0].tolist() == pytest.approx([200, 200, 300, 400], abs=1)


def test_belongings_alone_are_nobody() -> None:
    config = load_config(overrides={"mask.join": ["backpack"]})
    assert len(make_segmenter(config, ("backpack", WORN)).segment(GRAY)) == 0


def test_nothing_is_joined_by_default() -> None:
    subject = make_segmenter(Config(), ("person", PERSON), ("backpack", WORN))
    joined, persons = subject.segment(GRAY), subject.persons.segment(GRAY)
    assert all(
        np.array_equal(one, other)
        for one, other in zip(vars(joined).values(), vars(persons).values(), strict=True)
    )


def test_unknown_belonging_lists_classes(demo_weights: Path) -> None:
    overrides = {"detect.weights": str(demo_weights), "mask.join": ["umbrella"]}
    with pytest.raises(ModelError, match=r"mask.join: .* has no umbrella; it has person, fallen"):
        build_segmenter(load_config(overrides=overrides))


def test_wanted_threshold_counts_for_belongings() -> None:
    config = load_config(overrides={"mask.join": ["backpack"]})
    subject = make_segmenter(config, ("person", PERSON), ("backpack", WORN))
    stricter = replace(config.detect, confidence=0.9)
    (mask,) = subject.with_thresholds(stricter, 0.1).segment(GRAY).masks
    assert count_inside(mask, WORN) == 0


def make_detections(*found: tuple[Rect, float]) -> Detections:
    masks = np.zeros((len(found), 640, 640), np.bool_)
    for mask, ((x0, y0, x1, y1), _) in zip(masks, found, strict=True):
        mask[y0:y1, x0:x1] = True
    boxes = np.array([rect for rect, _ in found], np.float32)
    scores = np.array([score for _, score in found], np.float32)
    return Detections(boxes, scores, np.zeros(len(found), np.int64), masks)


def test_belonging_stays_covered_without_weak_candidates() -> None:
    """A weak duplicate touches more of it, and is dropped by a higher threshold."""
    x0, y0, x1, y1 = PERSON
    persons = make_detections((PERSON, 0.9), ((x0 + 30, y0, x1 + 30, y1), 0.15))
    joined = join_belongings(persons, make_detections((WORN, 0.8)))
    for threshold in (0.1, 0.3):
        assert count_inside(joined.above(threshold).masks.any(axis=0), WORN) == 1


def test_belonging_goes_to_nobody_who_touches_less() -> None:
    right, bottom = WORN[2:]
    weaker = (right, bottom - 10, right + 60, bottom + 100)
    persons = make_detections((PERSON, 0.9), (weaker, 0.8))
    wearer, neighbor = join_belongings(persons, make_detections((WORN, 0.8))).masks
    assert count_inside(wearer, WORN) == 1
    assert np.array_equal(neighbor, persons.masks[1])


def test_belonging_leaves_sparse_masks_their_box() -> None:
    """With it a mask in less than a tenth of its box would no longer seem to miss the person."""
    person, bag = make_detections((PERSON, 0.9)), make_detections((WORN, 0.8))
    sparse = replace(person, masks=make_detections(((240, 220, 260, 270), 0)).masks)
    part = replace(bag, masks=make_detections(((264, 220, 267, 280), 0)).masks)
    (mask,) = join_belongings(sparse, part).masks
    assert np.array_equal(mask, person.masks[0] | bag.masks[0])


# Targets of other classes.

CAR, PLATE = (160, 160, 420, 420), (240, 340, 300, 372)


def test_targets_follow_the_persons() -> None:
    """Each group for itself: no car takes a person's place in non-maximum suppression."""
    overrides = {"targets.preset": "person+plate", "targets.vehicle.classes": ["car"]}
    config = load_config(overrides=overrides)
    found = [("car", PERSON), ("plate", PLATE), ("person", PERSON), ("license_plate", PLATE)]
    subject = make_segmenter(config, *found)
    detections = subject.segment(GRAY)
    assert detections.target_ids.tolist() == [0, 1, 2]
    assert (detections.class_ids % TARGET_STRIDE).tolist() == [1, 3, 0]
    assert [target.name for target in build_targets(config)] == ["plate", "vehicle"]
    person, plate, car = detections.masks
    assert np.array_equal(person, car)
    assert count_inside(plate, PLATE) == 1


def test_joint_call_joins_belongings_and_targets_of_each_image() -> None:
    overrides = {"targets.vehicle.classes": ["car"], "mask.join": ["backpack"]}
    found = [("car", CAR), ("person", PERSON), ("backpack", WORN)]
    subject = make_segmenter(load_config(overrides=overrides), *found)
    images = [GRAY, GRAY[:480].copy()]
    for image, detections in zip(images, subject.segment_batch(images), strict=True):
        alone = subject.segment(image)
        assert detections.target_ids.tolist() == alone.target_ids.tolist() == [0, 1]
        assert np.array_equal(detections.masks, alone.masks)
        assert count_inside(detections.masks[0], WORN) == 1


def test_target_has_its_own_confidence() -> None:
    """Also where the persons' changes, as of a running node."""
    config = load_config(
        overrides={"targets.vehicle.classes": ["car"], "targets.vehicle.confidence": 0.7}
    )
    subject = make_segmenter(config, ("car", CAR), ("person", PERSON))
    stricter = subject.with_thresholds(replace(config.detect, confidence=0.9), 0.85)
    assert stricter.segment(GRAY).target_ids.tolist() == [1]
    config = load_config(
        overrides={"targets.vehicle.classes": ["car"], "targets.vehicle.confidence": 0.9}
    )
    subject = make_segmenter(config, ("car", CAR), ("person", PERSON))
    assert subject.segment(GRAY).target_ids.tolist() == [0]


@pytest.mark.parametrize("preset", ["person+plate", "person+vehicle", "person+face"])
def test_preset_that_weights_lack_lists_classes(demo_weights: Path, preset: str) -> None:
    overrides = {"detect.weights": str(demo_weights), "targets.preset": preset}
    with pytest.raises(ModelError, match=r"targets\.\w+\.classes: .* has no .*; it has person, fa"):
        build_segmenter(load_config(overrides=overrides))
