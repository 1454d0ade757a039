"""Print what a generator draws on a pedestrian video, and what it costs, as tables.

Needs no GPU and no ROS; the weights are the demo's. HOG with OpenCV's default persons is a second
observer that has nothing in common with them.

usage: python bench/generator.py build/demo/yolov8s-seg-demo.pt [--video vtest.avi]
       python bench/generator.py ... --generator build/generator/pipeline  # not the shipped one
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from bit_depth import compute_iou

from anon_ros.config import Config, find_profile, load_config
from anon_ros.core import Anonymizer, CoverReason, Crop, RgbImage, Roi
from anon_ros.metrics.intervals import estimate_clustered_proportion
from anon_ros.models import build_anonymizer

Boxes = npt.NDArray[np.float32]
Configure = Callable[[dict[str, object]], Config]
VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
STRIDE = 16
MIN_IOU = 0.5
MIN_HOG_IOU = 0.4  # its boxes have a margin
HOG_SCALE = 2
METHODS = {
    "fill": {"inpaint.method": "fill"},
    "blur": {"inpaint.method": "blur"},
    **{f"generator, beta_d {beta}": {"inpaint.beta_d": beta} for beta in (0.3, 0.6, 0.8)},
}
NUM_CROPS = 32
FRAME_HW = 480, 640
NUM_PERSONS = 8
REPEATS = 5


def make_config(weights: Path, generator: str, changes: dict[str, object]) -> Config:
    models = {
        "inpaint.model": generator,
        "detect.weights": str(weights),
        "detect.classes": ["person", "fallen person"],
        "detect.confidence": 0.25,
    }
    return load_config(find_profile("street"), {**models, "compute.device": "cpu", **changes})


def iter_frames(video: Path) -> Iterator[RgbImage]:
    capture, index = cv2.VideoCapture(str(video)), 0
    while (frame := capture.read()[1]) is not None:
        if index % STRIDE == 0:
            yield np.ascontiguousarray(frame[..., ::-1], dtype=np.uint8)
        index += 1


class Hog:
    """OpenCV's person detector of histograms of gradients."""

    def __init__(self) -> None:
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def detect(self, image: RgbImage) -> Boxes:
        large = cv2.resize(image, None, fx=HOG_SCALE, fy=HOG_SCALE, interpolation=cv2.INTER_CUBIC)
        found, _ = self._hog.detectMultiScale(large, winStride=(4, 4), scale=1.05)
        boxes = np.array(found, np.float32).reshape(-1, 4) / HOG_SCALE
        boxes[:, 2:] += boxes[:, :2]
        return boxes


def find_matches(boxes: Boxes, candidates: Boxes, min_iou: float) -> npt.NDArray[np.bool_]:
    """Return (N,) bool: the boxes (N, 4) that one of the candidates (M, 4) fits."""
    return np.asarray((compute_iou(boxes, candidates) > min_iou).any(axis=1), np.bool_)


def measure_looks(configure: Configure, video: Path) -> None:
    """Print the share of persons whom detectors find again, of those they found before."""
    hog, frames = Hog(), list(iter_frames(video))
    original = build_anonymizer(configure(METHODS["fill"]))
    before = [original.segmenter.segment(frame).boxes_xyxy for frame in frames]
    by_hog = [
        find_matches(boxes, hog.detect(frame), MIN_HOG_IOU)
        for boxes, frame in zip(before, frames, strict=True)
    ]
    num_persons, num_hog = [len(boxes) for boxes in before], [int(seen.sum()) for seen in by_hog]
    print(
        f"{len(frames)} frames, {sum(num_persons)} persons, {sum(num_hog)} of them found by HOG, "
        "too. In brackets: 95 % intervals.\n"
    )
    print(
        "| | found again by the demo's weights | by HOG | refused |\n| --- | ---: | ---: | ---: |"
    )
    for name, changes in METHODS.items():
        anonymizer = build_anonymizer(configure(changes))
        counts = []
        for frame, boxes, seen in zip(frames, before, by_hog, strict=True):
            result = anonymizer.anonymize(frame)
            again = original.segmenter.segment(result.image).boxes_xyxy
            by_hog_again = find_matches(boxes[seen], hog.detect(result.image), MIN_HOG_IOU)
            refused = [o.cover_reason is CoverReason.INVALID_RESULT for o in result.outcomes]
            counts.append(
                (find_matches(boxes, again, MIN_IOU).sum(), by_hog_again.sum(), sum(refused))
            )
        totals = (num_persons, num_hog, num_persons)
        shares = map(format_share, zip(*counts, strict=True), totals)
        print(f"| {name} | {' | '.join(shares)} |", flush=True)


