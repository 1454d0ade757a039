"""What the measures need from the models, and nothing more."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage

Features = npt.NDArray[np.float32]
"""(N, D) float32, one row per image."""


class Embedder(Protocol):
    """Makes a vector of an image; what looks alike to it lies close together."""

    @property
    def name(self) -> str:
        """As shown in tables."""
        ...

    @property
    def cache_key(self) -> str:
        """Changes whenever its vectors could: what they are cached by."""
        ...

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """(N, D) float32: one vector per image; the images may differ in size."""
        ...
