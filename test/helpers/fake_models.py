"""Persons of one colour, which nothing else has: wherever it is seen, somebody was published."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import cv2
import numpy as np

from anon_ros.config import Config, InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Crop, Detections, InpaintFailure, Mask, RgbImage
from anon_ros.images import load_regions
from anon_ros.models import build_tracker
from anon_ros.models.factory import build_targets
from anon_ros.tracking import Tracker
from helpers.arrays import inpaint_noise

_MARGIN = 50
_LIMIT_S = 120


def make_street_image(width_px: int, height_px: int, seed: int = 0) -> RgbImage:
    """Grey texture with three persons in green, one of them cut off by the border."""
    image = _make_clouds(height_px, width_px, seed)
    for left, top, width, height in (
        (0.1, 0.3, 0.1, 0.4),
        (0.45, 0.2, 0.15, 0.6),
        (0.9, 0.5, 0.1, 0.5),
    ):
        x, y = round(left * width_px), round(top * height_px)
        image[y : y + round(height * height_px), x : x + round(width * width_px)] = (0, 255, 0)
    return image


def _make_clouds(height_px: int, width_px: int, seed: int) -> RgbImage:
    """Grey that changes slowly: a bayer pattern would show sharp edges in false colours."""
    coarse = np.random.default_rng(seed).integers(60, 200, (8, 8), np.uint8)
    grey = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(np.repeat(grey[..., None], 3, axis=2))


def find_sentinel_pixels(image: RgbImage) -> Mask:
    """(H, W) bool: the pixels that are clearly greener than grey."""
    red, green, blue = cv2.split(image.astype(np.int16))
    return np.asarray(green - np.maximum(red, blue) > _MARGIN, np.bool_)


class SentinelSegmenter:
    """A Segmenter that finds what has the colour, and its surroundings as encodings blur them."""

    def segment(self, image: RgbImage) -> Detections:
        red, green, blue = cv2.split(image.astype(np.int16))
        greenish = (green - np.maximum(red, blue) > _MARGIN // 4).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(greenish)
        persons = [index for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] > 20]
        masks = np.array([labels == index for index in persons], np.bool_)
        boxes = [
            [x, y, x + width, y + height] for x, y, width, height, _ in (stats[i] for i in persons)
        ]
        return Detections(
            boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
            scores=np.ones(len(persons), np.float32),
            class_ids=np.zeros(len(persons), np.int64),
            masks=masks.reshape(-1, *image.shape[:2]),
        )


@dataclass
class BatchingSegmenter(SentinelSegmenter):
    """Takes frames together; fails if one of them is as high as wide."""

    max_batch: int = 4
    batch_sizes: list[int] = field(default_factory=list)

    def segment(self, image: RgbImage) -> Detections:
        if image.shape[0] == image.shape[1]:
            message = "injected: a square"
            raise RuntimeError(message)
        return super().segment(image)

    def segment_batch(self, images: Sequence[RgbImage]) -> list[Detections]:
        self.batch_sizes.append(len(images))
        return [self.segment(image) for image in images]


@dataclass
class NoiseInpainter:
    """An Inpainter that draws grey noise, and can be slow or held up."""

    seconds_per_person: float = 0.0
    may_continue: Event | None = None
    batch_sizes: list[int] = field(default_factory=list)
    max_batch: int = 1
    draws_persons: bool = False
    keeps_grid: bool = False

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        self.batch_sizes.append(len(crops))
        if self.may_continue is not None:
            assert self.may_continue.wait(_LIMIT_S)
        time.sleep(self.seconds_per_person * len(crops))
        return [self.inpaint_crop(crop) for crop in crops]

    @staticmethod
    def inpaint_crop(crop: Crop) -> RgbImage:
        return _make_clouds(*crop.mask.shape, crop.seed)


class BlendingInpainter(NoiseInpainter):
    """Lets its result depend on the image that it starts from."""

    @staticmethod
    def inpaint_crop(crop: Crop) -> RgbImage:
        inpainted = NoiseInpainter.inpaint_crop(crop)
        if crop.init_image is None:
            return inpainted
        return np.asarray(cv2.addWeighted(inpainted, 0.5, crop.init_image, 0.5, 0), np.uint8)


@dataclass
class SentinelModelProvider:
    """Models for the node: real masks, cover, composite and encoding around known persons."""

    segmenter: SentinelSegmenter = field(default_factory=SentinelSegmenter)
    inpainter: NoiseInpainter = field(default_factory=NoiseInpainter)
    fallbacks: dict[str, int] = field(default_factory=dict)
    configs: list[Config] = field(default_factory=list)
    num_releases: int = 0
    gpu_memory_bytes: tuple[int, int] | None = None

    def anonymizer(self, config: Config) -> Anonymizer:
        self.configs.append(config)
        find_regions = load_regions(config)
        models = self.segmenter, self.inpainter
        targets = build_targets(config)
        return Anonymizer(*models, config.mask, config.inpaint, find_regions, targets)

    def tracker(self, config: Config) -> Tracker:
        return build_tracker(config)

    def run_idle_work(self) -> None:
        pass

    def release(self) -> None:
        self.num_releases += 1

    def gpu_memory(self) -> tuple[int, int] | None:
        return self.gpu_memory_bytes


class FaultySegmenter(SentinelSegmenter):
    """Fails in one of the ways in which a network fails, or takes its time."""

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._random = random.Random(seed)  # noqa: S311 - nothing secret

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        if self._random.random() >= self._share:
            return found
        fault = self._random.choice(["raise", "memory", "size", "nan", "slow"])
        if fault == "raise":
            message = "injected: CUDA error"
            raise RuntimeError(message)
        if fault == "memory":
            raise MemoryError
        if fault == "size":
            return Detections.empty(5, 5)
        if fault == "nan":
            boxes = np.full((1, 4), np.nan, np.float32)
            return Detections(boxes, found.scores[:1], found.class_ids[:1], found.masks[:1])
        time.sleep(0.3)
        return found


class FaultyInpainter(NoiseInpainter):
    """Answers in one of the ways in which a diffusion fails, or takes its time."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self._share = share
        self._random = random.Random(seed)  # noqa: S311 - nothing secret

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        drawn = super().inpaint(crops)
        if not drawn or self._random.random() >= self._share:
            return drawn
        fault = self._random.choice(
            ["raise", "memory", "black", "original", "nan", "shape", "few", "refuse", "slow"]
        )
        if fault == "raise":
            message = "injected: CUDA error"
            raise RuntimeError(message)
        if fault == "memory":
            raise MemoryError
        if fault == "few":
            return drawn[1:]
        if fault == "slow":
            time.sleep(0.5)
        bad = {
            "black": np.zeros_like(drawn[0]),
            "original": crops[0].image,
            "nan": np.full(drawn[0].shape, np.nan),
            "shape": drawn[0][1:],
            "refuse": InpaintFailure("injected"),
        }
        return [bad.get(fault, drawn[0]), *drawn[1:]]


@dataclass
class FixedSegmenter:
    """A segmenter that knows the answer."""

    detections: Detections

    def segment(self, _: RgbImage) -> Detections:
        return self.detections


@dataclass
class FunctionInpainter:
    """An inpainter made of a function for one crop."""

    inpaint_crop: Callable[[Crop], RgbImage]
    max_batch: int = 1
    draws_persons: bool = True
    keeps_grid: bool = False

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
        return [self.inpaint_crop(crop) for crop in crops]


def make_anonymizer(
    found: Detections, draw: Callable[[Crop], RgbImage] = inpaint_noise, *, min_person_px: int = 0
) -> Anonymizer:
    inpaint = InpaintConfig(min_person_px=min_person_px)
    return Anonymizer(FixedSegmenter(found), FunctionInpainter(draw), MaskConfig(), inpaint)
