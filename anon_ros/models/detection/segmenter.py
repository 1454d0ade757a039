"""Instance segmentation of persons (arXiv 2410.08551, section 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.images import stretch_dim
from anon_ros.models.detection.backends.backend import DetectionBackend, limit_persons
from anon_ros.models.detection.backends.ensemble import load_backend
from anon_ros.models.detection.joining import join_tiles
from anon_ros.models.detection.tiles import plan_tiles

_MAX_FRAMES_ON_GPU = 8


@dataclass
class BatchLimit:
    """The number of frames that a GPU has the memory for, as far as calls have shown."""

    frames: int = _MAX_FRAMES_ON_GPU


@dataclass(frozen=True)
class PersonSegmenter:
    """A Segmenter over a detection network.

    Attributes:
        backend: the network, or several.
        config: thresholds.
        min_confidence: also return weak candidates down to this score, at most
            ``config.max_persons`` in total; None for persons alone.
        limit: of joint calls; common to all copies.
    """

    backend: DetectionBackend
    config: DetectionConfig
    min_confidence: float | None = None
    limit: BatchLimit = field(default_factory=BatchLimit)

    @classmethod
    def load(cls, config: DetectionConfig, device: str) -> "PersonSegmenter":
        """Load ``config.weights`` on the device of that name.

        Raises:
            ModelError: if the weights are missing, damaged or lack a class, or the device is
                missing.
        """
        return cls(load_backend(config, device), config)

    def with_thresholds(
        self, config: DetectionConfig, min_confidence: float | None
    ) -> "PersonSegmenter":
        """Return the same network with all settings but weights and classes from ``config``."""
        return replace(self, config=config, min_confidence=min_confidence)

    def segment(self, image: RgbImage) -> Detections:
        """Return every person of ``image``, with masks (N, H, W) at its full resolution.

        A scene of low contrast, or a dark one, is searched stretched, too.

        Raises:
            SegmentationError: if the network's output is not finite or reaches ``max_persons``.
        """
        (detections,) = self.segment_batch([image])
        return detections

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call."""
        return self.limit.frames if self.backend.device.type == "cuda" else 1

    def segment_batch(self, images: Sequence[RgbImage]) -> list[Detections]:
        """Return the persons of each image, from joint calls of the network.

        Raises:
            SegmentationError: as ``segment``, if any image fails.
        """
        looks = [[image, *stretch_dim(image)] for image in images]
        try:
            results = iter(self._search([look for group in looks for look in group]))
        except torch.cuda.OutOfMemoryError:  # the caller goes on frame by frame
            if len(images) > 1:
                self.limit.frames = len(images) // 2
            raise
        return [self._merge([next(results) for _ in group]) for group in looks]

    def _search(self, images: Sequence[RgbImage]) -> list[Detections]:
        """Return the persons of each picture, found in its tiles and in the whole."""
        confidence = self.config.confidence
        min_score = confidence if self.min_confidence is None else self.min_confidence
        plans = [plan_tiles(image.shape[1], image.shape[0], self.config) for image in images]
        pictures = [
            np.ascontiguousarray(image[tile.slices])
            for image, grids in zip(images, plans, strict=True)
            for grid in grids
            for tile in grid
        ]
        parts = iter(self.backend.search(pictures, self.config, min_score))
        return [
            self._join(grids, list(islice(parts, sum(map(len, grids)))), *image.shape[:2])
            for image, grids in zip(images, plans, strict=True)
        ]

    def _join(
        self,
        grids: Sequence[Sequence[Roi]],
        parts: Sequence[Detections],
        height_px: int,
        width_px: int,
    ) -> Detections:
        if len(parts) == 1:
            return parts[0]
        return self._limit(join_tiles(grids, parts, height_px, width_px, self.config.confidence))

    def _merge(self, looks: Sequence[Detections]) -> Detections:
        """Return the persons of several looks at an image, each once, with the pixels of all.

        The worse outline often has the better score.
        """
        if len(looks) == 1:
            return looks[0]
        height_px, width_px = looks[0].masks.shape[1:]
        image = Roi(0, 0, width_px, height_px)
        return self._join([[image]] * len(looks), looks, height_px, width_px)

    def _limit(self, persons: Detections) -> Detections:
        """Return the first ``max_persons`` persons, who are sorted by score."""
        indices = torch.arange(len(persons))
        count = len(limit_persons(indices, torch.from_numpy(persons.scores), self.config))
        return persons.take(slice(count))
