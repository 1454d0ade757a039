"""Packages of the extra `training`, which neither the product nor its tests need."""

import importlib
from typing import Any

from training.errors import TrainingError


def import_extra(name: str) -> Any:
    """Return a package.

    Raises:
        TrainingError: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"{error}; run pip install '.[training]'"
        raise TrainingError(message) from error
