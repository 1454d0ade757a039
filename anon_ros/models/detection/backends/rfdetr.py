"""Loader of RF-DETR weights in the format of transformers (arXiv 2511.09554)."""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from anon_ros.errors import ModelError
from anon_ros.models.weights.detector_format import RFDETR_MODEL_TYPE, read_model_config
from anon_ros.models.weights.offline import disable_network_access

_IMAGENET_MEAN = 0.485, 0.456, 0.406
_IMAGENET_STD = 0.229, 0.224, 0.225
_BACKBONE_TYPE = "rf_detr_dinov2"


class QueryNetwork(Protocol):
    """A detector with a fixed number of queries, each of which answers with a box and a mask."""

    @property
    def names(self) -> Mapping[int, str]:
        """Class names by index."""
        ...

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of the channels R, G, B in 0..1, which is subtracted from the input."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of the channels, by which the input is divided then."""
        ...

    def plan_side_px(self, inference_px: int) -> int:
        """Return the side of its square input: ``inference_px`` or the next larger that it can.

        Raises:
            ModelError: if that is too small for its queries.
        """
        ...

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run on images of one size.

        Args:
            batch: (B, 3, side, side) float RGB, normalized.

        Returns:
            Class logits (B, Q, C); boxes (B, Q, 4), center x, center y, width and height in 0..1
            of the input; and mask logits (B, Q, h', w') of the whole input.
        """
        ...


@dataclass(frozen=True)
class RfDetrNetwork:
    """An RfDetrForInstanceSegmentation of transformers; see ``QueryNetwork``."""

    model: Any
    names: Mapping[int, str]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def plan_side_px(self, inference_px: int) -> int:
        """Return the side of the input: whole windows of whole patches."""
        backbone, num_queries = self.model.config.backbone_config, self.model.config.num_queries
        step_px = int(backbone.patch_size * backbone.num_windows)
        side_px = math.ceil(inference_px / step_px) * step_px
        # Each query begins at a patch of its own.
        min_px = math.ceil(math.ceil(math.sqrt(num_queries)) / backbone.num_windows) * step_px
        if side_px < min_px:
            message = (
                f"detect.inference_px: {inference_px} px are too few for the {num_queries} queries "
                f"of these weights; take {min_px} or more"
            )
            raise ModelError(message)
        return side_px

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run on images of one size; see ``QueryNetwork``."""
        output = self.model(batch)
        return output.logits, output.pred_boxes, output.pred_masks


def load_rfdetr(directory: Path, device: torch.device) -> RfDetrNetwork:
    """Load instance segmentation weights from config.json and .safetensors files.

    Nothing else of the directory is read, and of config.json only the fields of the architecture:
    no code, pickle, adapter or kernel that it may name.

    Args:
        directory: of the model.
        device: to run on.

    Raises:
        ModelError: if it does not hold such weights, or holds them in part.
    """
    disable_network_access()
    # torchao, which transformers imports if it is installed, makes torch warn of a deprecation.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    try:
        mean, std = _read_normalization(directory)
        model = _load_model(directory)
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        message = f"detect.weights: {directory} cannot be loaded: {reason}"
        raise ModelError(message) from error
    model.eval().requires_grad_(requires_grad=False).to(device)
    return RfDetrNetwork(model, dict(model.config.id2label), mean, std)


def _load_model(directory: Path) -> Any:
    import transformers  # noqa: PLC0415 - only after the switches are set
    from safetensors.torch import load_file  # noqa: PLC0415

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config = _make_config(directory)
    state: dict[str, torch.Tensor] = {}
    for file in sorted(directory.glob("*.safetensors")):
        state |= load_file(file)
    if not state:
        message = f"detect.weights: {directory} holds no .safetensors file"
        raise ModelError(message)
    model, report = transformers.RfDetrForInstanceSegmentation.from_pretrained(
        None, config=config, state_dict=state, dtype=torch.float32, output_loading_info=True
    )
    # transformers fills in random numbers and only warns.
    if missing := sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"]))):
        message = (
            f"detect.weights: {directory} lacks {len(missing)} of the network's weights, for "
            f"example {missing[0]}; take instance segmentation weights (-seg)"
        )
        raise ModelError(message)
    return model


def _make_config(directory: Path) -> Any:
    """Return the architecture that config.json declares, without any other field of it."""
    from transformers import RfDetrConfig  # noqa: PLC0415 - only after the switches are set
    from transformers.models.rf_detr.configuration_rf_detr import (  # noqa: PLC0415
        RfDetrDinov2Config,
    )

    values = read_model_config(directory)
    backbone = dict(values.get("backbone_config") or {})
    kinds = values.get("model_type"), backbone.get("model_type")
    if kinds != (RFDETR_MODEL_TYPE, _BACKBONE_TYPE):
        message = (
            f"detect.weights: {directory}/config.json describes {kinds[0]} on {kinds[1]}, not "
            f"{RFDETR_MODEL_TYPE} on {_BACKBONE_TYPE}"
        )
        raise ModelError(message)
    fields = {*RfDetrDinov2Config.__annotations__, "out_indices"} - {"model_type"}
    backbone_config = RfDetrDinov2Config(**{k: backbone[k] for k in fields & backbone.keys()})
    fields = {*RfDetrConfig.__annotations__, "id2label"} - {"model_type", "backbone_config"}
    return RfDetrConfig(
        backbone_config=backbone_config, **{k: values[k] for k in fields & values.keys()}
    )


def _read_normalization(directory: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the channels, those of ImageNet without a file."""
    path = directory / "preprocessor_config.json"
    values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    mean = tuple(map(float, values.get("image_mean", _IMAGENET_MEAN)))
    std = tuple(map(float, values.get("image_std", _IMAGENET_STD)))
    if not (len(mean) == len(std) == 3 and all(map(math.isfinite, mean)) and min(std) > 0):  # noqa: PLR2004 - channels
        message = f"detect.weights: {path} has no usable image_mean and image_std"
        raise ModelError(message)
    return mean, std
