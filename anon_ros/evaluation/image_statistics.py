"""What images look like, image by image: features of networks, differences, sharpness."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluation.embedders import FEATURE_CACHE_NAME, INCEPTION, LPIPS, load_named_embedders
from anon_ros.evaluation.feature_cache import CachedEmbedder
from anon_ros.evaluation.options import ImageNetworks
from anon_ros.metrics import Embedder, Features
from anon_ros.models import LpipsDistance, load_inception, load_lpips


@dataclass(frozen=True)
class ImageMetrics:
    """What images are looked at with.

    Attributes:
        embedders: whose features are compared, by name; INCEPTION has those of FID and IS.
        lpips: of pairs (see PairsBeside); None if its weights are not there.
        missing: what could not be measured, and how to get it.
    """

    embedders: Mapping[str, Embedder]
    lpips: Embedder | None
    missing: Sequence[str]

    @property
    def networks(self) -> list[Embedder]:
        """All of them."""
        return [*self.embedders.values(), *([] if self.lpips is None else [self.lpips])]


@dataclass(frozen=True)
class PairDistanceEmbedder:
    """LPIPS as an Embedder of pairs, which are images of twice the width: to be cached like one."""

    lpips: LpipsDistance
    name: str = LPIPS

    @property
    def cache_key(self) -> str:
        return self.lpips.cache_key

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """(N, 1) float32."""
        halves = [np.split(image, 2, axis=1) for image in images]
        distances = self.lpips.compute([one for one, _ in halves], [two for _, two in halves])
        return distances.astype(np.float32).reshape(-1, 1)


@dataclass
class ImageStatistics:
    """Images of one kind, anonymized in one way; of each image a few numbers.

    Attributes:
        features_by_embedder: vectors by embedder.
        differences: mean absolute difference from the original, levels of 0..255.
        sharpness: variance of the Laplacian.
        lpips: distance from the original.
        frames: which frame it is of.
        background_change: of full images, the sum of differences where nothing may be replaced,
            and of how many pixels.
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
        looks: ImageMetrics,
        frames: Sequence[int],
    ) -> None:
        """Add images, each with its original of the same size.

        Args:
            images: (H, W, 3) uint8 RGB each.
            originals: of these.
            looks: what to look at them with.
            frames: that they are of.
        """
        self.frames += frames
        for name, embedder in looks.embedders.items():
            self.features_by_embedder[name].append(embedder.embed(images))
        for image, original in zip(images, originals, strict=True):
            self.differences.append(float(cv2.absdiff(image, original).mean()))
            self.sharpness.append(_sharpness(image))
        if looks.lpips is not None:
            pairs = zip(images, originals, strict=True)
            beside = [np.concatenate(pair, axis=1) for pair in pairs]
            self.lpips += looks.lpips.embed(beside).ravel().tolist()

    def features(self, name: str) -> Features:
        """(N, D) float32."""
        return np.concatenate(self.features_by_embedder[name])


def load_image_metrics(networks: ImageNetworks, config: Config, output: Path) -> ImageMetrics:
    """Load the networks that are named, and those in the models folder.

    Args:
        networks: to load.
        config: of the device.
        output: directory of the report, for the cache.

    Raises:
        ModelError: if something is missing that was asked for by name.
    """
    chosen: dict[str, Embedder] = {
        each.name: CachedEmbedder(each, output / FEATURE_CACHE_NAME)
        for each in load_named_embedders(networks.features, config, "--features")
    }
    device, missing = config.compute.device, []
    lpips: Embedder | None = None
    try:
        inception = load_inception(networks.inception_weights, device)
        chosen = {
            INCEPTION: CachedEmbedder(inception, output / FEATURE_CACHE_NAME),
            **chosen,
        }
    except ModelError as error:
        if networks.inception_weights:
            raise
        missing.append(f"Not measured: {error}")
    try:
        pairs = PairDistanceEmbedder(load_lpips(networks.lpips_weights, device))
        lpips = CachedEmbedder(pairs, output / FEATURE_CACHE_NAME)
    except ModelError as error:
        if networks.lpips_weights:
            raise
        missing.append(f"Not measured: {error}")
    return ImageMetrics(chosen, lpips, missing)


def _sharpness(image: RgbImage) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges: npt.NDArray[np.float32] = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))
    return float(edges.var())
