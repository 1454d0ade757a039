"""Print how many persons are found and covered, with and without tiles, and in crowds, as tables.

Cut-outs of labelled persons of a pedestrian video are pasted into the video's empty street: alone
into a panorama, and in pairs whose boxes overlap. Labels and weights are the demo's; needs no GPU.

usage: python bench/detection.py build/demo/yolov8s-seg-demo.pt [--video vtest.avi] [--only tiles]
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import DetectionConfig, MaskConfig
from anon_ros.core import Detections, Mask, RgbImage, Roi, make_regions
from anon_ros.core.masks import union_mask
from anon_ros.models.detection.backends import crowds
from anon_ros.models.detection.segmenter import PersonSegmenter

VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
LABELS = Path(__file__).parents[1] / "test" / "data" / "masks"
CONFIDENCE = 0.25  # the weights of the demo are weak
STRIDE = 8  # of the labelled frames
MIN_IOU = 0.5
UNCOVERED = 0.1  # of a person's pixels
PANORAMA_WH = 8192, 4096
NUM_PASTED = 120
HALF = 0.5
MIN_CUT_OUT = 60  # px
MIN_HEIGHT = 24
HEIGHT_BINS = 20, 24, 32, 48, 64, 96, 200
NEVER = 2.0  # no mask adds twice its own pixels
OVERLAPS = 0.5, 0.6, 0.7, 0.8, 0.9, 0.95
NUM_CROWDS, PAIRS = 12, 6
CROWD_HEIGHTS = 70, 130


@dataclass(frozen=True)
class CutOut:
    """A person with nothing around: pixels and mask of their box."""

    pixels: RgbImage
    mask: Mask

    def resize(self, width_px: int, height_px: int) -> "CutOut":
        shrinks = height_px < len(self.mask)
        size, how = (width_px, height_px), cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        mask = cv2.resize(self.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= HALF
        return CutOut(np.asarray(cv2.resize(self.pixels, size, interpolation=how)), mask)

    def paste(self, image: RgbImage, x: int, y: int) -> "Person":
        """Paste at a place."""
        height, width = self.mask.shape
        window = Roi(x, y, x + width, y + height)
        image[window.slices][self.mask] = self.pixels[self.mask]
        return Person(window, self.mask)


@dataclass(frozen=True)
class Person:
    """A known person: the pixels of ``mask`` in ``window``."""

    window: Roi
    mask: Mask

    @classmethod
    def from_mask(cls, mask: Mask) -> "Person":
        window = Roi.from_mask(mask)
        return cls(window, mask[window.slices].copy())

    def hide_by(self, other: "Person") -> "Person":
        """Return what shows of the person behind another one."""
        mask, common = self.mask.copy(), self.window.intersection(other.window)
        if not common.is_empty:
            hidden = other.mask[common.relative_to(other.window).slices]
            mask[common.relative_to(self.window).slices] &= ~hidden
        return Person(self.window, mask)

    def find_best_iou(self, found: Detections) -> float:
        """Return the IoU with the detection that fits best."""
        return max((self._get_iou(mask) for mask in found.masks), default=0.0)

    def _get_iou(self, mask: Mask) -> float:
        shared = np.count_nonzero(mask[self.window.slices] & self.mask)
        if not shared:
            return 0.0
        return shared / (np.count_nonzero(mask) + np.count_nonzero(self.mask) - shared)

    def get_uncovered(self, replaced: Mask) -> float:
        """Return the share of pixels that are not replaced."""
        shown = np.count_nonzero(self.mask & ~replaced[self.window.slices])
        return shown / np.count_nonzero(self.mask)


@dataclass(frozen=True)
class Scene:
    """An image (H, W, 3) RGB with known persons."""

    image: RgbImage
    persons: Sequence[Person]

    def get_false_cover(self, replaced: Mask) -> float:
        """Return the replaced pixels of nobody, as a share of the persons'."""
        rest, num_px = replaced.copy(), 0
        for person in self.persons:
            rest[person.window.slices] &= ~person.mask
            num_px += np.count_nonzero(person.mask)
        return np.count_nonzero(rest) / num_px


