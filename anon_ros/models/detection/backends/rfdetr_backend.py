"""Search for persons with an RF-DETR network (arXiv 2511.09554)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.models.detection.backends.backend import (
    choose_batch_size,
    find_roi,
    iter_batches,
    limit_persons,
    require_finite,
)
from anon_ros.models.detection.backends.borders import (
    continue_to_borders,
    get_reach_px,
    widen_to_borders,
)
from anon_ros.models.detection.backends.crowds import add_hidden_persons
from anon_ros.models.detection.backends.letterbox import Letterbox
from anon_ros.models.detection.backends.rfdetr import QueryNetwork, load_rfdetr
from anon_ros.models.device import resolve_device

# Pictures in a call: transformers computes the masks of all queries in each layer.
_MAX_BATCH_ON_GPU = 8


@dataclass(frozen=True)
class RfDetrBackend:
    """A DetectionBackend over an RF-DETR network, tuned for recall.

    A query's score is its best among ``class_ids``, even if another class scores higher. Its mask
    is not cut at its box, since the network is trained on whole masks; where it marks nothing of
    the box, the whole box is added.

    Attributes:
        network: on ``device``.
        class_ids: indices of the classes that count as a person.
        device: where the network is.
    """

    network: QueryNetwork
    class_ids: Sequence[int]
    device: torch.device

    @classmethod
    def load(cls, directory: Path, inference_px: int, device: str) -> "RfDetrBackend":
        """Load weights on the device of that name, without classes to search for.

        Raises:
            ModelError: if the weights are damaged, ``inference_px`` is too small for them, or the
                device is missing.
        """
        torch_device = resolve_device(device)
        network = load_rfdetr(directory, torch_device)
        network.plan_side_px(inference_px)
        return cls(network, [], torch_device)

    @property
    def members(self) -> "tuple[RfDetrBackend]":
        """The back-end alone."""
        return (self,)

    @property
    def names(self) -> Mapping[int, str]:
        """The network's classes by index."""
        return self.network.names

    def with_classes(self, class_ids: Sequence[int]) -> "RfDetrBackend":
        """Return the same network, searching for other classes."""
        return replace(self, class_ids=class_ids)

    def search(
        self, images: Sequence[RgbImage], config: DetectionConfig, min_score: float
    ) -> list[Detections]:
        """Return the persons of each image; see ``DetectionBackend``."""
        try:
            side_px = self.network.plan_side_px(config.inference_px)
        except ModelError as error:  # a running node accepts another inference_px
            raise SegmentationError(str(error)) from error
        detections, batch_size = [], choose_batch_size(self.device, _MAX_BATCH_ON_GPU)
        for part in iter_batches(range(len(images)), batch_size):
            with torch.inference_mode():
                inputs = torch.cat([self._make_input(images[index], side_px) for index in part])
                outputs = zip(*self.network(inputs), strict=True)
                for index, output in zip(part, outputs, strict=True):
                    height_px, width_px = images[index].shape[:2]
                    stretch = Letterbox.stretch((width_px, height_px), side_px)
                    detections.append(self._decode(stretch, _Queries(*output), config, min_score))
        return detections

    def _decode(
        self, stretch: Letterbox, queries: "_Queries", config: DetectionConfig, min_score: float
    ) -> Detections:
        """Return the persons among the queries of an image."""
        require_finite(queries.logits, queries.boxes)
        corners = torchvision.ops.box_convert(queries.boxes.float(), "cxcywh", "xyxy")
        scores, class_ids = self._read_scores(queries.logits.float(), config)
        likely = torch.nonzero(scores >= min_score)[:, 0]
        require_finite(queries.masks[likely])
        rows = likely[_select(corners[likely], scores[likely], queries.masks[likely], config)]
        boxes = corners[rows].cpu().numpy() * np.float32(stretch.network_wh[0])
        boxes_xyxy = stretch.boxes_to_image(boxes)
        masks = _decode_masks(stretch, queries.masks[rows].float(), boxes_xyxy)
        return Detections(
            boxes_xyxy, scores[rows].cpu().numpy(), class_ids[rows].cpu().numpy(), masks
        )

    def _make_input(self, image: RgbImage, side_px: int) -> torch.Tensor:
        """Return an input, resized and normalized as RfDetrImageProcessor does it."""
        pixels = torch.tensor(image, device=self.device).permute(2, 0, 1)[None].float() / 255
        resized = torch.nn.functional.interpolate(
            pixels, (side_px, side_px), mode="bilinear", align_corners=False
        )
        mean, std = (
            torch.tensor(values, device=self.device).reshape(3, 1, 1)
            for values in (self.network.mean, self.network.std)
        )
        return (resized - mean) / std

    def _read_scores(
        self, logits: torch.Tensor, config: DetectionConfig
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return score and class id (Q,) of each query as one of ``class_ids``."""
        probabilities = logits.sigmoid()
        _require_spare_queries(probabilities.max(dim=1).values, config)
        class_ids = torch.tensor(self.class_ids, device=logits.device)
        scores, best = probabilities[:, class_ids].max(dim=1)
        return scores, class_ids[best]


class _Queries(NamedTuple):
    """The answers of all queries about an image; see ``QueryNetwork``."""

    logits: torch.Tensor
    boxes: torch.Tensor
    masks: torch.Tensor


def _select(
    boxes_xyxy: torch.Tensor, scores: torch.Tensor, masks: torch.Tensor, config: DetectionConfig
) -> torch.Tensor:
    """Return the indices of the candidates that are persons of their own, sorted by score."""
    indices = torchvision.ops.nms(boxes_xyxy, scores, config.nms_iou)
    indices = add_hidden_persons(
        indices, boxes_xyxy, scores, lambda rows: [masks[rows] > 0], config.confidence
    )
    return limit_persons(indices, scores, config)


def _require_spare_queries(scores: torch.Tensor, config: DetectionConfig) -> None:
    """Raise SegmentationError if all queries hold something: further persons have none left.

    Args:
        scores: (Q,) best of all classes, since any of them takes up a query.
        config: thresholds.
    """
    if bool((scores >= config.confidence).all()):
        message = (
            f"all {len(scores)} queries of the network hold something; take weights with more "
            f"queries or detect.tiles, or raise detect.confidence = {config.confidence}"
        )
        raise SegmentationError(message)


def _decode_masks(
    stretch: Letterbox, logits: torch.Tensor, boxes_xyxy: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """Return the masks (N, H, W) of maps (N, h, w); boxes are added of which none is marked.

    Near the image's borders they are continued to them.
    """
    width_px, height_px = stretch.image_wh
    cell_px = stretch.get_cell_px(logits.shape[2], logits.shape[1])
    reach_px = get_reach_px(cell_px[0]), get_reach_px(cell_px[1])
    masks = np.zeros((len(logits), height_px, width_px), np.bool_)
    windows = {
        index: widen_to_borders(window, width_px, height_px, reach_px)
        for index, window in enumerate(_find_windows(logits, stretch))
        if not window.is_empty
    }
    parts = stretch.sample_masks(logits[[*windows]], [*windows.values()])
    for (index, window), part in zip(windows.items(), parts, strict=True):
        continue_to_borders(part, window, width_px, height_px, reach_px)
        masks[index][window.slices] = part
    for mask, box in zip(masks, boxes_xyxy, strict=True):
        inside = find_roi(box, width_px, height_px).slices
        mask[inside] |= not mask[inside].any()
    return masks


def _find_windows(logits: torch.Tensor, stretch: Letterbox) -> list[Roi]:
    """Return the pixels of the image to which the positive cells of maps (N, h, w) reach."""
    is_marked = logits > 0
    rows, columns = is_marked.any(dim=2).cpu().numpy(), is_marked.any(dim=1).cpu().numpy()
    width_px, height_px = stretch.image_wh
    spans = [
        (*_find_span(x, width_px), *_find_span(y, height_px))
        for x, y in zip(columns, rows, strict=True)
    ]
    return [Roi(x0, y0, x1, y1) for x0, x1, y0, y1 in spans]


def _find_span(is_marked: npt.NDArray[np.bool_], side_px: int) -> tuple[int, int]:
    """Return first and last pixel + 1 between which marked cells of an axis reach; 0, 0 if none."""
    cells = np.flatnonzero(is_marked)
    if not len(cells):
        return 0, 0
    # Interpolation reaches the centers of the next cells.
    pixels_per_cell = side_px / len(is_marked)
    start, stop = (cells[0] - 1) * pixels_per_cell, (cells[-1] + 2) * pixels_per_cell
    return max(math.floor(start), 0), min(math.ceil(stop), side_px)
