"""Several networks together, with fixed candidates and with real weights."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anon_ros.config import Config, DetectionConfig, load_config, with_overrides
from anon_ros.core import Detections, RgbImage, concatenate_detections
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.models import (
    ModelCache,
    build_anonymizer,
    build_detector,
    build_segmenter,
    build_tracking_anonymizer,
    model_hashes,
)
from anon_ros.models.detection.backends.backend import find_class_ids
from anon_ros.models.detection.backends.ensemble import EnsembleBackend
from anon_ros.models.detection.segmenter import PersonSegmenter
from helpers.detectors import save_person_finder, save_plate_finder

SIZE_PX = 60
GRAY = np.random.default_rng(0).integers(30, 220, (SIZE_PX, SIZE_PX, 3), np.uint8)


@dataclass(frozen=True)
class FixedBackend:
    """Finds the same in every picture: of its classes those that it searches for."""

    found: Detections
    names: dict[int, str]
    class_ids: tuple[int, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def members(self) -> "tuple[FixedBackend]":
        return (self,)

    def with_classes(self, class_ids: list[int]) -> "FixedBackend":
        return FixedBackend(self.found, self.names, tuple(class_ids))

    def search(
        self, images: list[RgbImage], _: DetectionConfig, min_score: float
    ) -> list[Detections]:
        is_wanted = np.isin(self.found.class_ids, self.class_ids) & (self.found.scores >= min_score)
        return [self.found.take(np.flatnonzero(is_wanted)) for _ in images]


def make_detections(*boxes: tuple[int, int, int, int], score: float = 0.8) -> Detections:
    masks = np.zeros((len(boxes), SIZE_PX, SIZE_PX), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    scores = np.full(len(boxes), score, np.float32)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), scores, np.zeros(len(boxes), np.int64), masks
    )


def join(
    *parts: Detections, config: DetectionConfig | None = None, min_confidence: float | None = None
) -> Detections:
    members = [FixedBackend(part, {0: "person"}) for part in parts]
    backend = EnsembleBackend(members).with_classes([0])  # type: ignore[arg-type]
    segmenter = PersonSegmenter(backend, config or DetectionConfig(), min_confidence)
    return segmenter.segment(GRAY)


def draw_detections(random: np.random.Generator, count: int) -> Detections:
    corners = random.integers(0, SIZE_PX - 20, (count, 2))
    sizes = random.integers(2, 20, (count, 2))
    boxes = [tuple(row) for row in np.hstack([corners, corners + sizes]).tolist()]
    found = make_detections(*boxes)
    holes = random.random(found.masks.shape) < 0.3
    scores = np.sort(random.uniform(0.1, 1, count).astype(np.float32))[::-1]
    return Detections(found.boxes_xyxy, scores.copy(), found.class_ids, found.masks & ~holes)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("confidence", [0.0, 0.6])
def test_union_covers_each_network_at_any_threshold(seed: int, confidence: float) -> None:
    """All pixels of all networks, no others, and as many persons as any one of them finds.

    A candidate below the threshold covers nothing, so nobody above it may lose pixels to it.
    """
    random = np.random.default_rng(seed)
    parts = [draw_detections(random, int(count)) for count in random.integers(0, 9, 3)]
    joined = join(*parts, config=DetectionConfig(confidence=confidence), min_confidence=0.0)
    for threshold in (0.3, 0.5, 0.7, 0.9):
        covered = joined.above(threshold).masks.any(axis=0)
        for part in parts:
            assert covered[part.above(threshold).masks.any(axis=0)].all()
    expected = np.any([part.masks.any(axis=0) for part in parts], axis=0)
    assert np.array_equal(joined.masks.any(axis=0), expected)
    assert max(map(len, parts)) <= len(joined) <= sum(map(len, parts))
    assert np.all(np.diff(joined.scores) <= 0)


def test_union_of_sparse_masks_covers_their_box() -> None:
    """Alone, with less than a tenth of the box, they count with it; together they show more."""
    boxes = make_detections((10, 10, 50, 50)), make_detections((8, 10, 50, 50), score=0.6)
    spots = make_detections((20, 20, 32, 32)), make_detections((23, 20, 35, 32))
    pairs = zip(boxes, spots, strict=True)
    joined = join(*(replace(whole, masks=spot.masks) for whole, spot in pairs))
    assert np.array_equal(joined.masks, boxes[1].masks)


def test_person_of_both_networks_is_one() -> None:
    joined = join(make_detections((10, 10, 20, 40)), make_detections((11, 8, 21, 30), score=0.9))
    assert joined.boxes_xyxy.tolist() == [[10, 8, 21, 40]]
    assert joined.scores.tolist() == [np.float32(0.9)]


def test_neighbors_stay_apart() -> None:
    """Also where the one network sees both as one."""
    pair = make_detections((10, 10, 20, 40), (20, 10, 30, 40))
    assert len(join(pair, make_detections((10, 10, 30, 40)))) == 2
    assert len(join(make_detections((10, 10, 20, 40)), make_detections((18, 10, 30, 40)))) == 2


def test_weak_candidate_takes_no_pixel_of_a_person() -> None:
    """One network sees the legs as a candidate of their own, which alone would cover nobody."""
    torso, legs = make_detections((10, 5, 30, 30)), make_detections((10, 30, 30, 55), score=0.1)
    whole = make_detections((10, 5, 30, 55), score=0.9)
    config = DetectionConfig(confidence=0.25)
    for parts in ((concatenate_detections([torso, legs]), whole), (whole, torso)):
        joined = join(*parts, config=config, min_confidence=0.05)
        assert joined.above(0.25).masks.any(axis=0).sum() == whole.masks.sum()


def test_weak_candidate_grows_nobody_whom_it_hardly_shows() -> None:
    person, ghost = make_detections((10, 5, 30, 30)), make_detections((0, 0, 60, 60), score=0.1)
    config = DetectionConfig(confidence=0.25)
    for parts in ((person, ghost), (ghost, person)):
        joined = join(*parts, config=config, min_confidence=0.05)
        assert np.array_equal(joined.above(0.25).masks, person.masks)
        assert len(joined) == 2


def test_person_of_either_network_counts() -> None:
    joined = join(
        make_detections((10, 10, 20, 40)), make_detections(), make_detections((40, 5, 50, 25))
    )
    assert len(joined) == 2


def test_union_reaches_max_persons() -> None:
    left, right = make_detections((0, 0, 9, 30)), make_detections((40, 0, 49, 30))
    assert len(join(left, right, config=DetectionConfig(max_persons=3))) == 2
    with pytest.raises(SegmentationError, match="max_persons = 2"):
        join(left, right, config=DetectionConfig(max_persons=2))


def test_union_keeps_weak_candidates() -> None:
    part = make_detections((0, 0, 9, 30)), make_detections((40, 0, 49, 30), score=0.05)
    members = [FixedBackend(found, {0: "person"}) for found in part]
    backend = EnsembleBackend(members).with_classes([0])  # type: ignore[arg-type]
    segmenter = PersonSegmenter(backend, DetectionConfig())
    assert len(segmenter.segment(GRAY)) == 1
    assert len(segmenter.with_thresholds(DetectionConfig(), 0.01).segment(GRAY)) == 2


def test_failure_of_a_network_fails_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        message = "the segmentation network returned NaN"
        raise SegmentationError(message)

    members = [FixedBackend(make_detections((0, 0, 9, 30)), {0: "person"}) for _ in range(2)]
    backend = EnsembleBackend(members).with_classes([0])  # type: ignore[arg-type]
    monkeypatch.setattr(FixedBackend, "search", fail)
    with pytest.raises(SegmentationError, match="NaN"):
        PersonSegmenter(backend, DetectionConfig()).segment(GRAY)


def test_each_class_from_those_that_have_it() -> None:
    """Classes go by name: their numbers differ between networks."""
    person, plate = make_detections((10, 10, 20, 40)), make_detections((40, 40, 50, 44))
    members = [FixedBackend(person, {0: "person"}), FixedBackend(plate, {0: "plate", 1: "person"})]
    backend = EnsembleBackend(members)  # type: ignore[arg-type]
    assert backend.names == {0: "person", 1: "plate"}
    for class_id, found in enumerate((person, plate)):
        (searched,) = backend.with_classes([class_id]).search([GRAY], DetectionConfig(), 0.1)
        assert np.array_equal(searched.masks, found.masks)
        assert searched.class_ids.tolist() == [class_id]


def test_every_class_of_a_name_is_searched() -> None:
    backend = FixedBackend(make_detections(), {0: "person", 1: "car", 2: "person"})
    for searched, expected in ((backend, [0, 2]), (EnsembleBackend([backend]), [0])):  # type: ignore[list-item]
        assert find_class_ids(searched, ["person"], ["a.pt"], "detect.classes") == expected  # type: ignore[arg-type]


# Real networks.


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of plates and lamps, without masks, with random weights; finds much."""
    return save_plate_finder(tmp_path_factory.mktemp("plates") / "plates.pt")


