"""Color histograms of clothing: an embedder that needs no weights."""

from collections.abc import Sequence

import cv2
import numpy as np

from anon_ros.core import RgbImage
from anon_ros.metrics.protocols import Features

_SIZE_WH = 48, 128
_STRIPES = 6
_BINS_HSV = (8, 3, 3)
_RANGES_HSV = [0, 180, 0, 256, 0, 256]


class ColorHistogramEmbedder:
    """Histograms of hue, saturation and value in stripes, an early method of re-identification.

    (Gray and Tao, "Viewpoint invariant pedestrian recognition with an ensemble of localized
    features", ECCV 2008, without its textures.) It distinguishes clothing, not faces or gait.
    """

    name = "colours"
    cache_key = "histograms of colours, version 1"

    def embed(self, images: Sequence[RgbImage]) -> Features:
        """Return (N, 432) float32, see ``Embedder``."""
        vectors = [_compute_histograms(image) for image in images]
        return np.array(vectors, np.float32).reshape(len(images), -1)


def _compute_histograms(image: RgbImage) -> Features:
    small = cv2.resize(image, _SIZE_WH, interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    stripes = np.array_split(hsv, _STRIPES)
    counts = [
        cv2.calcHist([stripe], [0, 1, 2], None, list(_BINS_HSV), _RANGES_HSV).ravel()
        for stripe in stripes
    ]
    ratios = np.concatenate(counts) / hsv[..., 0].size
    return np.asarray(np.sqrt(ratios), np.float32)  # Hellinger: cosine compares distributions
