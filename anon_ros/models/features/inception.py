"""Inception features for FID and IS, from a local file."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, format_error
from anon_ros.models.weights.locate import INCEPTION_WEIGHTS
from anon_ros.models.weights.offline import disable_network_access
from anon_ros.utils.files import sha256_of_file

NUM_FEATURES = 2048
_MAX_BATCH = 16


@dataclass(frozen=True)
class InceptionFeatures:
    """An Embedder (see ``anon_ros.metrics``): Inception-v3 of 2015, on which FID is defined.

    Attributes:
        network: torch-fidelity's, on ``device``.
        cache_key: hash of its weights.
        device: a torch.device.
    """

    network: Any
    cache_key: str
    device: Any
    name: str = "Inception"

    def embed(self, images: Sequence[RgbImage]) -> npt.NDArray[np.float32]:
        """Return (N, 2048 + 1008) float32: the features of FID, then the logits of IS.

        Raises:
            ModelError: if they are not finite.
        """
        parts = []
        for _, group in groupby(images, key=lambda image: image.shape):
            equal = list(group)
            starts = range(0, len(equal), _MAX_BATCH)
            parts += [self._run(equal[start : start + _MAX_BATCH]) for start in starts]
        vectors = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
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


def load_inception(weights: str, device: str) -> InceptionFeatures:
    """Load Inception from the path ``weights``, by default in the models directory.

    Nothing is downloaded.

    Raises:
        ModelError: if the weights are missing or of another network.
    """
    path = INCEPTION_WEIGHTS.find(weights)
    disable_network_access()
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
        # The library would run any code in a pickle; this rejects all but tensors.
        torch.load(path, map_location="cpu", weights_only=True)
        network = FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(path)
        )
    except Exception as error:
        message = f"FID and IS: {path} cannot be loaded: {format_error(error)}"
        raise ModelError(message) from error
    torch_device = resolve_device(device)
    key = f"SHA-256 {sha256_of_file(path)}"
    return InceptionFeatures(network.eval().to(torch_device), key, torch_device)
