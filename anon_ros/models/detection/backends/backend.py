"""Interface between the segmenter and a detection network, and what the networks share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.errors import ModelError, SegmentationError


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

    @property
    def members(self) -> "Sequence[DetectionBackend]":
        """A back-end for each of ``detect.weights``."""
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


def find_class_ids(
    backend: DetectionBackend, wanted: Sequence[str], weights: Sequence[str], parameter: str
) -> list[int]:
    """Return the indices of the classes ``wanted``, by a parameter, among a back-end's.

    Args:
        backend: of ``weights``.
        wanted: names.
        weights: value of ``detect.weights``.
        parameter: the one that names the classes.

    Raises:
        ModelError: if no network has one of the classes; names the classes of each.
    """
    if unknown := ", ".join(sorted({*wanted} - {*backend.names.values()})):
        listing = [", ".join(dict.fromkeys(member.names.values())) for member in backend.members]
        message = f"{parameter}: {weights[0]} has no {unknown}; it has {listing[0]}"
        if len(weights) > 1:
            parts = "; ".join(f"{n} has {text}" for n, text in zip(weights, listing, strict=True))
            message = f"{parameter}: of detect.weights none has {unknown}; {parts}"
        raise ModelError(message)
    return [index for index, name in backend.names.items() if name in wanted]


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
