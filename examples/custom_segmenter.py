"""Always cover a region: python examples/custom_segmenter.py IN.jpg OUT.png [CONFIG.yaml].

Anything with ``segment`` is a segmenter: another network, your own labels, or, as here, the
detector plus a rectangle in which passers-by are replaced whether they are detected or not.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from anon_ros import load_config
from anon_ros.core import Anonymizer, Detections, RgbImage, Roi, Segmenter
from anon_ros.images import read_image
from anon_ros.models import build_inpainter, build_segmenter


@dataclass(frozen=True)
class RegionSegmenter:
    """The persons of another segmenter, and one fixed rectangle."""

    persons: Segmenter
    region: Roi

    def segment(self, image: RgbImage) -> Detections:
        """Return the detected persons, with the rectangle behind them as one more."""
        persons, roi = self.persons.segment(image), self.region
        mask = np.zeros((1, *image.shape[:2]), np.bool_)
        mask[0, roi.y0 : roi.y1, roi.x0 : roi.x1] = True
        box = np.array([[roi.x0, roi.y0, roi.x1, roi.y1]], np.float32)
        return Detections(
            boxes_xyxy=np.concatenate([persons.boxes_xyxy, box]),
            scores=np.append(persons.scores, np.float32(1)),
            class_ids=np.append(persons.class_ids, 0),
            masks=np.concatenate([persons.masks, mask]),
        )


def main(source: str, destination: str, config_file: str | None = None) -> int:
    """Write ``source`` without its persons and without its upper left corner."""
    config = load_config(config_file)
    segmenter = RegionSegmenter(build_segmenter(config), Roi(0, 0, 160, 120))
    anonymizer = Anonymizer(segmenter, build_inpainter(config), config.mask, config.inpaint)
    result = anonymizer.anonymize(read_image(Path(source)))
    cv2.imwrite(destination, cv2.cvtColor(result.image, cv2.COLOR_RGB2BGR))
    print(f"{len(result.outcomes)} regions replaced")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
