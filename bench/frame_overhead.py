"""Measure a frame outside the networks: masks, cover, crops, checks, composite; needs no GPU.

python bench/frame_overhead.py                  # this tree
python bench/frame_overhead.py --against REV    # and the tree of a commit, in turns
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from street_scene import BOXES_XYXY, SCENES, make_image

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Crop, Detections, RgbImage

ROOT = Path(__file__).resolve().parents[1]
REPEAT = 10
TURNS = 3


class Inverting:
    """Inpainter without cost.

    Args:
        draws_persons: its results are checked for likeness, as those of a diffusion model.
    """

    max_batch, keeps_grid = 1, False

    def __init__(self, *, draws_persons: bool) -> None:
        self.draws_persons = draws_persons
        self._noise = np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), np.uint8)

    def inpaint(self, crops: list[Crop]) -> list[RgbImage]:
        if not self.draws_persons:
            return [255 - crop.image for crop in crops]
        shapes = [crop.image.shape for crop in crops]
        return [self._noise[:height, :width].copy() for height, width, _ in shapes]


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


def measure() -> dict[str, tuple[float, str]]:
    """Return by scene the median ms of a frame, and the digest of the result."""
    image = make_image()
    results = {}
    for count in SCENES:
        for draws, method in ((False, "inverted"), (True, "drawn")):
            anonymizer = Anonymizer(
                Known(count), Inverting(draws_persons=draws), MaskConfig(), InpaintConfig()
            )
            durations_s = []
            for _ in range(REPEAT + 2):
                start = time.perf_counter()
                frame = anonymizer.anonymize(image)
                durations_s.append(time.perf_counter() - start)
            digest = hashlib.sha256(frame.image.tobytes()).hexdigest()
            results[f"{count} persons, {method}"] = statistics.median(durations_s[2:]) * 1e3, digest
    return results


def measure_tree(tree: Path) -> dict[str, tuple[float, str]]:
    """Measure the package of another folder, in a process of its own."""
    command = [sys.executable, __file__, "--json"]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    return dict(json.loads(subprocess.check_output(command, env=environment, text=True)))


def compare(revision: str) -> None:
    """Print the ratio of this tree to that of a commit, of the fastest of runs in turns."""
    with tempfile.TemporaryDirectory() as folder:
        archive = str(Path(folder, "tree.tar"))
        command = ["git", "-C", str(ROOT), "archive", "--output", archive, revision, "anon_ros"]
        subprocess.run(command, check=True)
        shutil.unpack_archive(archive, folder)
        pairs = [(measure_tree(Path(folder)), measure_tree(ROOT)) for _ in range(TURNS)]
    for scene in pairs[0][0]:
        before, after = (min(pair[side][scene][0] for pair in pairs) for side in (0, 1))
        equal = "equal" if pairs[0][0][scene][1] == pairs[0][1][scene][1] else "DIFFERENT"
        change = f"{before:.1f} ms, then {after:.1f} ms (ratio {after / before:.2f})"
        print(f"{scene}: {change}, images {equal}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="REV", help="commit to compare with")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    if arguments.against:
        compare(arguments.against)
    elif arguments.json:
        print(json.dumps(measure()))
    else:
        for scene, (milliseconds, _) in measure().items():
            print(f"{scene}: {milliseconds:.1f} ms per frame", flush=True)


if __name__ == "__main__":
    main()
