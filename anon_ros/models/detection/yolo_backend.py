"""Search for persons with a YOLO network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torchvision  # type: ignore[import-untyped]  # ships no types

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.models.detection.backend import (
    find_class_ids,
    find_roi,
    limit_persons,
    require_finite,
)
from anon_ros.models.detection.letterbox import Letterbox
from anon_ros.models.detection.yolo import DetectorNetwork, load_yolo
from anon_ros.models.device import resolve_device
from anon_ros.models.weights.locate import find_weights


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
    def load(
        cls, config: DetectionConfig, device: str, *, needs_masks: bool = True
    ) -> "YoloBackend":
        """Load ``config.weights`` on the device of that name; warn if they lack needed masks.

        Raises:
            ModelError: if the weights are missing, damaged or lack a class, or the device is
                missing.
        """
        path = find_weights(config.weights)
        torch_device = resolve_device(device)
        network = load_yolo(path, torch_device, needs_masks=needs_masks)
        return cls(network, find_class_ids(network.names, config.classes, path), torch_device)

    def search(self, image: RgbImage, config: DetectionConfig, min_score: float) -> Detections:
        """Return the persons of ``image``; see ``DetectionBackend``."""
        height_px, width_px = image.shape[:2]
        letterbox = Letterbox.plan(
            (width_px, height_px), config.inference_px, self.network.stride_px
        )
        pixels = torch.from_numpy(letterbox.apply(image)).to(self.device)
        with torch.inference_mode():
            candidates, prototypes = self.network(pixels.permute(2, 0, 1)[None].float() / 255)
            require_finite(candidates, prototypes)
            boxes, scores, classes, coefficients = self._select(
                candidates.float(), config, min_score
            )
            boxes_xyxy = letterbox.boxes_to_image(boxes.cpu().numpy())
            windows = [find_roi(box, width_px, height_px) for box in boxes_xyxy]
            masks = np.zeros((len(windows), height_px, width_px), np.bool_)
            for index, window in enumerate(windows):
                masks[index][window.slices] = (
                    True
                    if prototypes is None
                    else _decode_mask(letterbox, coefficients[index], prototypes.float(), window)
                )
        return Detections(boxes_xyxy, scores.cpu().numpy(), classes.cpu().numpy(), masks)

    def _select(
        self, candidates: torch.Tensor, config: DetectionConfig, min_score: float
    ) -> tuple[torch.Tensor, ...]:
        """Return boxes (N, 4) xyxy of the network's input, scores, class ids, mask coefficients.

        Args:
            candidates: (4 + classes + K, M), as ``DetectorNetwork`` returns them.
            config: thresholds.
            min_score: of a candidate.
        """
        first_coefficient = 4 + len(self.network.names)
        class_ids = torch.tensor(self.class_ids, device=candidates.device)
        scores, best = candidates[4:first_coefficient][class_ids].max(dim=0)
        likely = scores >= min_score
        rows = candidates.T[likely]
        boxes = torchvision.ops.box_convert(rows[:, :4], "cxcywh", "xyxy")
        # Across classes, so that a person detected as two classes stays one person.
        indices = torchvision.ops.nms(boxes, scores[likely], config.nms_iou)
        indices = limit_persons(indices, scores[likely], config)
        selected = boxes, scores[likely], class_ids[best[likely]], rows[:, first_coefficient:]
        return tuple(values[indices] for values in selected)


def _decode_mask(
    letterbox: Letterbox, coefficients: torch.Tensor, prototypes: torch.Tensor, window: Roi
) -> npt.NDArray[np.bool_]:
    """Return the person's pixels in its box; all of them if the network marks none."""
    logits = torch.tensordot(coefficients, prototypes, dims=1)
    mask = (letterbox.sample(logits, window) > 0).cpu().numpy()
    return np.asarray(mask if mask.any() else np.ones_like(mask))