def read_video(path: Path) -> list[RgbImage]:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (frame := capture.read()[1]) is not None:
        frames.append(np.ascontiguousarray(frame[..., ::-1], dtype=np.uint8))
    return frames


def read_scenes(frames: Sequence[RgbImage]) -> list[Scene]:
    """Return the labelled frames."""
    scenes = []
    for path in sorted(LABELS.glob("vtest*.txt")):
        image, persons = frames[int(path.stem[5:])], []
        for line in path.read_text().splitlines():
            class_id, *numbers = line.split()
            outline = np.array(numbers, float).reshape(-1, 2) * image.shape[1::-1]
            pixels = np.zeros(image.shape[:2], np.uint8)
            cv2.fillPoly(pixels, [np.rint(outline).astype(np.int32)], 1)
            if class_id == "0":
                persons.append(Person.from_mask(pixels.astype(np.bool_)))
        scenes.append(Scene(image, persons))
    return scenes


def cut_out_persons(scenes: Iterable[Scene]) -> list[CutOut]:
    """Return upright persons whom nobody and no border touches."""
    cut_outs = []
    for scene in scenes:
        inner = Roi(3, 3, scene.image.shape[1] - 3, scene.image.shape[0] - 3)
        for person in scene.persons:
            window = person.window
            touching = [p for p in scene.persons if not p.window.intersection(window).is_empty]
            is_upright = (
                window.height_px >= MIN_CUT_OUT and window.width_px < 0.6 * window.height_px
            )
            if len(touching) == 1 and inner.contains(window) and is_upright:
                cut_outs.append(CutOut(scene.image[window.slices].copy(), person.mask))
    return cut_outs


def make_panorama(street: RgbImage, cut_outs: Sequence[CutOut], rng: np.random.Generator) -> Scene:
    """Return mirrored streets side by side, with one person of 20 to 200 px in each cell."""
    (width, height), (h, w) = PANORAMA_WH, street.shape[:2]
    rows = np.abs((np.arange(height) + h) % (2 * h) - h).clip(0, h - 1)
    columns = np.abs((np.arange(width) + w) % (2 * w) - w).clip(0, w - 1)
    image = np.ascontiguousarray(street[rows][:, columns])
    cells = [(x, y) for x in range(0, width - 511, 512) for y in range(0, height - 511, 512)]
    rng.shuffle(cells)
    persons = []
    for x, y in cells[:NUM_PASTED]:
        cut_out = cut_outs[rng.integers(len(cut_outs))]
        tall = int(np.exp(rng.uniform(np.log(HEIGHT_BINS[0]), np.log(HEIGHT_BINS[-1]))))
        wide = max(4, round(tall * cut_out.mask.shape[1] / cut_out.mask.shape[0]))
        left, top = x + int(rng.integers(512 - wide)), y + int(rng.integers(512 - tall))
        persons.append(cut_out.resize(wide, tall).paste(image, left, top))
    return Scene(image, persons)


def get_overlap(left: Sequence[int], right: Sequence[int]) -> float:
    """Return the IoU of two boxes: x, y, width, height."""
    starts, stops = (
        np.maximum(left[:2], right[:2]),
        np.minimum(np.add(left[:2], left[2:]), np.add(right[:2], right[2:])),
    )
    shared = float((stops - starts).clip(0).prod())
    return shared / (left[2] * left[3] + right[2] * right[3] - shared)


