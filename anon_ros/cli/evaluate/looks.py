"""What images look like, image by image: features of networks, differences, sharpness."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.embedders import INCEPTION, LPIPS, VECTORS, load_named
from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluate import Cached, Embedder, Features
from anon_ros.models import Lpips, load_inception, load_lpips


@dataclass(frozen=True)
class Looks:
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
class PairsBeside:
    """LPIPS as an Embedder of pairs, which are images of twice the width: to be cached like one."""

    lpips: Lpips
    name: str = LPIPS

    @property
    def key(self) -> str:
        return self.lpips.key

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """(N, 1) float32."""
        halves = [np.split(image, 2, axis=1) for image in images]
        distances = self.lpips.distances([one for one, _ in halves], [two for _, two in halves])
        return distances.astype(np.float32).reshape(-1, 1)


@dataclass
class Pile:
    """Images of one kind, anonymized in one way; of each image a few numbers.

    Attributes:
        parts: vectors by embedder.
        differences: mean absolute difference from the original, levels of 0..255.
        sharpness: variance of the Laplacian.
        lpips: distance from the original.
        frames: which frame it is of.
        elsewhere: of full images, the sum of differences where nothing may be replaced, and of how
            many pixels.
    """

    parts: dict[str, list[Features]] = field(default_factory=lambda: defaultdict(list))
    differences: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    elsewhere: list[tuple[float, float]] = field(default_factory=list)

    def add(
        self,
        images: Sequence[RgbImage],
        originals: Sequence[RgbImage],
        looks: Looks,
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
            self.parts[name].append(embedder.embed(images))
        for image, original in zip(images, originals, strict=True):
            self.differences.append(float(cv2.absdiff(image, original).mean()))
            self.sharpness.append(_sharpness(image))
        if looks.lpips is not None:
            pairs = zip(images, originals, strict=True)
            beside = [np.concatenate(pair, axis=1) for pair in pairs]
            self.lpips += looks.lpips.embed(beside).ravel().tolist()

    def features(self, name: str) -> Features:
        """(N, D) float32."""
        return np.concatenate(self.parts[name])


def load_looks(arguments: Namespace, config: Config) -> Looks:
    """What --inception, --features and --lpips name, and what lies in the models folder.

    Raises:
        ModelError: if something is missing that was asked for by name.
    """
    chosen: dict[str, Embedder] = {
        each.name: Cached(each, arguments.out / VECTORS)
        for each in load_named(arguments.features, config, "--features")
    }
    device, missing = config.compute.device, []
    lpips: Embedder | None = None
    try:
        inception = load_inception(arguments.inception, device)
        chosen = {INCEPTION: Cached(inception, arguments.out / VECTORS), **chosen}
    except ModelError as error:
        if arguments.inception:
            raise
        missing.append(f"Not measured: {error}")
    try:
        pairs = PairsBeside(load_lpips(arguments.lpips, device))
        lpips = Cached(pairs, arguments.out / VECTORS)
    except ModelError as error:
        if arguments.lpips:
            raise
        missing.append(f"Not measured: {error}")
    return Looks(chosen, lpips, missing)


def _sharpness(image: RgbImage) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges: npt.NDArray[np.float32] = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))
    return float(edges.var())
