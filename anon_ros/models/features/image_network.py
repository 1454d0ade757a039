"""A network of the user that takes images, with its preprocessing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, format_error

Vectors = npt.NDArray[np.float32]
Network = Callable[[npt.NDArray[np.float32]], Vectors]
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_STD = np.array((0.229, 0.224, 0.225), np.float32)


@dataclass(frozen=True)
class ImageNetwork:
    """A network and the size of its input.

    Attributes:
        name: as shown in tables.
        cache_key: file hash and input size of the network.
        network: takes (N, 3, h, w) float32, RGB normalized as for ImageNet; returns (N, ...).
        input_hw: px; images are resized to it.
    """

    name: str
    cache_key: str
    network: Network
    input_hw: tuple[int, int]

    def run(self, images: Sequence[RgbImage]) -> Vectors:
        """Return the network's output for a batch of images, float32.

        Raises:
            ModelError: if the network cannot take them.
        """
        batch = np.stack([self._preprocess(image) for image in images])
        try:
            return np.asarray(self.network(batch), np.float32)
        except Exception as error:
            message = (
                f"{self.name}: the network does not run on {batch.shape[1:]}: "
                f"{format_error(error)}; "
                "if that is not the size of its input, append it to the path: @HEIGHTxWIDTH"
            )
            raise ModelError(message) from error

    def _preprocess(self, image: RgbImage) -> Vectors:
        height_px, width_px = self.input_hw
        is_shrunk = image.shape[0] > height_px
        interpolation = cv2.INTER_AREA if is_shrunk else cv2.INTER_LINEAR
        resized = cv2.resize(image, (width_px, height_px), interpolation=interpolation)
        normalized = (resized.astype(np.float32) / 255 - _MEAN) / _STD
        return np.ascontiguousarray(normalized.transpose(2, 0, 1))
