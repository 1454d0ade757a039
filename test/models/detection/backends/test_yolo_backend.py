"""YOLO networks against known masks and Ultralytics, and damaged weights."""

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types
from ultralytics import YOLO

from anon_ros.config import DetectionConfig
from anon_ros.core import Mask, RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluation.labels.boxes import read_yolo_boxes
from anon_ros.images import RawImage, ToneRule, decode_raw, equalize_tone, measure_tone
from anon_ros.models.detection.backends.yolo_backend import YoloBackend
from anon_ros.models.detection.segmenter import PersonSegmenter
from helpers.detectors import CPU, FixedNetwork, load_segmenter, make_candidate
from helpers.paths import MASKS

GRAY = np.zeros((640, 640, 3), np.uint8)
BOX = [320.0, 320.0, 100.0, 200.0]


def compute_iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_masks_equal_ultralytics(
    demo_weights: Path, bus_rgb: RgbImage, zidane_rgb: RgbImage
) -> None:
    segmenter, other = load_segmenter(demo_weights), YOLO(demo_weights)
    for image in (bus_rgb, zidane_rgb, zidane_rgb[:477, :1001]):
        ours = segmenter.segment(np.ascontiguousarray(image))
        (theirs,) = other.predict(
            image[..., ::-1],
            conf=0.1,
            iou=0.7,
            classes=[0],
            retina_masks=True,
            agnostic_nms=True,
            verbose=False,
        )
        assert ours.boxes_xyxy == pytest.approx(theirs.boxes.xyxy.numpy(), abs=1)
        # Near the borders ours go on to them.
        ours_inside, theirs_inside = (
            masks[:, 16:-16, 16:-16] for masks in (ours.masks, theirs.masks.data.numpy() > 0)
        )
        pairs = zip(ours_inside, theirs_inside, strict=True)
        assert min(compute_iou(*pair) for pair in pairs) > 0.97


