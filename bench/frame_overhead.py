"""Measure a frame outside the networks: masks, cover, crops, checks, composite; needs no GPU."""

import statistics
import sys
import time

import cv2
import numpy as np
from street_scene import BOXES_XYXY, SCENES, make_image

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Crop, Detections, RgbImage

REPEAT = 10


class Inverting:
    """Inpainter without cost."""

    max_batch, draws_persons, keeps_grid = 1, False, False

    def inpaint(self, crops: list[Crop]) -> list[RgbImage]:
        return [255 - crop.image for crop in crops]


class Known:
    """Segmenter that returns the scene: every person an ellipse in the box."""

    def __init__(self, count: int) -> None:
        masks = np.zeros((count, 1080, 1920), np.uint8)
        for mask, box in zip(masks, BOXES_XYXY, strict=False):
            x0, y0, x1, y1 = (int(value) for value in box)
            centre, axes = ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2)
            cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, cv2.FILLED)
        self._answer = Detections(
            BOXES_XYXY[:count], np.ones(count, np.float32), np.zeros(count, np.int64), masks > 0
        )

    def segment(self, _: RgbImage) -> Detections:
        return self._answer


def main() -> None:
    image = make_image()
    for count in SCENES:
        print(f"{count} persons ...", file=sys.stderr, flush=True)
        anonymizer = Anonymizer(Known(count), Inverting(), MaskConfig(), InpaintConfig())
        durations_s = []
        for _ in range(REPEAT + 2):
            start = time.perf_counter()
            anonymizer.anonymize(image)
            durations_s.append(time.perf_counter() - start)
        print(f"{count} persons: {statistics.median(durations_s[2:]) * 1000:.1f} ms per frame")


if __name__ == "__main__":
    main()
