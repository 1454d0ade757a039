"""Persons with their belongings, and targets of other classes of the same networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import Config, DetectionConfig, list_targets
from anon_ros.core import (
    TARGET_STRIDE,
    Detections,
    Mask,
    RgbImage,
    complete_mask,
    concatenate_detections,
)
from anon_ros.errors import ModelError
from anon_ros.models.detection.backends.backend import DetectionBackend, find_class_ids
from anon_ros.models.detection.segmenter import PersonSegmenter

# Masks of neighbors end a little apart: a belonging that is grown by so much of its size touches.
_REACH_RATIO = 0.15
_MIN_REACH_PX = 2


@dataclass(frozen=True)
class TargetSegmenter:
    """A Segmenter of persons and of more, each class group searched for itself.

    So no vehicle takes a person's place in non-maximum suppression. Every group costs a run of the
    network.

    Attributes:
        persons: their segmenter.
        belongings: of what is joined to the person whom it touches; None for nothing.
        targets: of the other targets, in the order of the configuration.
    """

    persons: PersonSegmenter
    belongings: PersonSegmenter | None = None
    targets: Sequence[PersonSegmenter] = ()

    @classmethod
    def wrap(cls, persons: PersonSegmenter, config: Config) -> "TargetSegmenter":
        """Return a segmenter of all that ``config`` names, over the networks of ``persons``.

        Raises:
            ModelError: if no network has a class.
        """

        def choose(name: str, classes: Sequence[str], detect: DetectionConfig) -> PersonSegmenter:
            class_ids = find_class_ids(persons.backend, classes, detect.weights, name)
            return replace(persons, backend=persons.backend.with_classes(class_ids), config=detect)

        join, detect = config.mask.join, config.detect
        belongings = choose("mask.join", join, detect) if join else None
        targets = [
            choose(
                f"targets.{name}.classes",
                target.classes,
                replace(detect, confidence=target.confidence),
            )
            for name, target in list_targets(config).items()
        ]
        return cls(persons, belongings, targets)

    def refuse_unused(self, config: Config) -> None:
        """Refuse networks with none of the classes that ``config`` names.

        Raises:
            ModelError: if there is one; names its classes.
        """
        targets = [name for target in list_targets(config).values() for name in target.classes]
        wanted = [*config.detect.classes, *config.mask.join, *targets]
        for name, member in zip(config.detect.weights, self.backend.members, strict=True):
            if not {*wanted} & {*member.names.values()}:
                message = (
                    f"detect.weights: {name} has none of the classes that are searched for "
                    f"({', '.join(wanted)}); remove it, or name a class of it in detect.classes, "
                    f"mask.join or a target: {', '.join(dict.fromkeys(member.names.values()))}"
                )
                raise ModelError(message)

    @property
    def backend(self) -> DetectionBackend:
        """The network of the persons, and of all."""
        return self.persons.backend

    def with_thresholds(
        self, config: DetectionConfig, min_confidence: float | None
    ) -> "TargetSegmenter":
        """Return the same network with settings from ``config``; see ``PersonSegmenter``."""
        belongings = self.belongings
        return replace(
            self,
            persons=self.persons.with_thresholds(config, min_confidence),
            belongings=None if belongings is None else belongings.with_thresholds(config, None),
            targets=[
                target.with_thresholds(replace(config, confidence=target.config.confidence), None)
                for target in self.targets
            ],
        )

    def segment(self, image: RgbImage) -> Detections:
        """Return the persons of ``image``, then the other targets, in their order.

        The class ids of target number n, from 1, are those of the network plus n times
        ``TARGET_STRIDE``.

        Raises:
            SegmentationError: as ``PersonSegmenter.segment``.
        """
        (detections,) = self.segment_batch([image])
        return detections

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call."""
        return self.persons.max_batch

    def segment_batch(self, images: Sequence[RgbImage]) -> list[Detections]:
        """Return for each image what ``segment`` returns, from joint calls of the network.

        Raises:
            SegmentationError: as ``segment``, if any image fails.
        """
        persons = self._find_persons(images)
        if not self.targets:
            return persons
        parts = [persons]
        for number, target in enumerate(self.targets, start=1):
            results = target.segment_batch(images)
            parts.append(
                [replace(d, class_ids=d.class_ids + number * TARGET_STRIDE) for d in results]
            )
        return [concatenate_detections(frame_parts) for frame_parts in zip(*parts, strict=True)]

    def _find_persons(self, images: Sequence[RgbImage]) -> list[Detections]:
        """Return the persons of each image, with their belongings."""
        persons = self.persons.segment_batch(images)
        occupied = [index for index, detections in enumerate(persons) if len(detections)]
        if self.belongings is not None and occupied:
            belongings = self.belongings.segment_batch([images[index] for index in occupied])
            for index, detections in zip(occupied, belongings, strict=True):
                persons[index] = join_belongings(persons[index], detections)
        return persons


def join_belongings(persons: Detections, belongings: Detections) -> Detections:
    """Return the persons with the belongings that they touch added to their masks and boxes.

    A belonging goes to the person of whom it touches most, at any threshold: a weak candidate, who
    may be dropped, does not keep it from the persons above. What touches nobody is left out.

    Args:
        persons: the most likely first.
        belongings: in the same image.
    """
    bodies = _complete_masks(persons)
    masks, boxes_xyxy = bodies.copy(), persons.boxes_xyxy.copy()
    for belonging, box_xyxy in zip(_complete_masks(belongings), belongings.boxes_xyxy, strict=True):
        common_px = np.count_nonzero(bodies & _grow(belonging), axis=(1, 2))
        is_most = np.diff(np.maximum.accumulate(common_px), prepend=0) > 0
        masks[is_most] |= belonging
        boxes_xyxy[is_most, :2] = np.minimum(boxes_xyxy[is_most, :2], box_xyxy[:2])
        boxes_xyxy[is_most, 2:] = np.maximum(boxes_xyxy[is_most, 2:], box_xyxy[2:])
    return replace(persons, masks=masks, boxes_xyxy=boxes_xyxy)


def _complete_masks(detections: Detections) -> npt.NDArray[np.bool_]:
    """Return (N, H, W) bool, new: joined, a mask that missed the person would not seem to have."""
    masks = detections.masks.copy()
    for mask, box_xyxy in zip(masks, detections.boxes_xyxy, strict=True):
        mask[:] = complete_mask(mask, box_xyxy)
    return masks


def _grow(mask: Mask) -> Mask:
    reach_px = max(_MIN_REACH_PX, _REACH_RATIO * math.sqrt(np.count_nonzero(mask)))
    distance_px = cv2.distanceTransform(np.uint8(1) - mask.view(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance_px <= reach_px, np.bool_)
