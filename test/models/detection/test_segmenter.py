"""The YOLO segmenter against known masks, Ultralytics and damaged networks."""

import logging
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.evaluation.labels.boxes import read_yolo_boxes
from anon_ros.models.detection.segmenter import PersonSegmenter
from anon_ros.models.detection.yolo_backend import YoloBackend
from helpers.paths import MASKS

CPU = torch.device("cpu")


@dataclass(frozen=True)
class FixedNetwork:
    """A network that finds fixed candidates; its mask is the input itself, at 1/4."""

    candidates: torch.Tensor
    names: Mapping[int, str] = field(default_factory=lambda: {0: "car", 1: "person", 2: "rider"})
    stride_px: int = 32

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        candidates = self.candidates.expand(len(batch), -1, -1)
        return candidates, torch.nn.functional.avg_pool2d(batch, 4)[:, :1] - 0.5


def make_candidate(box_cxcywh: list[float], scores: list[float]) -> torch.Tensor:
    return torch.tensor([*box_cxcywh, *scores, 1.0])


def make_segmenter(
    *candidates: torch.Tensor, config: DetectionConfig | None = None
) -> PersonSegmenter:
    network = FixedNetwork(torch.stack(candidates, dim=1))
    return PersonSegmenter(YoloBackend(network, [1, 2], CPU), config or DetectionConfig())


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
def test_known_mask_keeps_its_place(width_px: int, height_px: int, inference_px: int) -> None:
    image, known = make_disc_image(width_px, height_px)
    everything = make_candidate([500, 500, 2000, 2000], [0, 0.9, 0])
    segmenter = make_segmenter(
        everything, config=DetectionConfig(inference_px=inference_px, tiles="off")
    )
    (mask,) = segmenter.segment(image).masks
    assert mask.shape == (height_px, width_px)
    assert measure_boundary_error_px(mask, known) <= 1


GRAY = np.zeros((640, 640, 3), np.uint8)


BOX = [320.0, 320.0, 100.0, 200.0]


def test_person_class_wins() -> None:
    found = make_segmenter(make_candidate(BOX, [0.9, 0.3, 0])).segment(GRAY)
    assert found.class_ids.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.3])


def test_two_classes_are_one_detection() -> None:
    shifted = [321.0, 322.0, 100.0, 200.0]
    found = make_segmenter(
        make_candidate(BOX, [0, 0.5, 0]), make_candidate(shifted, [0, 0, 0.6])
    ).segment(GRAY)
    assert found.class_ids.tolist() == [2]


def test_low_scores_dropped() -> None:
    found = make_segmenter(make_candidate(BOX, [0.9, 0.05, 0.05])).segment(GRAY)
    assert len(found) == 0
    assert found.masks.shape == (0, 640, 640)


def test_empty_mask_becomes_box() -> None:
    found = make_segmenter(make_candidate(BOX, [0, 0.5, 0])).segment(GRAY)
    expected = np.zeros((640, 640), np.bool_)
    expected[220:420, 270:370] = True
    assert np.array_equal(found.masks[0], expected)


def test_box_in_padding_keeps_a_pixel() -> None:
    wide = np.zeros((320, 640, 3), np.uint8)
    found = make_segmenter(make_candidate([700, 700, 10, 10], [0, 0.5, 0])).segment(wide)
    assert found.masks.sum() == 1


def test_too_many_persons_fail_frame() -> None:
    columns = [make_candidate([x, 320, 20, 90], [0, 0.5, 0]) for x in (100, 200, 300)]
    assert len(make_segmenter(*columns, config=DetectionConfig(max_persons=4)).segment(GRAY)) == 3
    with pytest.raises(SegmentationError, match=r"3 persons reach detect\.max_persons = 3"):
        make_segmenter(*columns, config=DetectionConfig(max_persons=3)).segment(GRAY)


def test_weak_candidates_are_bounded() -> None:
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
def test_non_finite_output_fails_frame(value: float) -> None:
    with pytest.raises(SegmentationError, match="NaN"):
        make_segmenter(make_candidate(BOX, [0, value, 0])).segment(GRAY)


def load_demo_segmenter(weights: Path, **options: Any) -> PersonSegmenter:
    return PersonSegmenter.load(replace(DetectionConfig(weights=str(weights)), **options), "cpu")


def compute_iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_masks_equal_ultralytics(
    demo_weights: Path, bus_rgb: RgbImage, zidane_rgb: RgbImage
) -> None:
    segmenter, other = load_demo_segmenter(demo_weights), YOLO(demo_weights)
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


def test_masks_match_labels_of_video(demo_weights: Path, vtest_rgb: dict[str, RgbImage]) -> None:
    segmenter = load_demo_segmenter(demo_weights, inference_px=768)
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
    segmenter = load_demo_segmenter(network_files / f"{name}.pt", confidence=0.001, classes=("0",))
    candidates, prototypes = segmenter.backend.network(torch.rand(1, 3, 64, 96))
    assert candidates.shape == (1, 4 + 80 + 32, 126)
    assert prototypes is not None
    assert prototypes.shape == (1, 32, 16, 24)
    segmenter.segment(np.zeros((48, 64, 3), np.uint8))


