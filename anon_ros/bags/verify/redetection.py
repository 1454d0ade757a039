"""Re-detection: search the images for persons who were missed."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from anon_ros.bags.run_files.report import RunReport
from anon_ros.config import (
    Config,
    DetectionConfig,
    all_parameters,
    find_weaker,
    load_config,
)
from anon_ros.core import Detections, Mask, RgbImage, Roi, Segmenter, erode
from anon_ros.errors import format_error

# With less of a person inside the replaced pixels, it is not one of the replaced persons.
_MIN_INSIDE_RATIO = 0.5
# With less, a person of the input is in the output as before, which was searched.
_MIN_TOUCHED_RATIO = 0.1
# Sides of squares of a person that were not replaced, as ratios of the square root of the person's
# area: about a head, which is in the upper third of whoever stands; and more than a foot.
_HEAD_RATIO, _PART_RATIO = 0.12, 0.25
_HEAD_HEIGHTS, _MIN_SQUARE_PX = 3, 3
_ENLARGEMENT = 1.5
_STRIDE_PX = 32
# The detection pass takes low scores, too: they cost a patch of background. Here they would cost
# somebody's time.
_MIN_SCORE = 0.25


@dataclass(frozen=True)
class MissedPerson:
    """A person of whom more than an outline is outside the replaced pixels.

    Attributes:
        box_xyxy: px.
        score: 0..1.
        inside_ratio: of the person's pixels, those that were replaced.
    """

    box_xyxy: tuple[float, ...]
    score: float
    inside_ratio: float

    def __str__(self) -> str:
        """Return a sentence without its end."""
        x0, y0, x1, y1 = (round(side) for side in self.box_xyxy)
        return (
            f"a person at {x0},{y0} to {x1},{y1} px, score {self.score:.2f}, "
            f"{self.inside_ratio:.0%} of it replaced"
        )

    def overlaps(self, person: "MissedPerson") -> bool:
        """Return True if the boxes have pixels in common."""
        left, right = (Roi.from_box_xyxy(p.box_xyxy) for p in (self, person))
        return not left.intersection(right).is_empty


@dataclass(frozen=True)
class RedetectionResult:
    """The persons of an image and its input.

    Attributes:
        missed_persons: outside the replaced pixels, or with a part such as the head.
        replaced_boxes_xyxy: of the persons inside the replaced pixels, px.
        min_score: of all persons of the output; None without any.
        problem: because of which there was no search; else empty.
    """

    missed_persons: Sequence[MissedPerson] = ()
    replaced_boxes_xyxy: Sequence[tuple[float, ...]] = ()
    min_score: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class MirroredSegmenter:
    """A Segmenter that gets the mirrored image, and so makes other mistakes."""

    segmenter: Segmenter

    def segment(self, image: RgbImage) -> Detections:
        """Detect the persons of ``image``, in its own coordinates."""
        detections = self.segmenter.segment(np.ascontiguousarray(image[:, ::-1]))
        boxes_xyxy = detections.boxes_xyxy.copy()
        boxes_xyxy[:, [0, 2]] = image.shape[1] - detections.boxes_xyxy[:, [2, 0]]
        masks = np.ascontiguousarray(detections.masks[..., ::-1])
        return replace(detections, boxes_xyxy=boxes_xyxy, masks=masks)


@dataclass
class Redetector:
    """Searcher of the first of every ``every_nth`` images of a topic.

    A segmenter detects synthetic persons, too: a person inside the replaced pixels counts only if
    they look as in the input, which is for the caller to judge.
    """

    segmenter: Segmenter
    every_nth: int
    _num_images: Counter[str] = field(default_factory=Counter)

    def is_due(self, topic: str) -> bool:
        """Return True if an image is to be searched; to be called once per image."""
        is_due = self._num_images[topic] % self.every_nth == 0
        self._num_images[topic] += 1
        return is_due

    def redetect(
        self, image: RgbImage, mask: Mask | None, input_image: RgbImage | None = None
    ) -> RedetectionResult:
        """Detect persons outside and inside the replaced pixels.

        The output alone does not show of whom a head was left over: without its body, a segmenter
        takes it for nobody, and with a synthetic one it finds a person, most of them replaced.

        Args:
            image: (H, W, 3) uint8 RGB, of the output.
            mask: (H, W) bool, replaced pixels; None if no replacement looks like a person.
            input_image: (H, W, 3) uint8 RGB, of the input; None if nobody was replaced.
        """
        try:
            detections = self.segmenter.segment(image)
            originals = None if input_image is None else self.segmenter.segment(input_image)
        except Exception as error:  # noqa: BLE001 - a person may be there
            return RedetectionResult(problem=f"re-detection failed: {format_error(error)}")
        missed_persons, replaced_boxes_xyxy = _sort_persons(
            detections, mask, [False] * len(detections)
        )
        if originals is not None and mask is not None:
            exposed = [_has_exposed_part(person, mask) for person in originals.masks]
            persons, boxes_xyxy = _sort_persons(originals, mask, exposed)
            missed_persons += [
                person
                for person in persons
                if person.inside_ratio >= _MIN_TOUCHED_RATIO
                and not any(map(person.overlaps, missed_persons))
            ]
            replaced_boxes_xyxy += boxes_xyxy
        min_score = float(detections.scores.min()) if len(detections) else None
        return RedetectionResult(missed_persons, replaced_boxes_xyxy, min_score)


def _sort_persons(
    detections: Detections, mask: Mask | None, exposed: Sequence[bool]
) -> tuple[list[MissedPerson], list[tuple[float, ...]]]:
    """Return the persons who were missed, and the boxes of those who were replaced."""
    missed_persons, replaced_boxes_xyxy = [], []
    for person_mask, box_xyxy, score, is_exposed in zip(
        detections.masks, detections.boxes_xyxy, detections.scores, exposed, strict=True
    ):
        inside_ratio = _measure_inside_ratio(person_mask, mask)
        box = tuple(box_xyxy.tolist())
        if inside_ratio < _MIN_INSIDE_RATIO or is_exposed:
            missed_persons.append(MissedPerson(box, float(score), inside_ratio))
        else:
            replaced_boxes_xyxy.append(box)
    return missed_persons, replaced_boxes_xyxy


def _has_exposed_part(person_mask: Mask, mask: Mask) -> bool:
    """Return True if a part that may be the head, or is more than a foot, was not replaced.

    Parts count if they hang together with what was replaced, heads also if they are above it:
    segmenters add patches of ground at the corners of a box, and to whoever lies on it.
    """
    roi = Roi.from_mask(person_mask)
    person, replaced = person_mask[roi.slices], mask[roi.slices]
    exposed = person & ~replaced
    root_px = math.sqrt(np.count_nonzero(person))
    labels = cv2.connectedComponents(np.ascontiguousarray(person).view(np.uint8))[1]
    is_attached = np.isin(labels, np.unique(labels[person & replaced]))
    if _holds_square(exposed & is_attached, _PART_RATIO * root_px):
        return True
    is_above = (person & replaced)[: roi.height_px // 2].any(axis=0)
    upper = (exposed & (is_attached | is_above))[: math.ceil(roi.height_px / _HEAD_HEIGHTS)]
    return roi.height_px > roi.width_px and _holds_square(upper, _HEAD_RATIO * root_px)


def _holds_square(mask: Mask, side_px: float) -> bool:
    return bool(erode(mask, max(_MIN_SQUARE_PX, round(side_px))).any())


def _measure_inside_ratio(person_mask: Mask, mask: Mask | None) -> float:
    if mask is None:
        return 0.0
    return float(np.mean(mask[person_mask])) if person_mask.any() else 1.0


def redetection_config(report: RunReport, overrides: Mapping[str, object]) -> Config:
    """Return the parameters of re-detection: those of the run, at a larger image size.

    Those that would find fewer persons than the defaults are not taken from a report, which may be
    anybody's, nor are its weights.

    Args:
        report: of the run.
        overrides: by name of the parameter.

    Raises:
        ConfigError: if a value is not allowed.
    """
    weaker = find_weaker(report.config, Config())
    detect = replace(
        report.config.detect,
        **{
            name: value
            for name, value in vars(DetectionConfig()).items()
            if f"detect.{name}" in weaker
        },
    )
    # A class more finds more; a report alone may not say that persons are called otherwise.
    classes = dict.fromkeys((*DetectionConfig().classes, *report.config.detect.classes))
    enlarged_px = round(detect.inference_px * _ENLARGEMENT / _STRIDE_PX) * _STRIDE_PX
    max_px = all_parameters()["detect.inference_px"].spec.maximum
    values = {
        # Weights are named anew, and so is their back-end.
        **{
            f"detect.{name}": value
            for name, value in vars(detect).items()
            if name not in {"weights", "backend"}
        },
        "detect.inference_px": enlarged_px if max_px is None else min(enlarged_px, int(max_px)),
        "detect.classes": tuple(classes),
        "detect.confidence": max(detect.confidence, _MIN_SCORE),
    }
    return load_config(None, {**values, **overrides})
