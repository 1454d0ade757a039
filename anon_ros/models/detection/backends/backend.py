"""Interface between the segmenter and a detection network, and what the networks share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.models.weights.detector_format import choose_backend
from anon_ros.models.weights.locate import find_weights


class DetectionBackend(Protocol):
    """A network that finds persons in pictures."""

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        ...

    @property
    def names(self) -> Mapping[int, str]:
        """The network's classes by index."""
        ...

    def with_classes(self, class_ids: Sequence[int]) -> "DetectionBackend":
        """Return the same network, searching for other classes."""
        ...

    def search(
        self, images: Sequence[RgbImage], config: DetectionConfig, min_score: float
    ) -> list[Detections]:
        """Return the persons of each image, with masks (N, H, W) at its full resolution.

        Args:
            images: (H, W, 3) uint8 RGB each, of any sizes.
            config: thresholds.
            min_score: also return weak candidates down to this score, at most
                ``config.max_persons`` in total.

        Raises:
            SegmentationError: if the network's output is not finite, or it may have found more
                persons than it can return.
        """
        ...


def load_backend(
    config: DetectionConfig, device: str, *, needs_masks: bool = True
) -> DetectionBackend:
    """Load ``config.weights`` with ``config.backend``, on the device of that name.

    Args:
        config: weights, their classes and back-end.
        device: to run on.
        needs_masks: warn if the weights have none.

    Raises:
        ModelError: if the weights are missing, damaged, of another back-end or lack a class, or
            the device is missing.
    """
    # Imported here: they import this file, and each its own large library.
    if choose_backend(config.backend, find_weights(config.weights)) == "rfdetr":
        from anon_ros.models.detection.backends.rfdetr_backend import RfDetrBackend  # noqa: PLC0415

        return RfDetrBackend.load(config, device)
    from anon_ros.models.detection.backends.yolo_backend import YoloBackend  # noqa: PLC0415

    return YoloBackend.load(config, device, needs_masks=needs_masks)


def find_class_ids(
    names: Mapping[int, str], wanted: Sequence[str], path: Path, parameter: str = "detect.classes"
) -> list[int]:
    """Return the indices of the classes ``wanted``, by a parameter, among a network's.

    Raises:
        ModelError: if the network, which was loaded from ``path``, lacks a class.
    """
    ids = {name: index for index, name in names.items()}
    if unknown := sorted(set(wanted) - ids.keys()):
        message = f"{parameter}: {path} has no {', '.join(unknown)}; it has {', '.join(ids)}"
        raise ModelError(message)
    return [ids[name] for name in wanted]


def require_finite(*outputs: torch.Tensor | None) -> None:
    """Raise SegmentationError if a value is NaN or infinite."""
    for values in outputs:
        if values is not None and not torch.isfinite(values).all():
            message = "the segmentation network returned NaN or infinity; check detect.weights"
            raise SegmentationError(message)


def limit_persons(
    indices: torch.Tensor, scores: torch.Tensor, config: DetectionConfig
) -> torch.Tensor:
    """Return the first ``max_persons`` of ``indices`` into ``scores``, sorted by score.

    Raises:
        SegmentationError: if all of those are persons: there may be more.
    """
    confidence, max_persons = config.confidence, config.max_persons
    num_persons = int((scores[indices] >= confidence).sum())
    if num_persons >= max_persons:
        message = (
            f"{num_persons} persons reach detect.max_persons = {max_persons}; raise it, or "
            f"detect.confidence = {confidence}"
        )
        raise SegmentationError(message)
    return indices[:max_persons]


def find_roi(box_xyxy: npt.NDArray[np.float32], width_px: int, height_px: int) -> Roi:
    """Return the pixels that a box touches: inside the image, and at least one pixel."""
    roi = Roi.from_box_xyxy(box_xyxy)
    left, top = min(roi.x0, width_px - 1), min(roi.y0, height_px - 1)
    return Roi(left, top, max(roi.x1, left + 1), max(roi.y1, top + 1))


def choose_batch_size(device: torch.device, size_on_gpu: int) -> int:
    """Return the number of pictures in a call: 1 on the CPU, where more only take memory."""
    return size_on_gpu if device.type == "cuda" else 1


def iter_batches(indices: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield lists of at most ``size`` of ``indices``, in their order."""
    remaining = iter(indices)
    while batch := list(islice(remaining, size)):
        yield batch
