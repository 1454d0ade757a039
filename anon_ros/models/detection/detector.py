"""Detection of person boxes, as the evaluation of a detector needs them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import RgbImage
from anon_ros.models.detection.backends.ensemble import load_backend
from anon_ros.models.detection.backends.yolo import DetectorNetwork
from anon_ros.models.detection.backends.yolo_backend import YoloBackend
from anon_ros.models.detection.segmenter import PersonSegmenter

# The settings with which Ultralytics and COCO evaluate: the hundred best boxes, weak ones included.
_MIN_CONFIDENCE = 0.001
_NMS_IOU = 0.7
_MAX_DETECTIONS = 100


@dataclass(frozen=True)
class _BoxesOnly:
    network: DetectorNetwork

    @property
    def names(self) -> Mapping[int, str]:
        return self.network.names

    @property
    def stride_px(self) -> int:
        return self.network.stride_px

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.network(batch)[0], None


@dataclass(frozen=True)
class PersonDetector:
    """A detector of boxes with scores from 0.001 on.

    Attributes:
        segmenter: used for its boxes only.
    """

    segmenter: PersonSegmenter

    @classmethod
    def load(cls, config: DetectionConfig, device: str) -> "PersonDetector":
        """Load ``config.weights``; its thresholds are not used.

        Raises:
            ModelError: if the weights are missing, damaged or lack a class, or the device is
                missing.
        """
        backend = load_backend(config, device, needs_masks=False)
        if isinstance(backend, YoloBackend):  # several are joined by their masks
            backend = replace(backend, network=_BoxesOnly(backend.network))
        # max_persons boxes above the confidence would raise; none reaches a confidence of 1.
        settings = replace(
            config, confidence=1.0, nms_iou=_NMS_IOU, max_persons=_MAX_DETECTIONS, tiles="off"
        )
        return cls(PersonSegmenter(backend, settings, _MIN_CONFIDENCE))

    def detect(self, image: RgbImage) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return boxes (N, 4) xyxy in px of ``image`` and their scores (N,), at most 100.

        Raises:
            SegmentationError: if the network's output is not finite.
        """
        detections = self.segmenter.segment(image)
        return detections.boxes_xyxy.astype(np.float64), detections.scores.astype(np.float64)
