"""Networks that find what a test tells them, and tiny ones with random weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import RgbImage
from anon_ros.models.detection.backends.rfdetr_backend import RfDetrBackend
from anon_ros.models.detection.backends.yolo_backend import YoloBackend
from anon_ros.models.detection.segmenter import PersonSegmenter

CPU = torch.device("cpu")
NAMES = {0: "car", 1: "person", 2: "rider"}
BACKENDS = ("ultralytics", "rfdetr")
_ZEROS, _ONES = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class FixedNetwork:
    """A YOLO network that finds fixed candidates; its mask is the input itself, at 1/4."""

    candidates: torch.Tensor
    names: Mapping[int, str] = field(default_factory=lambda: NAMES)
    stride_px: int = 32

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        candidates = self.candidates.expand(len(batch), -1, -1)
        return candidates, torch.nn.functional.avg_pool2d(batch, 4)[:, :1] - 0.5


@dataclass(frozen=True)
class FixedQueries:
    """An RF-DETR network that finds the same; further queries hold nothing."""

    candidates: torch.Tensor
    spare_queries: int = 1
    names: Mapping[int, str] = field(default_factory=lambda: NAMES)
    mean: tuple[float, ...] = _ZEROS
    std: tuple[float, ...] = _ONES

    def plan_side_px(self, inference_px: int) -> int:
        return -(-inference_px // 32) * 32

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows = self.candidates.T
        scores, spare = rows[:, 4:-1], self.spare_queries
        known = torch.where(scores.isfinite(), scores.logit(1e-6), scores)
        logits = torch.cat([known, torch.full((spare, scores.shape[1]), -20.0)])
        boxes = torch.cat([rows[:, :4] / batch.shape[-1], torch.full((spare, 4), 0.1)])
        masks = torch.nn.functional.avg_pool2d(batch, 4)[:, :1] - 0.5
        count = len(batch)
        return (
            logits.expand(count, -1, -1),
            boxes.expand(count, -1, -1),
            masks.expand(-1, len(boxes), -1, -1),
        )


def make_candidate(box_cxcywh: list[float], scores: list[float]) -> torch.Tensor:
    """A box in px of the input, a score per class of ``NAMES``, and the mask's coefficient."""
    return torch.tensor([*box_cxcywh, *scores, 1.0])


def make_segmenter(
    *candidates: torch.Tensor, config: DetectionConfig | None = None, backend: str = "ultralytics"
) -> PersonSegmenter:
    columns = torch.stack(candidates, dim=1)
    made = (
        YoloBackend(FixedNetwork(columns), [1, 2], CPU)
        if backend == "ultralytics"
        else RfDetrBackend(FixedQueries(columns), [1, 2], CPU)
    )
    return PersonSegmenter(made, config or DetectionConfig())


@dataclass(frozen=True)
class MaskNetwork(FixedNetwork):
    """A YOLO network with fixed masks, too: a prototype each."""

    prototypes: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        prototypes = self.prototypes.expand(len(batch), -1, -1, -1)
        return self.candidates.expand(len(batch), -1, -1), prototypes


@dataclass(frozen=True)
class MaskQueries(FixedQueries):
    """An RF-DETR network with the same fixed masks."""

    masks: torch.Tensor = field(default_factory=lambda: torch.zeros(0))

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        logits, boxes, _ = super().__call__(batch)
        spare = torch.full((self.spare_queries, *self.masks.shape[1:]), -1.0)
        return logits, boxes, torch.cat([self.masks, spare]).expand(len(batch), -1, -1, -1)


