"""Search for persons with a YOLO network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, Mask, RgbImage, Roi
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
from anon_ros.models.detection.backends.crowds import add_hidden_persons, fill_boxes
from anon_ros.models.detection.backends.letterbox import Letterbox
from anon_ros.models.detection.backends.yolo import Candidates, DetectorNetwork, load_yolo
from anon_ros.models.device import resolve_device

_MAX_BATCH_ON_GPU = 32  # pictures in a call
_MASK_BATCH = 256  # masks at a time


@dataclass(frozen=True)
class YoloBackend:
    """A DetectionBackend over a YOLO network, tuned for recall.

    A candidate's score is its best among ``class_ids``, even if another class scores higher. A
    person whose mask is empty gets the full box as mask.

    Attributes:
        network: on ``device``.
        class_ids: indices of the classes that count as a person.
        device: where the network is.
    """

    network: DetectorNetwork
    class_ids: Sequence[int]
    device: torch.device

    @classmethod
    def load(cls, path: Path, device: str, *, needs_masks: bool = True) -> "YoloBackend":
        """Load weights on the device of that name, without classes to search for.

        Warns if they lack needed masks.

        Raises:
            ModelError: if the weights are damaged, or the device is missing.
        """
        torch_device = resolve_device(device)
        return cls(load_yolo(path, torch_device, needs_masks=needs_masks), [], torch_device)

    @property
    def members(self) -> "tuple[YoloBackend]":
        """The back-end alone."""
        return (self,)

    @property
    def names(self) -> Mapping[int, str]:
        """The network's classes by index."""
        return self.network.names

    def with_classes(self, class_ids: Sequence[int]) -> "YoloBackend":
        """Return the same network, searching for other classes."""
        return replace(self, class_ids=class_ids)

    def search(
        self, images: Sequence[RgbImage], config: DetectionConfig, min_score: float
    ) -> list[Detections]:
        """Return the persons of each image; see ``DetectionBackend``."""
        detections: dict[int, Detections] = {}
        letterboxes = [self._plan(image, config) for image in images]
        indices = sorted(range(len(images)), key=lambda index: letterboxes[index].network_wh)
        for _, group in groupby(indices, key=lambda index: letterboxes[index].network_wh):
            for part in iter_batches(group, choose_batch_size(self.device, _MAX_BATCH_ON_GPU)):
                inputs = np.stack([letterboxes[index].apply(images[index]) for index in part])
                with torch.inference_mode():
                    for index, output in zip(part, self._run(inputs), strict=True):
                        detections[index] = self._decode(
                            letterboxes[index], *output, config, min_score
                        )
        return [detections[index] for index in range(len(images))]

    def _plan(self, image: RgbImage, config: DetectionConfig) -> Letterbox:
        height_px, width_px = image.shape[:2]
        return Letterbox.plan((width_px, height_px), config.inference_px, self.network.stride_px)

    def _run(
        self, inputs: npt.NDArray[np.uint8]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Yield candidates and prototypes of each input, (B, h, w, 3)."""
        pixels = torch.from_numpy(inputs).to(self.device)
        candidates, prototypes = self.network(pixels.permute(0, 3, 1, 2).float() / 255)
        require_finite(candidates, prototypes)
        for index, rows in enumerate(candidates):
            yield rows.float(), None if prototypes is None else prototypes[index].float()

    def _decode(
        self,
        letterbox: Letterbox,
        candidates: torch.Tensor,
        prototypes: torch.Tensor | None,
        config: DetectionConfig,
        min_score: float,
    ) -> Detections:
        """Return the persons among the rows (4 + classes + K, M) of ``DetectorNetwork``."""
        width_px, height_px = letterbox.image_wh
        likely = self._read_candidates(candidates, min_score)
        selected = likely.take(_select(likely, prototypes, letterbox, config))
        boxes_xyxy = letterbox.boxes_to_image(selected.boxes_xyxy.cpu().numpy())
        windows = [find_roi(box, width_px, height_px) for box in boxes_xyxy]
        if prototypes is None:
            parts = [(w, np.ones((w.height_px, w.width_px), np.bool_)) for w in windows]
        else:
            parts = _decode_masks(letterbox, selected.coefficients, prototypes, windows)
        masks = np.zeros((len(windows), height_px, width_px), np.bool_)
        for mask, (window, part) in zip(masks, parts, strict=True):
            mask[window.slices] = part
        scores, class_ids = selected.scores.cpu().numpy(), selected.class_ids.cpu().numpy()
        return Detections(boxes_xyxy, scores, class_ids, masks)

    def _read_candidates(self, rows: torch.Tensor, min_score: float) -> Candidates:
        """Return the candidates that score enough as one of ``class_ids``."""
        first_coefficient = 4 + len(self.network.names)
        class_ids = torch.tensor(self.class_ids, device=rows.device)
        scores, best = rows[4:first_coefficient][class_ids].max(dim=0)
        boxes_xyxy = torchvision.ops.box_convert(rows[:4].T, "cxcywh", "xyxy")
        candidates = Candidates(boxes_xyxy, scores, class_ids[best], rows[first_coefficient:].T)
        return candidates.take(scores >= min_score)


def _select(
    candidates: Candidates,
    prototypes: torch.Tensor | None,
    letterbox: Letterbox,
    config: DetectionConfig,
) -> torch.Tensor:
    """Return the indices of the candidates that are persons of their own, sorted by score."""
    boxes_xyxy, scores = candidates.boxes_xyxy, candidates.scores
    # Across classes, so that a person detected as two classes stays one person.
    indices = torchvision.ops.nms(boxes_xyxy, scores, config.nms_iou)
    if prototypes is not None:
        width_px, height_px = letterbox.network_wh
        cell_px = width_px / prototypes.shape[2], height_px / prototypes.shape[1]

        def iter_masks(rows: torch.Tensor) -> Iterator[torch.Tensor]:
            for part in torch.split(rows, _MASK_BATCH):
                masks = torch.tensordot(candidates.coefficients[part], prototypes, dims=1) > 0
                yield masks & fill_boxes(boxes_xyxy[part], masks, cell_px)

        indices = add_hidden_persons(indices, boxes_xyxy, scores, iter_masks, config.confidence)
    return limit_persons(indices, scores, config)


def _decode_masks(
    letterbox: Letterbox, coefficients: torch.Tensor, prototypes: torch.Tensor, boxes: list[Roi]
) -> list[tuple[Roi, Mask]]:
    """Return each person's pixels in their box; all of the box if the network marks none.

    Near the image's borders box and mask are continued to them.
    """
    cell_px = letterbox.get_cell_px(prototypes.shape[2], prototypes.shape[1])
    reach_px = get_reach_px(cell_px[0]), get_reach_px(cell_px[1])
    windows = [widen_to_borders(box, *letterbox.image_wh, reach_px) for box in boxes]
    logits = torch.tensordot(coefficients, prototypes, dims=1)
    masks = []
    for window, mask in zip(windows, letterbox.sample_masks(logits, windows), strict=True):
        continue_to_borders(mask, window, *letterbox.image_wh, reach_px)
        masks.append((window, mask if mask.any() else np.ones_like(mask)))
    return masks
