"""Instance segmentation of persons with YOLO (arXiv 2410.08551, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.images import stretch_dim
from anon_ros.models.detection.letterbox import Letterbox
from anon_ros.models.detection.yolo import DetectorNetwork, load_yolo
from anon_ros.models.device import resolve_device
from anon_ros.models.weights.locate import find_weights

# Between two looks at a dim scene the worse outline often has the better score: both are replaced.
_SAME_IN_LOOKS_IOU = 0.9


@dataclass(frozen=True)
class YoloSegmenter:
    """A Segmenter over a YOLO network, tuned for recall.

    A candidate's score is its best among ``class_ids``, even if another class scores higher. A
    person whose mask is empty gets the full box as mask.

    Attributes:
        network: on ``device``.
        class_ids: indices of the classes that count as a person.
        config: thresholds.
        device: where the network is.
        min_confidence: also return weak candidates down to this score, at most
            ``config.max_persons`` in total; None for persons alone.
    """

    network: DetectorNetwork
    class_ids: Sequence[int]
    config: DetectionConfig
    device: torch.device
    min_confidence: float | None = None

    @classmethod
    def load(cls, config: DetectionConfig, device: str) -> "YoloSegmenter":
        """Load ``config.weights`` on the device of that name.

        Raises:
            ModelError: if the weights are missing, damaged or lack a class, or the device is
                missing.
        """
        path = find_weights(config.weights)
        torch_device = resolve_device(device)
        network = load_yolo(path, torch_device)
        return cls(network, find_class_ids(network, config.classes, path), config, torch_device)

    def with_thresholds(
        self, config: DetectionConfig, min_confidence: float | None
    ) -> "YoloSegmenter":
        """Return the same network with all settings but weights and classes from ``config``."""
        return replace(self, config=config, min_confidence=min_confidence)

    def segment(self, image: RgbImage) -> Detections:
        """Return every person of ``image``, with masks (N, H, W) at its full resolution.

        A scene of low contrast, or a dark one, is searched stretched, too.

        Raises:
            SegmentationError: if the network's output is not finite or reaches ``max_persons``.
        """
        looks = [self._search(picture) for picture in (image, *stretch_dim(image))]
        return looks[0] if len(looks) == 1 else self._merge(looks)

    def _search(self, image: RgbImage) -> Detections:
        height_px, width_px = image.shape[:2]
        letterbox = Letterbox.plan(
            (width_px, height_px), self.config.inference_px, self.network.stride_px
        )
        pixels = torch.from_numpy(letterbox.apply(image)).to(self.device)
        with torch.inference_mode():
            candidates, prototypes = self.network(pixels.permute(2, 0, 1)[None].float() / 255)
            _require_finite(candidates, prototypes)
            boxes, scores, classes, coefficients = self._select(candidates.float())
            boxes_xyxy = letterbox.boxes_to_image(boxes.cpu().numpy())
            windows = [_find_roi(box, width_px, height_px) for box in boxes_xyxy]
            masks = np.zeros((len(windows), height_px, width_px), np.bool_)
            for index, window in enumerate(windows):
                masks[index][window.slices] = (
                    True
                    if prototypes is None
                    else _decode_mask(letterbox, coefficients[index], prototypes.float(), window)
                )
        return Detections(boxes_xyxy, scores.cpu().numpy(), classes.cpu().numpy(), masks)

    def _select(self, candidates: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return boxes (N, 4) xyxy of the network's input, scores, class ids, mask coefficients.

        Args:
            candidates: (4 + classes + K, M), as ``DetectorNetwork`` returns them.
        """
        first_coefficient = 4 + len(self.network.names)
        class_ids = torch.tensor(self.class_ids, device=candidates.device)
        scores, best = candidates[4:first_coefficient][class_ids].max(dim=0)
        confidence = self.config.confidence
        likely = scores >= (confidence if self.min_confidence is None else self.min_confidence)
        rows = candidates.T[likely]
        boxes = torchvision.ops.box_convert(rows[:, :4], "cxcywh", "xyxy")
        # Across classes, so that a person detected as two classes stays one person.
        indices = torchvision.ops.nms(boxes, scores[likely], self.config.nms_iou)
        indices = self._limit(indices, scores[likely])
        selected = boxes, scores[likely], class_ids[best[likely]], rows[:, first_coefficient:]
        return tuple(values[indices] for values in selected)

    def _merge(self, looks: Sequence[Detections]) -> Detections:
        """Return the persons of several looks at an image, each once if they agree."""
        fields = zip(*(vars(look).values() for look in looks), strict=True)
        boxes, scores, class_ids, masks = (np.concatenate(values) for values in fields)
        same_iou = max(self.config.nms_iou, _SAME_IN_LOOKS_IOU)
        indices = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), same_iou)
        rows = self._limit(indices, torch.from_numpy(scores)).numpy()
        return Detections(boxes[rows], scores[rows], class_ids[rows], masks[rows])

    def _limit(self, indices: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the first ``max_persons`` of ``indices``, which are sorted by score.

        Raises:
            SegmentationError: if all of those are persons: there may be more.
        """
        confidence, max_persons = self.config.confidence, self.config.max_persons
        num_persons = int((scores[indices] >= confidence).sum())
        if num_persons >= max_persons:
            message = (
                f"{num_persons} persons reach detect.max_persons = {max_persons}; raise it, or "
                f"detect.confidence = {confidence}"
            )
            raise SegmentationError(message)
        return indices[:max_persons]


def find_class_ids(network: DetectorNetwork, names: Sequence[str], path: Path) -> list[int]:
    """Return the indices of the classes of these names.

    Raises:
        ModelError: if the network, which was loaded from ``path``, lacks a class.
    """
    ids = {name: index for index, name in network.names.items()}
    if unknown := sorted(set(names) - ids.keys()):
        message = f"detect.classes: {path} has no {', '.join(unknown)}; it has {', '.join(ids)}"
        raise ModelError(message)
    return [ids[name] for name in names]


def _require_finite(candidates: torch.Tensor, prototypes: torch.Tensor | None) -> None:
    for values in (candidates, prototypes):
        if values is not None and not torch.isfinite(values).all():
            message = "the segmentation network returned NaN or infinity; check detect.weights"
            raise SegmentationError(message)


def _find_roi(box_xyxy: npt.NDArray[np.float32], width_px: int, height_px: int) -> Roi:
    """Return the pixels that a box touches: inside the image, and at least one pixel."""
    roi = Roi.from_box_xyxy(box_xyxy)
    left, top = min(roi.x0, width_px - 1), min(roi.y0, height_px - 1)
    return Roi(left, top, max(roi.x1, left + 1), max(roi.y1, top + 1))


def _decode_mask(
    letterbox: Letterbox, coefficients: torch.Tensor, prototypes: torch.Tensor, window: Roi
) -> npt.NDArray[np.bool_]:
    """Return the person's pixels in its box; all of them if the network marks none."""
    logits = torch.tensordot(coefficients, prototypes, dims=1)
    mask = (letterbox.sample(logits, window) > 0).cpu().numpy()
    return np.asarray(mask if mask.any() else np.ones_like(mask))
