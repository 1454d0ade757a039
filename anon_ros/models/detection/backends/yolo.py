"""Loader of Ultralytics weights as a plain network."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import torch

from anon_ros.errors import ModelError
from anon_ros.models.weights.offline import disable_network_access

_LOG = logging.getLogger(__name__)


class DetectorNetwork(Protocol):
    """A detector before non-maximum suppression."""

    @property
    def names(self) -> Mapping[int, str]:
        """Class names by index."""
        ...

    @property
    def stride_px(self) -> int:
        """The number of which both sides of its input are multiples."""
        ...

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run on images of one size.

        Args:
            batch: (B, 3, h, w) float RGB in 0..1.

        Returns:
            Candidates (B, 4 + classes + K, M): center x, center y, width and height in px of the
            input, a score per class, K mask coefficients; and the K mask prototypes
            (B, K, h', w') of the whole input, None for a detector without masks.
        """
        ...


@dataclass(frozen=True)
class Candidates:
    """Candidates of one image.

    Attributes:
        boxes_xyxy: (M, 4), px of the network's input.
        scores: (M,).
        class_ids: (M,).
        coefficients: (M, K) of their masks.
    """

    boxes_xyxy: torch.Tensor
    scores: torch.Tensor
    class_ids: torch.Tensor
    coefficients: torch.Tensor

    def take(self, indices: torch.Tensor) -> "Candidates":
        """Return those of some indices, or those that are True."""
        return Candidates(*(values[indices] for values in vars(self).values()))


@dataclass(frozen=True)
class YoloNetwork:
    """An Ultralytics model in its export form, whose outputs are the same in all versions."""

    model: torch.nn.Module
    names: Mapping[int, str]
    stride_px: int

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run on images of one size; see ``DetectorNetwork``."""
        output = self.model(batch)
        candidates, prototypes = output if isinstance(output, tuple) else (output, None)
        return candidates, prototypes


def load_yolo(path: Path, device: torch.device, *, needs_masks: bool = True) -> YoloNetwork:
    """Load segmentation or detection weights. They are a pickle: load only what you trust.

    Args:
        path: the weights.
        device: to run on.
        needs_masks: warn if the weights have none.

    Raises:
        ModelError: if the file does not hold such weights.
    """
    if path.suffix != ".pt":
        message = f"detect.weights: {path} is no .pt file; exported models are not supported"
        raise ModelError(message)
    yolo = _load(path)
    if yolo.task not in {"segment", "detect"}:
        message = f"detect.weights: {path} is for {yolo.task}; take segmentation weights (-seg)"
        raise ModelError(message)
    if needs_masks and yolo.task == "detect":
        _LOG.warning("%s has no masks: the whole box of all that it finds is replaced", path)
    model = yolo.model
    head = model.model[-1]
    # All candidates are needed: an end-to-end head drops a person whom another class outscores,
    # and stops at its own number of detections.
    head.end2end = False
    head.export = True
    model.fuse(verbose=False)
    if head.end2end:
        message = f"detect.weights: {path} has an end-to-end head only; take weights before fusion"
        raise ModelError(message)
    model.eval().requires_grad_(requires_grad=False).to(device)
    return YoloNetwork(model, dict(yolo.names), int(model.stride.max()))


def _load(path: Path) -> Any:
    disable_network_access()
    opencv_threads = cv2.getNumThreads()
    try:
        from ultralytics import YOLO  # noqa: PLC0415 - only after the switches are set
    except ModuleNotFoundError as error:
        message = (
            f"detect.weights: {path} needs the package ultralytics (AGPL-3.0): pip install "
            f"ultralytics; or take RF-DETR weights, which do not"
        )
        raise ModelError(message) from error
    try:
        return YOLO(path)
    except Exception as error:
        message = f"detect.weights: {path} cannot be loaded: {' '.join(str(error).split())}"
        raise ModelError(message) from error
    finally:
        cv2.setNumThreads(opencv_threads)  # Ultralytics turns them off for the whole process