def make_crowd(
    street: RgbImage, cut_outs: Sequence[CutOut], overlap: float, rng: np.random.Generator
) -> Scene:
    """Return pairs of persons whose boxes overlap by about ``overlap``; masks of those behind."""
    image, persons = street.copy(), []
    places = [(x, y) for x in range(80, image.shape[1] - 180, 120) for y in (140, 330)]
    rng.shuffle(places)
    for x, y in places[:PAIRS]:
        front, behind = (cut_outs[i] for i in rng.choice(len(cut_outs), 2, replace=False))
        tall = int(rng.integers(*CROWD_HEIGHTS))
        wide = max(8, round(tall * front.mask.shape[1] / front.mask.shape[0]))
        shifts = [(right, down) for right in range(-wide, wide) for down in range(-8, 1)]
        shifts.sort(key=lambda s: abs(get_overlap((0, 0, wide, tall), (*s, wide, tall)) - overlap))
        right, down = shifts[rng.integers(2)]
        shown = behind.resize(wide, tall).paste(image, x + right, y + down)
        persons.append(shown.hide_by(front.resize(wide, tall).paste(image, x, y)))
    return Scene(image, [person for person in persons if person.mask.any()])


def get_replaced(found: Detections, image: RgbImage) -> Mask:
    return union_mask(make_regions(found, MaskConfig()), *image.shape[:2])


def resize_scene(scene: Scene, size: float) -> Scene:
    height, width = scene.image.shape[:2]
    wh = round(width * size), round(height * size)
    image = np.asarray(cv2.resize(scene.image, wh, interpolation=cv2.INTER_AREA), np.uint8)
    persons = []
    for person in scene.persons:
        mask = np.zeros((height, width), np.float32)
        mask[person.window.slices] = person.mask
        resized = cv2.resize(mask, wh, interpolation=cv2.INTER_AREA) >= HALF
        if resized.any():
            persons.append(Person.from_mask(resized))
    return Scene(image, persons)


def with_tiles(segmenter: PersonSegmenter, tiles: str) -> PersonSegmenter:
    return replace(segmenter, config=replace(segmenter.config, tiles=tiles))


