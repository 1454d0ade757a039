"""bus.jpg: its persons, the bus as vehicle and its plate as region, in one frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anon_ros.config import load_config
from anon_ros.core import (
    TARGET_STRIDE,
    Anonymizer,
    Detections,
    OutcomeKind,
    RgbImage,
    concatenate_detections,
)
from anon_ros.images import load_regions
from anon_ros.models import build_segmenter
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
