"""Re-detection: search the anonymized images for persons who were missed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from anon_ros.bags.run_files.report import RunReport
from anon_ros.config import (
    Config,
    DetectionConfig,
    all_parameters,
    find_weaker,
    load_config,
)
from anon_ros.core import Detections, Mask, RgbImage, Segmenter
from anon_ros.errors import format_error

# With less of a person inside the replaced pixels, it is not one of the replaced persons.
_MIN_INSIDE_RATIO = 0.5
_ENLARGEMENT = 1.5
_STRIDE_PX = 32
# The detection pass takes low scores, too: they cost a patch of background. Here they would cost
# somebody's time.
_MIN_SCORE = 0.25


@dataclass(frozen=True)
class MissedPerson:
    """A person outside the replaced pixels.

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


@dataclass(frozen=True)
class RedetectionResult:
    """The persons of an anonymized image.

    Attributes:
        missed_persons: outside the replaced pixels.
        replaced_boxes_xyxy: of the persons inside the replaced pixels, px.
        min_score: of all persons; None without any.
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

    def redetect(self, image: RgbImage, mask: Mask | None) -> RedetectionResult:
        """Detect persons outside and inside the replaced pixels.

        Args:
            image: (H, W, 3) uint8 RGB, of the output.
            mask: (H, W) bool, replaced pixels; None if no replacement looks like a person.
        """
        try:
            detections = self.segmenter.segment(image)
        except Exception as error:  # noqa: BLE001 - a person may be there
            return RedetectionResult(problem=f"re-detection failed: {format_error(error)}")
        missed_persons, replaced_boxes_xyxy = [], []
        for box_xyxy, score, person_mask in zip(
            detections.boxes_xyxy, detections.scores, detections.masks, strict=True
        ):
            inside_ratio = _measure_inside_ratio(person_mask, mask)
            box = tuple(box_xyxy.tolist())
            if inside_ratio < _MIN_INSIDE_RATIO:
                missed_persons.append(MissedPerson(box, float(score), inside_ratio))
            else:
                replaced_boxes_xyxy.append(box)
        min_score = float(detections.scores.min()) if len(detections) else None
        return RedetectionResult(missed_persons, replaced_boxes_xyxy, min_score)


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
