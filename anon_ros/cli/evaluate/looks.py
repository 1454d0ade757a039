"""What images look like, image by image: features of networks, differences, sharpness."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.embedders import VECTORS, load_named
from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluate import Cached, Embedder, Features
from anon_ros.models import Lpips, load_inception, load_lpips

INCEPTION = "Inception"


@dataclass(frozen=True)
class Looks:
    """What images are looked at with.

    Attributes:
        embedders: whose features are compared, by name; INCEPTION has those of FID and IS.
        lpips: None if its weights are not there.
        missing: what could not be measured, and how to get it.
    """

    embedders: Mapping[str, Embedder]
    lpips: Lpips | None
    missing: Sequence[str]


@dataclass
class Pile:
    """Images of one kind, anonymized in one way; of each image a few numbers.

    Attributes:
        parts: vectors by embedder.
        differences: mean absolute difference from the original, levels of 0..255.
        sharpness: variance of the Laplacian, by that of the original.
        lpips: distance from the original.
    """

    parts: dict[str, list[Features]] = field(default_factory=lambda: defaultdict(list))
    differences: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    lpips: list[float] = field(default_factory=list)

    def add(self, images: Sequence[RgbImage], originals: Sequence[RgbImage], looks: Looks) -> None:
        """Add images, each with its original of the same size."""
        for name, embedder in looks.embedders.items():
            self.parts[name].append(embedder.embed(images))
        for image, original in zip(images, originals, strict=True):
            self.differences.append(float(cv2.absdiff(image, original).mean()))
            self.sharpness.append(_sharpness(image) / max(_sharpness(original), 1e-6))
        if looks.lpips is not None:
            self.lpips += looks.lpips.distances(images, originals).tolist()

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
    device, missing, lpips = config.compute.device, [], None
    try:
        inception = load_inception(arguments.inception, device)
        chosen = {INCEPTION: Cached(inception, arguments.out / VECTORS), **chosen}
    except ModelError as error:
        if arguments.inception:
            raise
        missing.append(f"Not measured: {error}")
    try:
        lpips = load_lpips(arguments.lpips, device)
    except ModelError as error:
        if arguments.lpips:
            raise
        missing.append(f"Not measured: {error}")
    return Looks(chosen, lpips, missing)


def _sharpness(image: RgbImage) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    edges: npt.NDArray[np.float32] = np.asarray(cv2.Laplacian(grey, cv2.CV_32F))
    return float(edges.var())