def make_mask_segmenter(
    boxes: list[list[float]],
    rects: list[tuple[int, int, int, int]],
    backend: str = "ultralytics",
    **options: Any,
) -> PersonSegmenter:
    """One candidate a box (center, size), each with a mask of its own: x0, y0, x1, y1."""
    masks = torch.full((len(rects), 160, 160), -1.0)
    for mask, (x0, y0, x1, y1) in zip(masks, rects, strict=True):
        mask[y0 // 4 : y1 // 4, x0 // 4 : x1 // 4] = 1
    scores = [[0, 0.9 - 0.1 * index, 0] for index in range(len(boxes))]
    heads = torch.tensor([[*b, *s] for b, s in zip(boxes, scores, strict=True)]).T
    config = DetectionConfig(**options)
    if backend == "rfdetr":
        columns = torch.cat([heads, torch.ones(1, len(boxes))])
        return PersonSegmenter(
            RfDetrBackend(MaskQueries(columns, masks=masks), [1, 2], CPU), config
        )
    columns = torch.cat([heads, torch.eye(len(boxes))])
    return PersonSegmenter(YoloBackend(MaskNetwork(columns, prototypes=masks), [1, 2], CPU), config)


def load_segmenter(weights: Path, **options: Any) -> PersonSegmenter:
    return PersonSegmenter.load(replace(DetectionConfig(weights=(str(weights),)), **options), "cpu")


def save_rfdetr(folder: Path, **options: Any) -> Path:
    """Save a tiny RF-DETR with random weights: patches of 8 px, in 2 x 2 windows, 12 queries."""
    transformers = import_module("transformers")
    kind = options.pop("kind", transformers.RfDetrForInstanceSegmentation)
    return _save(folder, kind(make_rfdetr_config(**options)))


def save_person_finder(folder: Path, image: RgbImage, num_persons: int, side_px: int) -> Path:
    """Save one whose bias is such that it finds so many persons in ``image``, at its defaults."""
    transformers = import_module("transformers")
    network = transformers.RfDetrForInstanceSegmentation(make_rfdetr_config()).eval()
    layer = network.model.class_embed
    with torch.inference_mode():
        layer.weight *= torch.tensor([[0.0], [50.0], [0.0]])
        layer.bias[:] = torch.tensor([-9.0, 0.0, -9.0])
    folder = _save(folder, network)
    segmenter = load_segmenter(folder, inference_px=side_px, confidence=0.999)
    scores = segmenter.with_thresholds(segmenter.config, 1e-9).segment(image).scores
    logits = torch.from_numpy(scores).double().logit()
    threshold = torch.tensor(DetectionConfig().confidence).logit()
    # Which of them hide others depends on the bias.
    for pair in pairwise(logits):
        with torch.inference_mode():
            layer.bias[1] = threshold - torch.stack(pair).mean()
        segmenter = load_segmenter(_save(folder, network), inference_px=side_px)
        if len(segmenter.segment(image)) == num_persons:
            return folder
    message = f"no bias finds {num_persons} persons"
    raise AssertionError(message)


def _save(folder: Path, network: Any) -> Path:
    transformers = import_module("transformers")
    network.save_pretrained(folder)
    transformers.RfDetrImageProcessor(size={"height": 96, "width": 96}).save_pretrained(folder)
    return folder


def save_plate_finder(path: Path) -> Path:
    """Save a detector of plates and lamps, without masks, with random weights; it finds much."""
    torch.manual_seed(0)
    yolo = import_module("ultralytics").YOLO("yolov8n.yaml")
    yolo.model.names = dict.fromkeys(range(80), "lamp") | {0: "license_plate"}
    for branch in yolo.model.model[-1].cv3:
        branch[-1].bias.data[:] = -1.0
    yolo.save(path)
    return path


def make_rfdetr_config(**options: Any) -> Any:
    transformers = import_module("transformers")
    torch.manual_seed(0)
    backbone = {
        "model_type": "rf_detr_dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 96,
        "patch_size": 8,
        "out_indices": [1, 2],
        "num_windows": 2,
    }
    settings: dict[str, Any] = {
        "d_model": 32,
        "decoder_ffn_dim": 32,
        "decoder_layers": 2,
        "decoder_self_attention_heads": 2,
        "decoder_cross_attention_heads": 2,
        "num_queries": 12,
        "group_detr": 1,
        "intermediate_size": 32,
        "c2f_num_blocks": 1,
        "id2label": {0: "LABEL_0", 1: "person", 2: "bicycle"},
    }
    return transformers.RfDetrConfig(backbone_config=backbone, **settings | options)
