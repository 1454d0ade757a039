"""Search for persons with an RF-DETR network (arXiv 2511.09554)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.models.detection.backend import (
    find_class_ids,
    find_roi,
    limit_persons,
    require_finite,
)
from anon_ros.models.detection.letterbox import Letterbox
from anon_ros.models.detection.rfdetr import QueryNetwork, load_rfdetr
from anon_ros.models.device import resolve_device
from anon_ros.models.weights.locate import find_weights

# The network itself suppresses duplicates: of two boxes that overlap by less, both are persons.
_DUPLICATE_IOU = 0.9


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
    def load(cls, config: DetectionConfig, device: str) -> "RfDetrBackend":
        """Load ``config.weights`` on the device of that name.

        Raises:
            ModelError: if the weights are missing, damaged or lack a class,
                ``config.inference_px`` is too small for them, or the device is missing.
        """
        directory = find_weights(config.weights)
        torch_device = resolve_device(device)
        network = load_rfdetr(directory, torch_device)
        network.plan_side_px(config.inference_px)
        return cls(network, find_class_ids(network.names, config.classes, directory), torch_device)

    def search(self, image: RgbImage, config: DetectionConfig, min_score: float) -> Detections:
        """Return the persons of ``image``; see ``DetectionBackend``."""
        height_px, width_px = image.shape[:2]
        stretch = self._plan(image, config)
        with torch.inference_mode():
            logits, boxes, masks = self.network(self._make_input(image, stretch))
            require_finite(logits, boxes)
            rows, scores, class_ids = self._select(logits.float(), boxes.float(), config, min_score)
            masks = masks[rows].float()
            require_finite(masks)
            corners = torchvision.ops.box_convert(boxes[rows].float(), "cxcywh", "xyxy")
            side_px = stretch.network_wh[0]
            boxes_xyxy = stretch.boxes_to_image(corners.cpu().numpy() * np.float32(side_px))
            decoded = np.zeros((len(rows), height_px, width_px), np.bool_)
            windows = _find_windows(masks, stretch)
            for mask, logit, window, box in zip(decoded, masks, windows, boxes_xyxy, strict=True):
                if not window.is_empty:
                    mask[window.slices] = (stretch.sample(logit, window) > 0).cpu().numpy()
                _require_pixel(mask, find_roi(box, width_px, height_px))
        return Detections(boxes_xyxy, scores.cpu().numpy(), class_ids.cpu().numpy(), decoded)

    def _plan(self, image: RgbImage, config: DetectionConfig) -> Letterbox:
        try:
            side_px = self.network.plan_side_px(config.inference_px)
        except ModelError as error:  # a running node accepts another inference_px
            raise SegmentationError(str(error)) from error
        return Letterbox.stretch((image.shape[1], image.shape[0]), side_px)

    def _make_input(self, image: RgbImage, stretch: Letterbox) -> torch.Tensor:
        """Return the network's input, resized and normalized as RfDetrImageProcessor does it."""
        pixels = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255
        resized = torch.nn.functional.interpolate(
            pixels, stretch.network_wh[::-1], mode="bilinear", align_corners=False
        )
        mean, std = (
            torch.tensor(values, device=self.device).reshape(3, 1, 1)
            for values in (self.network.mean, self.network.std)
        )
        return (resized - mean) / std

    def _select(
        self,
        logits: torch.Tensor,
        boxes: torch.Tensor,
        config: DetectionConfig,
        min_score: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return query, score and class id of each candidate, the best score first.

        Args:
            logits: (Q, C).
            boxes: (Q, 4) center x, center y, width, height.
            config: thresholds.
            min_score: of a candidate.
        """
        probabilities = logits.sigmoid()
        _require_spare_queries(probabilities.max(dim=1).values, config)
        class_ids = torch.tensor(self.class_ids, device=logits.device)
        scores, best = probabilities[:, class_ids].max(dim=1)
        likely = torch.nonzero(scores >= min_score)[:, 0]
        corners = torchvision.ops.box_convert(boxes[likely], "cxcywh", "xyxy")
        same_iou = max(config.nms_iou, _DUPLICATE_IOU)
        indices = torchvision.ops.nms(corners, scores[likely], same_iou)
        rows = likely[limit_persons(indices, scores[likely], config)]
        return rows, scores[rows], class_ids[best[rows]]


def _require_spare_queries(scores: torch.Tensor, config: DetectionConfig) -> None:
    """Raise SegmentationError if all queries hold something: further persons have none left.

    Args:
        scores: (Q,) best of all classes, since any of them takes up a query.
        config: thresholds.
    """
    if bool((scores >= config.confidence).all()):
        message = (
            f"all {len(scores)} queries of the network hold something; take weights with more "
            f"queries, or raise detect.confidence = {config.confidence}"
        )
        raise SegmentationError(message)


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


def _require_pixel(mask: npt.NDArray[np.bool_], box: Roi) -> None:
    """Set all of a box in ``mask``, (H, W), if none of it is set."""
    if not mask[box.slices].any():
        mask[box.slices] = True
