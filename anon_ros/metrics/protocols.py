"""Protocols of the models that the metrics use."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage

Features = npt.NDArray[np.float32]
"""(N, D) float32, one row per image."""


class NamedNetwork(Protocol):
    """A network of which a report names the version."""

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    @property
    def cache_key(self) -> str:
        """A text that changes whenever its output could, by which that is cached."""
        ...


class Embedder(NamedNetwork, Protocol):
    """A network that maps similar images to vectors that are close together."""

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """Return (N, D) float32: one vector per image; the images may differ in size."""
        ...
