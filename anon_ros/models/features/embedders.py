"""Networks of the user that make a vector of an image."""

from collections.abc import Sequence

import numpy as np

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.models.features.image_network import ImageNetwork, Vectors
from anon_ros.models.features.network_loader import load_network

_MAX_BATCH = 32


class NetworkEmbedder(ImageNetwork):
    """An Embedder (see ``anon_ros.metrics``) over a network that returns (N, D)."""

    def embed(self, images: Sequence[RgbImage]) -> Vectors:
        """Return (N, D) float32: one vector per image.

        Raises:
            ModelError: if the network returns no vectors, or some that are not finite.
        """
        starts = range(0, len(images), _MAX_BATCH)
        batches = [self._embed_batch(images[start : start + _MAX_BATCH]) for start in starts]
        return np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)

    def _embed_batch(self, images: Sequence[RgbImage]) -> Vectors:
        output = self.run(images)
        if output.ndim < 2 or len(output) != len(images) or not output.size:  # noqa: PLR2004
            message = (
                f"{self.name}: {output.shape} for {len(images)} images, expected a vector each"
            )
            raise ModelError(message)
        if not np.isfinite(output).all():
            message = f"{self.name}: vectors that are not finite; is the file damaged?"
            raise ModelError(message)
        return output.reshape(len(output), -1)


def load_embedder(spec: str, device: str) -> NetworkEmbedder:
    """Load a network that makes vectors.

    Args:
        spec: path of a TorchScript (.pt, .ts, .torchscript) or ONNX (.onnx) file, with ``NAME=``
            before it to name it and ``@HEIGHTxWIDTH`` behind it for the size of its input in px;
            by default the size in an ONNX file, or 256x128. Or of a checkpoint of torchreid (.pth,
            .pth.tar), whose name must be its architecture, for example ``osnet_x1_0=``.
        device: value of ``compute.device``.

    Raises:
        ModelError: if there is no such file or it is damaged.
    """
    return load_network(spec, device, NetworkEmbedder)
