"""Persons made by hand, for properties that need exact masks; and what the node's log says."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from anon_ros.config import InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Crop, Detections, Mask, RgbImage


def make_detections(masks: Sequence[Mask]) -> Detections:
    """Detections with the masks' own bounds as boxes (an empty mask gets the whole image)."""
    height_px, width_px = masks[0].shape
    boxes = []
    for mask in masks:
        rows, columns = np.nonzero(mask if mask.any() else ~mask)
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return Detections(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.ones(len(masks), np.float32),
        class_ids=np.zeros(len(masks), np.int64),
        masks=np.array(masks, np.bool_).reshape(-1, height_px, width_px),
    )


def make_rectangle(height_px: int, width_px: int, rows: slice, columns: slice) -> Mask:
    mask = np.zeros((height_px, width_px), np.bool_)
    mask[rows, columns] = True
    return mask


@dataclass
class FixedSegmenter:
    """A segmenter that knows the answer."""

    answer: Detections

    def segment(self, _: RgbImage) -> Detections:
        return self.answer


@dataclass
class FunctionInpainter:
    """An inpainter made of a function for one crop."""

    draw: Callable[[Crop], RgbImage]

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
        return [self.draw(crop) for crop in crops]


def inpaint_noise(crop: Crop) -> RgbImage:
    """Outside the mask the original, as a diffusion model's answer nearly is; noise inside."""
    drawn = np.random.default_rng(crop.seed).integers(1, 256, crop.image.shape, np.uint8)
    return np.where(crop.mask[..., None], drawn, crop.image)


def make_anonymizer(
    found: Detections, draw: Callable[[Crop], RgbImage] = inpaint_noise, *, min_person_px: int = 0
) -> Anonymizer:
    inpaint = InpaintConfig(min_person_px=min_person_px)
    return Anonymizer(FixedSegmenter(found), FunctionInpainter(draw), MaskConfig(), inpaint)


def parse_frame_counts(log: str, topic: str) -> dict[str, int]:
    """The last counters that the node logged for a topic."""
    line = [line for line in log.splitlines() if f"{topic}: " in line and " received" in line][-1]
    words = re.findall(r"(\d+) (\w+)", line.rpartition(f"{topic}: ")[2])
    return {name: int(number) for number, name in words}
