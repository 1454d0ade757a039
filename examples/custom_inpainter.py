"""Use your own inpainter: python examples/custom_inpainter.py IN.jpg OUT.png [CONFIG.yaml].

An inpainter only decides how a person is replaced, never whether: if it raises, or returns the
person almost unchanged, that person stays under the cover, and the outcome has the reason.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from anon_ros import load_config
from anon_ros.core import Anonymizer, Crop, RgbImage
from anon_ros.images import read_image
from anon_ros.models import build_segmenter


class SilhouetteInpainter:
    """Flat figures in a random color per person."""

    max_batch = 1  # more frames at once gain nothing
    draws_persons = False  # silhouettes are no persons
    keeps_grid = False  # the size of a crop changes nothing

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
        """Return one (H, W, 3) uint8 RGB image per crop, of its size."""
        return [self._draw(crop) for crop in crops]

    def _draw(self, crop: Crop) -> RgbImage:
        color = np.random.default_rng(crop.seed).integers(0, 256, 3, np.uint8)
        return np.where(crop.mask[..., None], color, crop.image).astype("uint8")


def main(source: str, destination: str, config_file: str | None = None) -> int:
    """Write ``source`` with a silhouette for each person."""
    config = load_config(config_file)
    anonymizer = Anonymizer(
        build_segmenter(config), SilhouetteInpainter(), config.mask, config.inpaint
    )
    result = anonymizer.anonymize(read_image(Path(source)))
    cv2.imwrite(destination, cv2.cvtColor(result.image, cv2.COLOR_RGB2BGR))
    print(*(outcome.kind.value for outcome in result.outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
