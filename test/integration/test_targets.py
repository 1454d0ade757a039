"""bus.jpg: its persons, the bus as vehicle and its plate as region, in one frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anon_ros.config import load_config
from anon_ros.core import (
    TARGET_STRIDE,
    Anonymizer,
    CoverReason,
    Crop,
    Detections,
    OutcomeKind,
    RgbImage,
    Tier,
    concatenate_detections,
)
from anon_ros.images import load_regions
from anon_ros.models import build_inpainter, build_segmenter
from anon_ros.models.factory import build_targets
from helpers.arrays import inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import FixedSegmenter, FunctionInpainter

# By hand: the demo's weights know no bus.
BUS = np.s_[231:740, 20:800]
PLATE = "0.4,0.58 0.47,0.58 0.47,0.61 0.4,0.61"


@pytest.fixture(scope="module")
def bus_scene(bus_rgb: RgbImage, demo_weights: Path) -> Detections:
    """The persons as the demo's weights see them; the bus where none of them is."""
    overrides = {"detect.weights": str(demo_weights), "detect.confidence": 0.4}
    persons = build_segmenter(load_config(overrides=overrides)).segment(bus_rgb)
    bus = make_rectangle(*bus_rgb.shape[:2], *BUS) & ~persons.masks.any(axis=0)
    vehicle = replace(make_detections([bus]), class_ids=np.array([5 + TARGET_STRIDE]))
    return concatenate_detections([persons, vehicle])


@pytest.mark.parametrize("action", ["fill", "blur", "pixelate"])
def test_bus_persons_and_plate_in_one_frame(
    bus_rgb: RgbImage, bus_scene: Detections, action: str
) -> None:
    overrides = {
        "targets.vehicle.classes": ["bus"],
        "targets.vehicle.action": action,
        "regions.always": [PLATE],
    }
    config = load_config(overrides=overrides)
    anonymizer = Anonymizer(
        FixedSegmenter(bus_scene),
        FunctionInpainter(inpaint_noise),
        config.mask,
        config.inpaint,
        load_regions(config),
        build_targets(config),
    )
    result = anonymizer.anonymize(bus_rgb)
    names = [outcome.target for outcome in result.outcomes]
    assert names == ["person"] * (len(bus_scene) - 1) + ["vehicle"]
    assert len(names) > 3
    # I2 and I3
    changed = (result.image != bus_rgb).any(axis=2)
    assert np.array_equal(changed, result.replaced_mask)
    assert not (bus_scene.masks.any(axis=0) & ~changed).any()
    # I7: each person of noise is whole but where a larger person or a cover lies over them.
    drawn = [o.kind is OutcomeKind.INPAINTED for o in result.outcomes[:-1]]
    assert all(drawn)
    alone = replace(anonymizer, targets=(), find_regions=lambda _: load_regions(load_config())(""))
    persons = bus_scene.take(bus_scene.target_ids == 0)
    expected = replace(alone, segmenter=FixedSegmenter(persons)).anonymize(bus_rgb).image
    plate = load_regions(config)("").cover(*bus_rgb.shape[:2])[0]
    bodies = persons.masks.any(axis=0)
    bodies[plate.window.slices] &= ~plate.mask
    assert (result.image[bodies] == expected[bodies]).all(axis=1).mean() > 0.999
    # The region is smooth, whatever lies below.
    window = result.image[plate.window.slices].astype(int)
    assert np.abs(np.diff(window, axis=1)).max() < 12


@pytest.mark.parametrize("fault", ["", "raise", "unchanged"])
def test_bus_is_drawn_by_the_model_of_the_persons(
    bus_rgb: RgbImage,
    bus_scene: Detections,
    tiny_sdxl: Path,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Persons and bus by a real pipeline, the plate by its cover, in one frame and one call."""
    plate_mask = make_rectangle(*bus_rgb.shape[:2], np.s_[600:650], np.s_[325:395])
    plate = replace(make_detections([plate_mask]), class_ids=np.array([6 + TARGET_STRIDE]))
    vehicle = replace(bus_scene.take(slice(-1, None)), class_ids=np.array([5 + 2 * TARGET_STRIDE]))
    persons = bus_scene.take(bus_scene.target_ids == 0)
    scene = concatenate_detections([persons, plate, vehicle])
    overrides = {
        "targets.plate.classes": ["license_plate"],
        "targets.vehicle.classes": ["bus"],
        "targets.vehicle.action": "inpaint",
        "targets.vehicle.prompt": "a gray bus",
        "targets.vehicle.beta_d": 0.9,
        "inpaint.model": str(tiny_sdxl),
        "inpaint.generate_px": 64,
        "inpaint.steps": 5,
        "compute.device": "cpu",
    }
    config = load_config(overrides=overrides)
    inpainter = build_inpainter(config)
    drawn: list[Crop] = []

    def inpaint(crops: list[Crop]) -> list[object]:
        if fault == "raise" and any(crop.style for crop in crops):
            raise MemoryError
        drawn.extend(crops)
        results = type(inpainter).inpaint(inpainter, crops)
        is_same = fault == "unchanged"
        return [
            crop.image if is_same and crop.style else result
            for crop, result in zip(crops, results, strict=True)
        ]

    monkeypatch.setattr(inpainter, "inpaint", inpaint)
    targets = build_targets(config)
    anonymizer = Anonymizer(
        FixedSegmenter(scene), inpainter, config.mask, config.inpaint, targets=targets
    )
    result = anonymizer.anonymize(bus_rgb)
    # I2 and I3
    changed = (result.image != bus_rgb).any(axis=2)
    assert np.array_equal(changed, result.replaced_mask)
    assert not (scene.masks.any(axis=0) & ~changed).any()
    *people, plate_outcome, bus = result.outcomes
    assert {(o.kind, o.tier, o.target) for o in people} == {
        (OutcomeKind.INPAINTED, Tier.MAIN, "person")
    }
    assert (plate_outcome.target, plate_outcome.cover_reason) == ("plate", CoverReason.TARGET)
    assert bus.target == "vehicle"
    if fault:
        reason = {"raise": CoverReason.OUT_OF_MEMORY, "unchanged": CoverReason.INVALID_RESULT}
        assert (bus.kind, bus.cover_reason) == (OutcomeKind.COVERED, reason[fault])
    else:
        assert (bus.kind, bus.tier) == (OutcomeKind.INPAINTED, Tier.MAIN)
        assert [crop.style is None for crop in drawn] == [True] * len(persons) + [False]
        assert result.drawn_beta_d == 0.6
    # I7: the plate's cover is above the bus, and no person stands below it but where both are.
    assert (result.image[scene.masks[-1]].astype(int).std(axis=0) > 1).all()
    window = result.image[605:645, 330:390].astype(int)
    assert np.abs(np.diff(window, axis=1)).max() < 12
