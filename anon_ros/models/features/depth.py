"""Networks of the user that predict the depth of an image."""

from collections.abc import Sequence

import numpy as np

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.models.features.image_network import ImageNetwork, Vectors
from anon_ros.models.features.network_loader import load_network


class DepthNetwork(ImageNetwork):
    """A network that returns one depth map per image."""

    def predict(self, images: Sequence[RgbImage]) -> list[Vectors]:
        """Return one (h, w) float32 map per image, of the network's own size.

        Raises:
            ModelError: if the network returns something else.
        """
        return [self._predict_map(image) for image in images]

    def _predict_map(self, image: RgbImage) -> Vectors:
        depth = np.squeeze(self.run([image]))
        if depth.ndim != 2 or not np.isfinite(depth).all():  # noqa: PLR2004 - a map
            message = f"{self.name}: {depth.shape} for one image, or not finite; expected a map"
            raise ModelError(message)
        return depth


def load_depth_network(spec: str, device: str) -> DepthNetwork:
    """Load a network that predicts depth; the arguments are those of ``load_embedder``.

    Raises:
        ModelError: if there is no such file or it is damaged.
    """
    return load_network(spec, device, DepthNetwork)
