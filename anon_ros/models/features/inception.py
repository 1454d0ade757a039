"""The network of FID and IS, from a local file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, format_error
from anon_ros.models.weights.locate import models_directory
from anon_ros.utils.files import sha256_of_file

INCEPTION_FILE = "weights-inception-2015-12-05-6726825d.pth"
INCEPTION_URL = (
    f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_FILE}"
)
NUM_FEATURES = 2048
_BATCH = 16


@dataclass(frozen=True)
class InceptionFeatures:
    """An Embedder (see ``anon_ros.evaluate``): Inception-v3 of 2015, as FID is defined on.

    Attributes:
        network: torch-fidelity's.
        cache_key: of its weights.
        device: where the network is.
    """

    network: Any
    cache_key: str
    device: Any
    name: str = "Inception"

    def embed(self, images: Sequence[RgbImage]) -> npt.NDArray[np.float32]:
        """(N, 2048 + 1008) float32: the features of FID, then the logits of IS.

        Raises:
            ModelError: if they are not finite.
        """
        made = []
        for _, group in groupby(images, key=lambda image: image.shape):
            same = list(group)
            made += [self._run(same[i : i + _BATCH]) for i in range(0, len(same), _BATCH)]
        vectors = np.concatenate(made) if made else np.zeros((0, 0), np.float32)
        if not np.isfinite(vectors).all():
            message = "FID and IS: features that are not finite; the weights are damaged"
            raise ModelError(message)
        return vectors

    def _run(self, images: Sequence[RgbImage]) -> npt.NDArray[np.float32]:
        import torch  # noqa: PLC0415 - seconds

        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(self.device)
        with torch.inference_mode():
            features, logits = self.network(batch)
        return np.asarray(torch.cat([features, logits], dim=1).float().cpu().numpy())


def find_inception_weights(given: str) -> Path:
    """The weights: a path, or by default in the models folder.

    Raises:
        ModelError: if they are not there; tells how to fetch them.
    """
    path = Path(given).expanduser() if given else models_directory() / INCEPTION_FILE
    if not path.is_file():
        message = (
            f"FID and IS: no file {path.absolute()}; on a connected machine: "
            f"{fetch_inception_command()}"
        )
        raise ModelError(message)
    return path


def fetch_inception_command() -> str:
    """What fetches the weights on a machine with a network."""
    return f"curl -fL --create-dirs -o {models_directory() / INCEPTION_FILE} {INCEPTION_URL}"


def load_inception(given: str, device: str) -> InceptionFeatures:
    """Load it; nothing is downloaded.

    Raises:
        ModelError: if the weights are missing or no such weights.
    """
    path = find_inception_weights(given)
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import (  # noqa: PLC0415 - seconds
            FeatureExtractorInceptionV3,
        )
    except ImportError as error:
        message = "FID and IS need a package: pip install torch-fidelity"
        raise ModelError(message) from error
    import torch  # noqa: PLC0415 - seconds

    from anon_ros.models.device import resolve_device  # noqa: PLC0415 - imports torch

    try:
        # The library would run whatever a pickle says; this refuses all but tensors.
        torch.load(path, map_location="cpu", weights_only=True)
        network = FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
        )
    except Exception as error:
        message = f"FID and IS: {path} cannot be loaded: {format_error(error)}"
        raise ModelError(message) from error
    where = resolve_device(device)
    key = f"SHA-256 {sha256_of_file(path)}"
    return InceptionFeatures(network.eval().to(where), key, where)
