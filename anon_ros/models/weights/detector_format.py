"""Formats of detection weights: a file of Ultralytics, or a directory of transformers."""

import json
from pathlib import Path
from typing import Any

from anon_ros.errors import ModelError

RFDETR_MODEL_TYPE = "rf_detr"
"""The model_type of config.json that means RF-DETR."""


def choose_backend(backend: str, path: Path) -> str:
    """Return "ultralytics" or "rfdetr", the library of the detection weights at ``path``.

    Args:
        backend: value of ``detect.backend``.
        path: of a file or directory.

    Raises:
        ModelError: if the weights are of neither, or not of ``backend``.
    """
    is_rfdetr = path.is_dir() and read_model_config(path).get("model_type") == RFDETR_MODEL_TYPE
    actual = "rfdetr" if is_rfdetr else "" if path.is_dir() else "ultralytics"
    if not actual or backend not in {"auto", actual}:
        message = (
            f"detect.weights: {path} is not for detect.backend = {backend}; ultralytics takes a "
            ".pt file, rfdetr the directory of an RF-DETR model in transformers' format"
        )
        raise ModelError(message)
    return actual


def read_model_config(directory: Path) -> dict[str, Any]:
    """Return the fields of a transformers model's config.json.

    Raises:
        ModelError: if it is missing or damaged.
    """
    path = directory / "config.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        message = f"detect.weights: {path} cannot be read ({error}); it is no transformers model"
        raise ModelError(message) from error
