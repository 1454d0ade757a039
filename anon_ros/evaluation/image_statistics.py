"""Statistics of single images: features of networks, differences, sharpness."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluation.embedders import FEATURE_CACHE_NAME, INCEPTION, LPIPS, load_named_embedders
from anon_ros.evaluation.feature_cache import CachedEmbedder, CachedPairDistance
from anon_ros.evaluation.options import ImageNetworks
from anon_ros.metrics import Embedder, Features, NamedNetwork
from anon_ros.models import load_inception, load_lpips

T = TypeVar("T")


@dataclass(frozen=True)
class ImageMetrics:
    """Networks that describe images.

    Attributes:
        embedders: by name; INCEPTION has the features of FID and IS.
        lpips: distance of pairs; None if its weights are missing.
        missing: sentences on metrics without weights, with the remedy.
    """

    embedders: Mapping[str, Embedder]
    lpips: CachedPairDistance | None
    missing: Sequence[str]

    @property
    def networks(self) -> list[NamedNetwork]:
        """The embedders, and LPIPS if it is there."""
        return [*self.embedders.values(), *([] if self.lpips is None else [self.lpips])]


@dataclass
class ImageStatistics:
    """Per-image statistics of one set of images, anonymized with one method.

    Attributes:
        features_by_embedder: batches of vectors by embedder.
        differences: mean absolute difference from the original, gray levels of 0..255.
        sharpness: variance of the Laplacian.
        lpips: distance from the original.
        frames: frame of every image.
        background_change: of full images, the sum of differences where nothing may be replaced,
            and its number of pixels.
    """

    features_by_embedder: dict[str, list[Features]] = field(
        default_factory=lambda: defaultdict(list)
    )
    differences: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    background_change: list[tuple[float, float]] = field(default_factory=list)

    def add(
        self,
        images: Sequence[RgbImage],
        originals: Sequence[RgbImage],
        metrics: ImageMetrics,
        frames: Sequence[int],
    ) -> None:
        """Add images with their originals of the same size.

        Args:
            images: (H, W, 3) uint8 RGB of any sizes.
            originals: of these.
            metrics: networks that describe them.
            frames: frame of every image.
        """
        self.frames += frames
        for name, embedder in metrics.embedders.items():
            self.features_by_embedder[name].append(embedder.embed(images))
        for image, original in zip(images, originals, strict=True):
            self.differences.append(float(cv2.absdiff(image, original).mean()))
            self.sharpness.append(_measure_sharpness(image))
        if metrics.lpips is not None:
            self.lpips += metrics.lpips.compute(images, originals).tolist()

    def get_features(self, name: str) -> Features:
        """Return (N, D) float32 of the embedder of that name."""
        return np.concatenate(self.features_by_embedder[name])


def load_image_metrics(networks: ImageNetworks, config: Config, output: Path) -> ImageMetrics:
    """Load the networks that are named, and those in the models directory.

    Args:
        networks: to load.
        config: of the device.
        output: directory of the report, for the cache.

    Raises:
        ModelError: if a network is missing that was named.
    """
    cache, device = output / FEATURE_CACHE_NAME, config.compute.device
    named = load_named_embedders(networks.features, config, "--features")
    missing: list[str] = []
    inception = _load_optional(load_inception, networks.inception_weights, device, missing)
    lpips = _load_optional(load_lpips, networks.lpips_weights, device, missing)
    embedders: dict[str, Embedder] = {}
    if inception is not None:
        embedders[INCEPTION] = CachedEmbedder(inception, cache)
    embedders |= {network.name: CachedEmbedder(network, cache) for network in named}
    distance = None if lpips is None else CachedPairDistance(lpips, cache, LPIPS)
    return ImageMetrics(embedders, distance, missing)


def _load_optional(
    load: Callable[[str, str], T], weights: str, device: str, missing: list[str]
) -> T | None:
    """Load a network, or append the reason to ``missing`` unless its weights were named."""
    try:
        return load(weights, device)
    except ModelError as error:
        if weights:
            raise
        missing.append(f"Not measured: {error}")
        return None


def _measure_sharpness(image: RgbImage) -> float:
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges: npt.NDArray[np.float32] = np.asarray(cv2.Laplacian(gray, cv2.CV_32F))
    return float(edges.var())
