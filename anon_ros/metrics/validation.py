"""Validation of the input of metrics, which would otherwise only compute wrong numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def validate_array(
    name: str, array: npt.NDArray[Any], shape: tuple[int, ...], dtype: type[np.generic]
) -> None:
    """Raise ValueError unless ``array`` has this shape and dtype."""
    if array.shape != shape or array.dtype != dtype:
        expected = f"{np.dtype(dtype)} {shape}"
        message = f"{name}: {array.dtype} {array.shape}, expected {expected}"
        raise ValueError(message)


def validate_unique(name: str, ids: Sequence[int]) -> None:
    """Raise ValueError if an id is repeated."""
    if len(set(ids)) < len(ids):
        message = f"{name}: {list(ids)}, expected each once"
        raise ValueError(message)


def validate_feature_sets(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> None:
    """Raise ValueError unless the shapes are (N, D) and (M, D) with N and M of 2 or more."""
    if a.ndim != 2 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < 2:  # noqa: PLR2004
        message = f"features {a.shape} and {b.shape}, expected (N, D) and (M, D), N, M >= 2"
        raise ValueError(message)