def format_share(counts: Sequence[int], totals: Sequence[int]) -> str:
    """Return the share of persons with its interval; those of a frame are not independent."""
    pairs = np.array([(c, t) for c, t in zip(counts, totals, strict=True) if t])
    share = estimate_clustered_proportion(pairs[:, 0], pairs[:, 1])
    return f"{share.value:.1%} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def make_crops() -> list[Crop]:
    """Return crops of 64 x 128 px with a person in the middle."""
    rng = np.random.default_rng(0)
    mask = np.zeros((128, 64), np.bool_)
    mask[22:106, 16:48] = True
    images = rng.integers(0, 256, (NUM_CROPS, 128, 64, 3), np.uint8)
    return [Crop(image, mask, mask, Roi(0, 0, 64, 128), 0) for image in images]


def measure_speed(configure: Configure, frame: RgbImage) -> None:
    """Print persons per second, and frames per second of the whole, both methods in turns."""
    anonymizers = {
        name: build_anonymizer(configure(METHODS[name]))
        for name in ("fill", "generator, beta_d 0.6")
    }
    generator, crops = anonymizers["generator, beta_d 0.6"].inpainter, make_crops()
    generator.inpaint(crops[:8])
    started = time.perf_counter()
    generator.inpaint(crops)
    rate = NUM_CROPS / (time.perf_counter() - started)
    print(f"\n{rate:.1f} persons a second at 64 x 128 px.\n")
    print(f"| {FRAME_HW[1]} x {FRAME_HW[0]} px, {NUM_PERSONS} persons | frames a second |")
    print("| --- | ---: |")
    times: dict[str, list[float]] = {name: [] for name in anonymizers}
    for _ in range(REPEATS):
        for name, anonymizer in anonymizers.items():
            times[name].append(_time_frame(anonymizer, frame))
    for name, seconds in times.items():
        print(f"| {name} | {1 / np.median(seconds):.2f} |")


def _time_frame(anonymizer: Anonymizer, frame: RgbImage) -> float:
    started = time.perf_counter()
    result = anonymizer.anonymize(frame)
    if len(result.outcomes) != NUM_PERSONS:
        print(f"({len(result.outcomes)} persons were found)")
    return time.perf_counter() - started


def make_crowded_frame(anonymizer: Anonymizer, video: Path) -> RgbImage:
    """Return a part of the video's size in which ``NUM_PERSONS`` are found."""
    height, width = FRAME_HW
    for frame in iter_frames(video):
        for x in range(0, frame.shape[1] - width + 1, 32):
            part = np.ascontiguousarray(frame[-height:, x : x + width])
            if len(anonymizer.segmenter.segment(part).scores) == NUM_PERSONS:
                return part
    sys.exit(f"no frame of {video} shows {NUM_PERSONS} persons")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="build/demo/yolov8s-seg-demo.pt of make demo")
    parser.add_argument("--video", type=Path, default=VIDEO)
    parser.add_argument(
        "--generator", default="generator", metavar="DIR", help="a trained one (the shipped one)"
    )
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, no GPU.\n")
    configure = partial(make_config, arguments.weights, arguments.generator)
    fill = build_anonymizer(configure(METHODS["fill"]))
    measure_speed(configure, make_crowded_frame(fill, arguments.video))
    print()
    measure_looks(configure, arguments.video)


if __name__ == "__main__":
    main()
