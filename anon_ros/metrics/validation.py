"""What every measure asks of its input; wrong input would only make the numbers wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def validate_array(
    name: str, array: npt.NDArray[Any], shape: tuple[int, ...], kind: type[np.generic]
) -> None:
    """Raise ValueError unless ``array`` has this shape and dtype."""
    if array.shape != shape or array.dtype != kind:
        expected = f"{np.dtype(kind)} {shape}"
        message = f"{name}: {array.dtype} {array.shape}, expected {expected}"
        raise ValueError(message)


def validate_unique(name: str, ids: Sequence[int]) -> None:
    """Raise ValueError if one of ``ids`` comes twice."""
    if len(set(ids)) < len(ids):
        message = f"{name}: {list(ids)}, expected each once"
        raise ValueError(message)