def make_config(*weights: Path, **overrides: object) -> Config:
    values = {f"{key.replace('__', '.')}": value for key, value in overrides.items()}
    names = [*map(str, weights)]
    return load_config(overrides={"detect.weights": names, "detect.inference_px": 320, **values})


def test_person_and_plate_networks(
    demo_weights: Path, plates: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    image = vtest_rgb["vtest0120"][::2, ::2].copy()
    options = {
        "detect__confidence": 0.25,
        "targets__preset": "person+plate",
        "detect__max_persons": 9000,
    }
    config = make_config(demo_weights, plates, **options)
    joined = build_segmenter(config).segment(image)
    alone = build_segmenter(make_config(demo_weights, detect__confidence=0.25)).segment(image)
    is_plate = joined.target_ids == 1
    assert np.array_equal(joined.masks[~is_plate], alone.masks)
    assert is_plate.any()
    for box, mask in zip(joined.boxes_xyxy[is_plate], joined.masks[is_plate], strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert columns[0] <= box[0] < box[2] <= columns[-1] + 1
        assert rows[0] <= box[1] < box[3] <= rows[-1] + 1
        assert mask.sum() == len(rows) * len(columns)


def test_yolo_and_rfdetr_together(
    demo_weights: Path, tmp_path: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    image = vtest_rgb["vtest0120"]
    finder = save_person_finder(tmp_path / "finder", image, 5, 320)
    both, yolo, rfdetr = (
        build_segmenter(make_config(*weights)).segment(image)
        for weights in ((demo_weights, finder), (demo_weights,), (finder,))
    )
    assert len(yolo)
    assert len(rfdetr)
    expected = yolo.masks.any(axis=0) | rfdetr.masks.any(axis=0)
    assert np.array_equal(both.masks.any(axis=0), expected)
    assert len(both) >= max(len(yolo), len(rfdetr))


def test_missing_class_lists_classes_of_each(demo_weights: Path, tiny_rfdetr: Path) -> None:
    config = make_config(demo_weights, tiny_rfdetr, targets__preset="person+plate")
    listing = r"none has license_plate; .*demo\.pt has person, .*; .* has LABEL_0, person, bicycle"
    with pytest.raises(ModelError, match=rf"targets\.plate\.classes: .* {listing}"):
        build_segmenter(config)


@pytest.mark.parametrize(
    "load", [build_anonymizer, build_tracking_anonymizer, ModelCache().anonymizer]
)
def test_network_without_use_refused(
    demo_weights: Path, plates: Path, load: Callable[[Config], object]
) -> None:
    match = r"detect\.weights: .*plates\.pt has none of the classes .* \(person\); remove it, or"
    config = make_config(demo_weights, plates, inpaint__method="fill")
    with pytest.raises(ModelError, match=match):
        load(config)
    load(with_overrides(config, {"targets.preset": "person+plate"}))


def test_network_of_belongings_is_used(demo_weights: Path, plates: Path) -> None:
    joined = {"mask__join": ["license_plate"], "inpaint__method": "fill"}
    build_anonymizer(make_config(demo_weights, plates, **joined))  # is not refused


def test_search_for_persons_leaves_out_network(
    demo_weights: Path, plates: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    """As verify and evaluate search; the networks without persons are not run."""
    image = vtest_rgb["vtest0120"][::2, ::2].copy()
    options = {"detect__confidence": 0.25}
    both = build_segmenter(make_config(plates, demo_weights, **options)).segment(image)
    alone = build_segmenter(make_config(demo_weights, **options)).segment(image)
    assert len(alone)
    assert np.array_equal(both.masks, alone.masks)
    with pytest.raises(ModelError, match=r"detect\.classes: .*plates\.pt has no person"):
        build_segmenter(make_config(plates))


@pytest.mark.parametrize("is_first", [True, False])
def test_missing_network_named(demo_weights: Path, tmp_path: Path, *, is_first: bool) -> None:
    names = [tmp_path / "gone.pt", demo_weights]
    with pytest.raises(ModelError, match=r"detect\.weights: no file .*gone\.pt"):
        build_segmenter(make_config(*(names if is_first else names[::-1])))


def test_backend_must_fit_each_network(demo_weights: Path, tiny_rfdetr: Path) -> None:
    config = make_config(demo_weights, tiny_rfdetr, detect__backend="ultralytics")
    with pytest.raises(ModelError, match=r"not for detect\.backend = ultralytics"):
        build_segmenter(config)


def test_digest_of_each_network(demo_weights: Path, tiny_rfdetr: Path) -> None:
    config = make_config(demo_weights, tiny_rfdetr, inpaint__method="fill")
    entries = model_hashes(config)
    assert [entry["parameter"] for entry in entries] == ["detect.weights"] * 2
    assert [entry["path"] for entry in entries] == [str(demo_weights), str(tiny_rfdetr)]
    assert len({entry["sha256"] for entry in entries}) == 2


def test_boxes_of_each_network(
    demo_weights: Path, tiny_rfdetr: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    config = make_config(demo_weights, tiny_rfdetr)
    boxes, scores = build_detector(config).detect(vtest_rgb["vtest0120"][::4, ::4].copy())
    assert boxes.shape == (len(scores), 4)
    assert len(scores) >= len(build_detector(make_config(tiny_rfdetr)).detect(GRAY)[1]) > 0
