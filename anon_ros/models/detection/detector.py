"""Boxes of persons, as a detector is judged by them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import RgbImage
from anon_ros.models.detection.segmenter import YoloSegmenter, find_class_ids
from anon_ros.models.detection.yolo import DetectorNetwork, load_yolo
from anon_ros.models.device import resolve_device
from anon_ros.models.weights.locate import find_weights

# As Ultralytics and COCO judge: the hundred best boxes, and even those that are hardly likely.
_CONFIDENCE = 0.001
_IOU = 0.7
_MOST = 100


@dataclass(frozen=True)
class _WithoutMasks:
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
    """Finds boxes, with scores from 0.001 on.

    Attributes:
        segmenter: whose masks nobody reads.
    """

    segmenter: YoloSegmenter

    @classmethod
    def load(cls, config: DetectionConfig, device: str) -> "PersonDetector":
        """Load ``config.weights``; its thresholds are not used.

        Raises:
            ModelError: if the weights are missing, damaged or lack a class, or the device is not
                there.
        """
        path = find_weights(config.weights)
        where = resolve_device(device)
        network = load_yolo(path, where, needs_masks=False)
        ids = find_class_ids(network, config.classes, path)
        # "Persons" beyond the most would be an error; at a confidence of 1 there are none.
        most = replace(config, confidence=1.0, nms_iou=_IOU, max_persons=_MOST)
        return cls(YoloSegmenter(_WithoutMasks(network), ids, most, where, _CONFIDENCE))

    def detect(self, image: RgbImage) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Boxes (N, 4) xyxy in px of ``image``, and their scores (N,), at most 100.

        Raises:
            SegmentationError: if the network's answer is not finite.
        """
        found = self.segmenter.segment(image)
        return found.boxes_xyxy.astype(np.float64), found.scores.astype(np.float64)