def measure_video(segmenter: PersonSegmenter, scenes: Sequence[Scene]) -> None:
    print("| frames | tiles | persons | found | mean IoU | uncovered | false cover | s a frame |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in (1, 0.5, 0.25):
        resized = [resize_scene(scene, size) for scene in scenes]
        for tiles in ("off", "2x2", "3x3"):
            tiled = with_tiles(segmenter, tiles)
            ious: list[float] = []
            uncovered: list[float] = []
            false_cover: list[float] = []
            started = time.perf_counter()
            found = [tiled.segment(scene.image) for scene in resized]
            seconds = (time.perf_counter() - started) / len(resized)
            for scene, detections in zip(resized, found, strict=True):
                replaced = get_replaced(detections, scene.image)
                ious += [person.find_best_iou(detections) for person in scene.persons]
                uncovered += [person.get_uncovered(replaced) for person in scene.persons]
                false_cover.append(scene.get_false_cover(replaced))
            height, width = resized[0].image.shape[:2]
            is_found, is_open = np.array(ious) > MIN_IOU, np.array(uncovered) > UNCOVERED
            print(
                f"| {width} x {height} | {tiles} | {len(ious)} | {is_found.mean():.1%} | "
                f"{np.mean(ious):.3f} | {is_open.mean():.1%} | {np.mean(false_cover):.2f} | "
                f"{seconds:.2f} |",
                flush=True,
            )


def measure_panorama(segmenter: PersonSegmenter, scene: Scene) -> None:
    heights = np.array([person.window.height_px for person in scene.persons])
    native = find_at_native_scale(with_tiles(segmenter, "off"), scene)
    is_found, is_open = {}, {}
    for tiles in ("off", "auto"):
        started = time.perf_counter()
        found = with_tiles(segmenter, tiles).segment(scene.image)
        seconds = time.perf_counter() - started
        replaced = get_replaced(found, scene.image)
        is_found[tiles] = np.array([p.find_best_iou(found) > MIN_IOU for p in scene.persons])
        is_open[tiles] = np.array([p.get_uncovered(replaced) > UNCOVERED for p in scene.persons])
        print(
            f"tiles {tiles}: {len(found)} found, {seconds:.1f} s a frame, "
            f"false cover {scene.get_false_cover(replaced):.2f}",
            flush=True,
        )
    print("\n| height, px | persons | at native scale | off | auto | uncovered, off | auto |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    columns = native, is_found["off"], is_found["auto"], is_open["off"], is_open["auto"]
    for low, high in [*pairwise(HEIGHT_BINS), (MIN_HEIGHT, HEIGHT_BINS[-1])]:
        rows = (heights >= low) & (heights < high)
        texts = [f"{column[rows].mean():.1%}" for column in columns]
        print(f"| {low} to {high} | {rows.sum()} | " + " | ".join(texts) + " |")
    ratio = is_found["auto"][native & (heights >= MIN_HEIGHT)].mean()
    print(f"\nOf the persons of {MIN_HEIGHT} px and more found at native scale: {ratio:.1%}.")


def find_at_native_scale(segmenter: PersonSegmenter, scene: Scene) -> npt.NDArray[np.bool_]:
    """Return who is found in a picture of the network's own size with them in its middle."""
    side = segmenter.config.inference_px
    height, width = scene.image.shape[:2]
    found = []
    for person in scene.persons:
        left = min(max(0, (person.window.x0 + person.window.x1 - side) // 2), width - side)
        top = min(max(0, (person.window.y0 + person.window.y1 - side) // 2), height - side)
        view = Roi(left, top, left + side, top + side)
        detections = segmenter.segment(np.ascontiguousarray(scene.image[view.slices]))
        moved = Person(person.window.relative_to(view), person.mask)
        found.append(moved.find_best_iou(detections) > MIN_IOU)
    return np.array(found)


def measure_crowds(
    segmenter: PersonSegmenter, street: RgbImage, cut_outs: Sequence[CutOut]
) -> None:
    """Print who behind others stays uncovered, without the rule for crowds and with it."""
    rng = np.random.default_rng(1)
    print("\n| box IoU | persons behind | any pixel uncovered | with the rule | over 10 % | with |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    ratio = crowds.MIN_NEW_RATIO
    for overlap in OVERLAPS:
        uncovered: dict[float, list[float]] = {NEVER: [], ratio: []}
        for _ in range(NUM_CROWDS):
            scene = make_crowd(street, cut_outs, overlap, rng)
            for min_new, shares in uncovered.items():
                crowds.MIN_NEW_RATIO = min_new
                replaced = get_replaced(segmenter.segment(scene.image), scene.image)
                shares += [person.get_uncovered(replaced) for person in scene.persons]
        before, after = (np.array(shares) for shares in uncovered.values())
        texts = [
            f"{share.mean():.1%}"
            for share in (before > 0, after > 0, before > UNCOVERED, after > UNCOVERED)
        ]
        print(f"| {overlap} | {len(after)} | " + " | ".join(texts) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights")
    parser.add_argument("--video", type=Path, default=VIDEO)
    parser.add_argument("--only", choices=("tiles", "panorama", "crowds"), nargs="+")
    options = parser.parse_args()
    classes = "person", "fallen person"
    config = DetectionConfig(weights=(options.weights,), classes=classes, confidence=CONFIDENCE)
    segmenter = PersonSegmenter.load(config, "cpu")
    frames = read_video(options.video)
    scenes = read_scenes(frames)
    street = np.median(np.stack(frames[::20]), axis=0).astype(np.uint8)
    cut_outs = cut_out_persons(scenes)
    only = options.only or ("tiles", "panorama", "crowds")
    if "crowds" in only:
        measure_crowds(segmenter, street, cut_outs)
    if "panorama" in only:
        measure_panorama(segmenter, make_panorama(street, cut_outs, np.random.default_rng(0)))
    if "tiles" in only:
        measure_video(segmenter, scenes[::STRIDE])


if __name__ == "__main__":
    main()
