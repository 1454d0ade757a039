"""LPIPS: how different two images look (Zhang et al., CVPR 2018), from local weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, format_error
from anon_ros.models.weights.locate import models_directory
from anon_ros.utils.files import sha256_of_file

LPIPS_FILE = "alexnet-owt-7be5be79.pth"
LPIPS_URL = f"https://download.pytorch.org/models/{LPIPS_FILE}"
# AlexNet has no output for less.
_LEAST_PX = 64


@dataclass(frozen=True)
class LpipsDistance:
    """Distances of pairs of images.

    Attributes:
        network: torchmetrics', whose package holds the linear layers.
        device: where the network is.
        cache_key: of its weights.
    """

    network: Any
    device: Any
    cache_key: str

    def compute(
        self, ones: Sequence[RgbImage], others: Sequence[RgbImage]
    ) -> npt.NDArray[np.float64]:
        """(N,) float64, 0 for equal images; both of a pair have the same size.

        Raises:
            ModelError: if one is not finite.
        """
        import torch  # noqa: PLC0415 - seconds

        found = []
        for one, other in zip(ones, others, strict=True):
            pair = [self._tensor(one), self._tensor(other)]
            with torch.inference_mode():
                found.append(float(self.network(*pair, normalize=True)))
        if not np.isfinite(found).all():
            message = "LPIPS: distances that are not finite; the weights are damaged"
            raise ModelError(message)
        return np.array(found, np.float64)

    def _tensor(self, image: RgbImage) -> Any:
        import torch  # noqa: PLC0415 - seconds

        height_px, width_px = image.shape[:2]
        gain = max(1.0, _LEAST_PX / min(height_px, width_px))
        if gain > 1:
            size_wh = round(width_px * gain), round(height_px * gain)
            image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
        return torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float() / 255


def find_lpips_weights(given: str) -> Path:
    """AlexNet's weights: a path, or by default in the models folder.

    Raises:
        ModelError: if they are not there; tells how to fetch them.
    """
    path = Path(given).expanduser() if given else models_directory() / LPIPS_FILE
    if not path.is_file():
        message = (
            f"LPIPS: no file {path.absolute()}; on a connected machine: {fetch_lpips_command()}"
        )
        raise ModelError(message)
    return path


def fetch_lpips_command() -> str:
    """What fetches the weights on a machine with a network."""
    return f"curl -fL --create-dirs -o {models_directory() / LPIPS_FILE} {LPIPS_URL}"


def load_lpips(given: str, device: str) -> LpipsDistance:
    """Load AlexNet of torchvision under the linear layers of LPIPS; nothing is downloaded.

    Raises:
        ModelError: if the weights are missing or no such weights.
    """
    path = find_lpips_weights(given)
    import torch  # noqa: PLC0415 - seconds

    try:
        from torchmetrics.functional.image.lpips import _LPIPS  # noqa: PLC0415 - seconds
    except ImportError as error:
        message = "LPIPS needs a package: pip install torchmetrics"
        raise ModelError(message) from error
    from anon_ros.models.device import resolve_device  # noqa: PLC0415 - imports torch

    network = _LPIPS(net="alex", pnet_rand=True)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        for part in (getattr(network.net, f"slice{index}") for index in range(1, 6)):
            for number, layer in part.named_children():
                prefix = f"features.{number}."
                own = {
                    n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)
                }
                layer.load_state_dict(own)
    except Exception as error:
        message = f"LPIPS: {path} is not AlexNet of torchvision: {format_error(error)}"
        raise ModelError(message) from error
    where = resolve_device(device)
    key = f"SHA-256 {sha256_of_file(path)}"
    return LpipsDistance(network.eval().to(where), where, key)