def test_joint_call_finds_the_same(
    demo_weights: Path, bus_rgb: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = load_segmenter(demo_weights, inference_px=320)
    images = [np.ascontiguousarray(np.roll(bus_rgb, shift, axis=1)) for shift in (0, 40, -60)]
    alone = [segmenter.segment(image) for image in images]
    monkeypatch.setattr(
        "anon_ros.models.detection.backends.yolo_backend.choose_batch_size", lambda *_: 3
    )
    for single, joint in zip(alone, segmenter.segment_batch(images), strict=True):
        assert joint.boxes_xyxy == pytest.approx(single.boxes_xyxy, abs=0.01)
        assert joint.scores == pytest.approx(single.scores, abs=1e-4)
        pairs = zip(joint.masks, single.masks, strict=True)
        assert min(compute_iou(*pair) for pair in pairs) > 0.999


def test_masks_match_labels_of_video(demo_weights: Path, vtest_rgb: dict[str, RgbImage]) -> None:
    segmenter = load_segmenter(demo_weights, inference_px=768)
    overlaps = []
    for name, image in vtest_rgb.items():
        found = segmenter.segment(image)
        known = read_reference_masks(MASKS / f"{name}.txt", image.shape[:2])
        overlaps += [max(compute_iou(mask, person) for mask in found.masks) for person in known]
    assert len(overlaps) > 20
    assert np.mean(overlaps) > 0.75


def read_reference_masks(path: Path, hw: tuple[int, ...]) -> list[Mask]:
    """The polygons of class 0."""
    masks = []
    for line in path.read_text().splitlines():
        class_id, *numbers = line.split()
        outline = np.array(numbers, float).reshape(-1, 2) * hw[::-1]
        pixels = cv2.fillPoly(np.zeros(hw, np.uint8), [np.rint(outline).astype(np.int32)], 1)
        if class_id == "0":
            masks.append(pixels.astype(np.bool_))
    return masks


@pytest.fixture(scope="module")
def network_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random networks of other kinds."""
    folder = tmp_path_factory.mktemp("yolo")
    for name in ("yolov8n", "yolo11n-seg", "yolo26n-seg", "yolov8n-pose"):
        torch.manual_seed(0)
        YOLO(f"{name}.yaml").save(folder / f"{name}.pt")
    return folder


@pytest.mark.parametrize("name", ["yolo11n-seg", "yolo26n-seg"])
def test_other_yolo_networks_run(network_files: Path, name: str) -> None:
    segmenter = load_segmenter(network_files / f"{name}.pt", confidence=0.001, classes=("0",))
    assert isinstance(segmenter.backend, YoloBackend)
    candidates, prototypes = segmenter.backend.network(torch.rand(1, 3, 64, 96))
    assert candidates.shape == (1, 4 + 80 + 32, 126)
    assert prototypes is not None
    assert prototypes.shape == (1, 32, 16, 24)
    segmenter.segment(np.zeros((48, 64, 3), np.uint8))


def test_detection_weights_give_boxes(
    network_files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        segmenter = load_segmenter(network_files / "yolov8n.pt", classes=("0",))
    assert "whole box" in caplog.text
    network = FixedNetwork(make_candidate(BOX, [0, 0.5, 0])[:7, None])
    boxes_only = replace(segmenter, backend=YoloBackend(BoxNetwork(network), [1], CPU))
    assert boxes_only.segment(GRAY).masks.sum() == 100 * 200
    assert isinstance(segmenter.backend, YoloBackend)
    assert segmenter.backend.network(torch.rand(1, 3, 64, 64))[1] is None


@dataclass(frozen=True)
class BoxNetwork:
    network: FixedNetwork
    stride_px: int = 32

    @property
    def names(self) -> Mapping[int, str]:
        return self.network.names

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.network(batch)[0], None


def test_other_task_rejected(network_files: Path) -> None:
    with pytest.raises(ModelError, match="is for pose"):
        load_segmenter(network_files / "yolov8n-pose.pt")


def test_unknown_class_lists_classes(demo_weights: Path) -> None:
    with pytest.raises(ModelError, match=r"has no dog; it has person, fallen person"):
        load_segmenter(demo_weights, classes=("person", "dog"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_damaged_weights_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.pt cannot be loaded") as caught:
        load_segmenter(path)
    assert "\n" not in str(caught.value)


def test_weights_of_missing_package_install_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ultralytics would ask pip for the package that a checkpoint names."""
    module = ModuleType("package_of_a_stranger")
    module.Network = type("Network", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    path = tmp_path / "strange.pt"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        torch.save({"model": module.Network()}, path)
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(ModelError, match=r"strange\.pt cannot be loaded"):
        load_segmenter(path)


def test_opencv_threads_restored(demo_weights: Path) -> None:
    threads = cv2.getNumThreads()
    load_segmenter(demo_weights)
    assert cv2.getNumThreads() == threads


def count_found(segmenter: PersonSegmenter, image: RgbImage, name: str) -> int:
    """Return the number of labelled persons whom a detection overlaps."""
    truth = read_yolo_boxes(MASKS / f"{name}.txt", *image.shape[:2]).boxes_xyxy
    boxes = segmenter.segment(image).boxes_xyxy
    overlaps = torchvision.ops.box_iou(torch.tensor(truth).float(), torch.from_numpy(boxes))
    return int((overlaps > 0.5).any(dim=1).sum())


DIM_VERSIONS: dict[str, Callable[[RgbImage], Any]] = {
    "low contrast": lambda image: 100 + image / 255 * 12,
    "bright, low contrast": lambda image: 220 + image / 255 * 12,
    "dark": lambda image: image / 255 * 12,
}


@pytest.mark.parametrize("version", DIM_VERSIONS)
def test_dim_scenes_are_searched_stretched(
    vtest_rgb: dict[str, RgbImage], demo_weights: Path, version: str
) -> None:
    segmenter = PersonSegmenter.load(DetectionConfig(weights=(str(demo_weights),)), "cpu")
    frames = [(name, vtest_rgb[name]) for name in ("vtest0120", "vtest0240")]
    expected = sum(count_found(segmenter, image, name) for name, image in frames)
    make = DIM_VERSIONS[version]
    found = sum(
        count_found(segmenter, np.rint(make(image)).astype(np.uint8), name)
        for name, image in frames
    )
    assert found >= 0.9 * expected > 0


@pytest.mark.parametrize("rule", [measure_tone, equalize_tone])
def test_person_in_a_lit_place_at_night_is_found(
    vtest_rgb: dict[str, RgbImage], bus_rgb: RgbImage, demo_weights: Path, rule: ToneRule
) -> None:
    """The place is less than a percent of a 16-bit image, and 20 times as bright."""
    config = DetectionConfig(weights=(str(demo_weights),), inference_px=1280)
    segmenter = PersonSegmenter.load(config, "cpu")
    street, lit = (
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint16)
        for image in (vtest_rgb["vtest0120"], bus_rgb[380:920, 20:280])
    )
    counts = 200 + 4 * cv2.resize(street, (1280, 960))
    place = cv2.resize(lit, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    height_px, width_px = place.shape
    counts[100 : 100 + height_px, 600 : 600 + width_px] = 20000 + 30 * place
    raw = RawImage(960, 1280, "mono16", False, 2560, counts.astype("<u2").tobytes(), tone_rule=rule)
    found = segmenter.segment(decode_raw(raw)).masks[:, 100 : 100 + height_px, 600 : 600 + width_px]
    assert (found.mean(axis=(1, 2)) > 0.3).any()