def test_detection_weights_give_boxes(
    network_files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        segmenter = load_demo_segmenter(network_files / "yolov8n.pt", classes=("0",))
    assert "whole box" in caplog.text
    network = FixedNetwork(make_candidate(BOX, [0, 0.5, 0])[:7, None])
    backend = replace(segmenter.backend, network=BoxNetwork(network), class_ids=[1])
    boxes_only = replace(segmenter, backend=backend)
    assert boxes_only.segment(GRAY).masks.sum() == 100 * 200
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
        load_demo_segmenter(network_files / "yolov8n-pose.pt")


def test_unknown_class_lists_classes(demo_weights: Path) -> None:
    with pytest.raises(ModelError, match=r"has no dog; it has person, fallen person"):
        load_demo_segmenter(demo_weights, classes=("person", "dog"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_damaged_weights_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.pt cannot be loaded") as caught:
        load_demo_segmenter(path)
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
        load_demo_segmenter(path)


def test_opencv_threads_restored(demo_weights: Path) -> None:
    threads = cv2.getNumThreads()
    load_demo_segmenter(demo_weights)
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
    segmenter = PersonSegmenter.load(DetectionConfig(weights=str(demo_weights)), "cpu")
    frames = [(name, vtest_rgb[name]) for name in ("vtest0120", "vtest0240")]
    expected = sum(count_found(segmenter, image, name) for name, image in frames)
    make = DIM_VERSIONS[version]
    found = sum(
        count_found(segmenter, np.rint(make(image)).astype(np.uint8), name)
        for name, image in frames
    )
    assert found >= 0.9 * expected > 0


def test_two_looks_reach_max_persons() -> None:
    """The second look at a dim scene finds as many; nobody may be cut off by the limit."""
    boxes = [[20.0, 30, 20, 30], [70.0, 30, 20, 30]]
    candidates = [make_candidate(box, [0, 0.9, 0]) for box in boxes]
    dim = np.full((96, 96, 3), 100, np.uint8)
    dim[40:] = 104
    segmenter = make_segmenter(*candidates, config=DetectionConfig(max_persons=3))
    assert len(segmenter.segment(dim)) == 2
    with pytest.raises(SegmentationError, match="max_persons"):
        make_segmenter(*candidates, config=DetectionConfig(max_persons=2)).segment(dim)


def make_mask_segmenter(
    boxes: list[list[float]], rects: list[tuple[int, int, int, int]], **options: Any
) -> PersonSegmenter:
    """One candidate a box (center, size), each with a mask of its own: x0, y0, x1, y1."""
    prototypes = torch.full((len(rects), 160, 160), -1.0)
    for mask, (x0, y0, x1, y1) in zip(prototypes, rects, strict=True):
        mask[y0 // 4 : y1 // 4, x0 // 4 : x1 // 4] = 1
    rows = [[*box, 0, 0.9 - 0.1 * i, 0, *np.eye(len(boxes))[i]] for i, box in enumerate(boxes)]
    network = MaskNetwork(torch.tensor(rows).float().T, prototypes=prototypes)
    return PersonSegmenter(YoloBackend(network, [1, 2], CPU), DetectionConfig(**options))


@dataclass(frozen=True)
class MaskNetwork(FixedNetwork):
    prototypes: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        prototypes = self.prototypes.expand(len(batch), -1, -1, -1)
        return self.candidates.expand(len(batch), -1, -1), prototypes


def test_person_behind_nearly_equal_box_is_kept() -> None:
    """Two boxes with an IoU of 0.9: one person in front, the other shows beside them."""
    boxes = [[320.0, 320, 200, 400], [330.0, 320, 200, 400]]
    both = make_mask_segmenter(boxes, [(220, 120, 340, 520), (340, 120, 430, 520)])
    assert len(both.segment(GRAY)) == 2
    twice = make_mask_segmenter(boxes, [(220, 120, 400, 520), (228, 120, 408, 520)])
    assert len(twice.segment(GRAY)) == 1


def test_hidden_persons_reach_max_persons() -> None:
    boxes = [[320.0, 320, 200, 400], [330.0, 320, 200, 400]]
    rects = [(220, 120, 340, 520), (340, 120, 430, 520)]
    with pytest.raises(SegmentationError, match="max_persons"):
        make_mask_segmenter(boxes, rects, max_persons=2).segment(GRAY)


@pytest.mark.parametrize("turns", range(4))
def test_mask_goes_on_to_image_border(turns: int) -> None:
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


def test_mask_off_the_border_stays() -> None:
    rect = (24, 200, 100, 400)
    (mask,) = make_mask_segmenter([[62.0, 300, 76, 200]], [rect]).segment(GRAY).masks
    assert not mask[:, :20].any()
