"""LPIPS, the perceptual distance of two images (Zhang et al., CVPR 2018), from local weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, format_error
from anon_ros.models.weights.locate import LPIPS_WEIGHTS
from anon_ros.models.weights.offline import disable_network_access
from anon_ros.utils.files import sha256_of_file

# AlexNet has no output for smaller images.
_MIN_SIDE_PX = 64


@dataclass(frozen=True)
class LpipsDistance:
    """A distance between pairs of images.

    Attributes:
        network: torchmetrics', whose package holds the linear layers, on ``device``.
        device: a torch.device.
        cache_key: hash of its weights.
    """

    network: Any
    device: Any
    cache_key: str

    def compute(
        self, references: Sequence[RgbImage], candidates: Sequence[RgbImage]
    ) -> npt.NDArray[np.float64]:
        """Return (N,) float64, 0 for equal images; both of a pair have the same size.

        Raises:
            ModelError: if a distance is not finite.
        """
        import torch  # noqa: PLC0415 - seconds

        distances = []
        for reference, candidate in zip(references, candidates, strict=True):
            pair = [self._to_tensor(reference), self._to_tensor(candidate)]
            with torch.inference_mode():
                distances.append(float(self.network(*pair, normalize=True)))
        if not np.isfinite(distances).all():
            message = "LPIPS: distances that are not finite; the weights are damaged"
            raise ModelError(message)
        return np.array(distances, np.float64)

    def _to_tensor(self, image: RgbImage) -> Any:
        import torch  # noqa: PLC0415 - seconds

        height_px, width_px = image.shape[:2]
        gain = max(1.0, _MIN_SIDE_PX / min(height_px, width_px))
        if gain > 1:
            size_wh = round(width_px * gain), round(height_px * gain)
            image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
        return torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255


def load_lpips(file: str, device: str) -> LpipsDistance:
    """Load AlexNet of torchvision under the linear layers of LPIPS.

    ``file`` is its path, by default in the models directory. Nothing is downloaded.

    Raises:
        ModelError: if the weights are missing or of another network.
    """
    path = LPIPS_WEIGHTS.find(file)
    import torch  # noqa: PLC0415 - seconds

    disable_network_access()
    try:
        from torchmetrics.functional.image.lpips import _LPIPS  # noqa: PLC0415 - seconds
    except ImportError as error:
        message = "LPIPS needs a package: pip install torchmetrics"
        raise ModelError(message) from error
    from anon_ros.models.device import resolve_device  # noqa: PLC0415 - imports torch

    network = _LPIPS(net="alex", pnet_rand=True)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        for index in range(1, 6):
            _load_slice(getattr(network.net, f"slice{index}"), weights)
    except Exception as error:
        message = f"LPIPS: {path} is not AlexNet of torchvision: {format_error(error)}"
        raise ModelError(message) from error
    torch_device = resolve_device(device)
    key = f"SHA-256 {sha256_of_file(path)}"
    return LpipsDistance(network.eval().to(torch_device), torch_device, key)


def _load_slice(layers: Any, weights: Mapping[str, Any]) -> None:
    for name, layer in layers.named_children():
        prefix = f"features.{name}."
        layer.load_state_dict(
            {
                key.removeprefix(prefix): values
                for key, values in weights.items()
                if key.startswith(prefix)
            }
        )
