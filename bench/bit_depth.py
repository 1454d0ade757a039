"""Print how many persons are covered in 16-bit and in dim 8-bit pictures, as a table.

Each version holds the gray of the same frames in other counts; the control is 8-bit gray. The
persons are the labelled ones that are found in it; they are covered where the masks of a version
have MIN_RATIO of their pixels. The looks are that of a run and the second one of `anon_ros verify`.

usage: python bench/bit_depth.py WEIGHTS, for example build/demo/yolov8s-seg-demo.pt of `make demo`
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import DetectionConfig
from anon_ros.core import Mask, RgbImage, Segmenter
from anon_ros.errors import ImageFormatError
from anon_ros.evaluation.labels.boxes import read_yolo_boxes
from anon_ros.images import RawImage, decode_raw, equalize_dim, equalize_tone, measure_tone
from anon_ros.models.detection.segmenter import PersonSegmenter

Gray = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.uint16]
DATA = Path(__file__).parents[1] / "test" / "data"
MIN_IOU = 0.5
MIN_RATIO = 0.8
LEVELS = (4, 6, 8, 12, 16, 32)


def stretch(gray: Gray, low: int, span: float) -> Counts:
    return np.asarray((low + gray / 255 * span).round(), np.uint16)


def add_noise(counts: Counts, deviation: float) -> Counts:
    noise = np.random.default_rng(0).normal(0, deviation, counts.shape)
    return np.asarray((counts + noise).clip(0, 65535).round(), np.uint16)


def make_linear_light(gray: Gray, white: float) -> Counts:
    return np.asarray(((gray / 255.0) ** 2.2 * white).round(), np.uint16)


def put_block(counts: Counts, rows: slice, columns: slice, value: int) -> Counts:
    counts[rows, columns] = value
    return counts


ALL, SUN = slice(None), (slice(0, 40), slice(0, 200))
VERSIONS: Mapping[str, Callable[[Gray], Counts]] = {
    "all 16 bits": lambda gray: stretch(gray, 0, 65535),
    "12 bits": lambda gray: stretch(gray, 0, 4095),
    "thermal, 940 counts from 51241": lambda gray: stretch(gray, 51241, 940),
    "thermal, 800 counts from 20000, noise": lambda gray: add_noise(stretch(gray, 20000, 800), 8),
    "linear HDR, the sun in view": lambda gray: put_block(
        add_noise(make_linear_light(gray, 1500), 2), *SUN, 60000
    ),
    "10 bits, 0.7 % saturated rows": lambda gray: put_block(
        stretch(gray, 0, 1023), slice(100, 104), ALL, 65535
    ),
    "10 bits, 3.5 % saturated rows": lambda gray: put_block(
        stretch(gray, 0, 1023), slice(100, 120), ALL, 65535
    ),
    "low contrast, 60 counts": lambda gray: stretch(gray, 30000, 60),
    "dark, linear, 120 counts": lambda gray: make_linear_light(gray, 120),
    **{
        f"{count} gray levels": lambda gray, count=count: stretch(gray, 30000, count - 1)
        for count in LEVELS
    },
}
DIM_VERSIONS: Mapping[str, Callable[[Gray], Counts]] = {
    **{
        f"8 bits, low contrast, {count} gray levels": lambda gray, count=count: stretch(
            gray, 100, count - 1
        )
        for count in (4, 6, 8, 12, 16, 32)
    },
    "8 bits, low contrast, 16 bright gray levels": lambda gray: stretch(gray, 220, 15),
    "8 bits, low contrast, 16 gray levels, noise": lambda gray: add_noise(
        stretch(gray, 100, 15), 0.5
    ),
    "8 bits, low contrast, 16 gray levels, white rows": lambda gray: put_block(
        stretch(gray, 100, 15), slice(100, 120), ALL, 255
    ),
    "8 bits, dark, 8 gray levels": lambda gray: stretch(gray, 0, 7),
    "8 bits, dark, linear, 16 gray levels": lambda gray: make_linear_light(gray, 15),
    "8 bits, dark, linear, 32 gray levels": lambda gray: make_linear_light(gray, 31),
    "8 bits, dark, linear, 32 gray levels, a lamp": lambda gray: put_block(
        make_linear_light(gray, 31), *SUN, 255
    ),
    "8 bits, dark, linear, 128 gray levels": lambda gray: make_linear_light(gray, 127),
}


def decode(counts: Counts, *, is_second_look: bool, is_8bit: bool) -> RgbImage:
    height_px, width_px = counts.shape
    encoding, sample_bytes = ("mono8", 1) if is_8bit else ("mono16", 2)
    raw = RawImage(
        *(height_px, width_px, encoding),
        is_bigendian=False,
        step=sample_bytes * width_px,
        data=counts.astype(f"<u{sample_bytes}").tobytes(),
        tone_rule=equalize_tone if is_second_look else measure_tone,
    )
    return equalize_dim(decode_raw(raw)) if is_second_look else decode_raw(raw)


def find_labelled(segmenter: Segmenter, image: RgbImage, name: str) -> list[Mask]:
    """Return the masks of the labelled persons who are found."""
    truth = read_yolo_boxes(DATA / "masks" / f"{name}.txt", *image.shape[:2]).boxes_xyxy
    found = segmenter.segment(image)
    overlaps = compute_iou(truth, found.boxes_xyxy)
    return [found.masks[row.argmax()] for row in overlaps if row.max() > MIN_IOU]


def count_covered(segmenter: Segmenter, images: list[RgbImage], persons: list[list[Mask]]) -> int:
    """Return the number of persons (masks per image) of whom a run covers ``MIN_RATIO``."""
    covers = [segmenter.segment(image).masks.any(axis=0) for image in images]
    return sum(
        bool(cover[mask].mean() >= MIN_RATIO)
        for cover, masks in zip(covers, persons, strict=True)
        for mask in masks
    )


def compute_iou(
    left: npt.NDArray[np.floating], right: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Return (N, M), the overlap of each pair of boxes."""
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=-1)
    left_px, right_px = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (left, right))
    return np.asarray(shared / (left_px[:, None] + right_px - shared), np.float64)


def main(weights: str) -> None:
    segmenter = PersonSegmenter.load(DetectionConfig(weights=(weights,)), "cpu")
    paths = sorted((DATA / "vtest").glob("*.jpg"))
    grays = [np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8) for path in paths]
    control = [np.repeat(gray[..., None], 3, axis=2) for gray in grays]
    persons = [
        find_labelled(segmenter, image, path.stem)
        for image, path in zip(control, paths, strict=True)
    ]
    print("| version | covered by a run | covered by the second look |")
    print("| --- | ---: | ---: |")
    total = count_covered(segmenter, control, persons)
    print(f"| 8-bit gray (control) | {total} | {total} |")
    for version, make in {**VERSIONS, **DIM_VERSIONS}.items():
        is_8bit = version in DIM_VERSIONS
        second = [decode(make(gray), is_second_look=True, is_8bit=is_8bit) for gray in grays]
        cells = ["refused", str(count_covered(segmenter, second, persons))]
        try:
            first = [decode(make(gray), is_second_look=False, is_8bit=is_8bit) for gray in grays]
        except ImageFormatError:
            pass
        else:
            cells[0] = str(count_covered(segmenter, first, persons))
        print(f"| {version} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
