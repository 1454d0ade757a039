"""``anon_ros evaluate quality``: do the results look like the originals?"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import Detections, Mask, RgbImage, Roi, make_regions
from anon_ros.evaluation.image_statistics import ImageMetrics, ImageStatistics, load_image_metrics
from anon_ros.evaluation.inputs.frames import iter_frame_pairs, iter_frames
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.options import QualityOptions
from anon_ros.evaluation.person_crops import EXTERNAL_METHOD
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.quality.tables import (
    ORIGINAL,
    compare_to_originals,
    list_quality_limitations,
    make_quality_plots,
    make_quality_table,
    summarize_quality,
)
from anon_ros.evaluation.report.model import Report
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import track_progress

StatisticsByKind = dict[str, dict[str, ImageStatistics]]
"""By kind of image, by method."""
FULL, PERSONS = "full images", "persons"
_MIN_SIDE_PX = 16
_EXTERNAL_LIMITATION = (
    "Background change: by the persons detected in each frame alone. Persons whose masks were "
    "propagated from other frames count as background, as does what a lossy encoding changes "
    "(anon_ros verify knows both)."
)
_MARGIN_RATIO = 0.05  # of the box, on each side


def evaluate_quality(options: QualityOptions, config: Config) -> Report:
    """Compare the look of original and anonymized images.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing that was asked for.
    """
    metrics = load_image_metrics(options.networks, config, options.output)
    runner = None
    if options.comparison.anonymized is None:
        runner = MethodRunner.load(config, options.comparison.methods, options.output)
    measurement = _Measurement(config, metrics)
    for images, detections in _iter_views(options, config, runner):
        measurement.add(images, detections)
    statistics = measurement.statistics
    scores = {
        kind: compare_to_originals(by_method, metrics) for kind, by_method in statistics.items()
    }
    limitations = list_quality_limitations(statistics, metrics)
    if measurement.num_too_small:
        limitations.append(
            f"{measurement.num_too_small} persons with a side below {_MIN_SIDE_PX} px were left "
            "out."
        )
    limitations += runner.limitations() if runner else [_EXTERNAL_LIMITATION]
    methods = tuple(runner.anonymizers) if runner else ()
    return Report(
        f"Image quality: {options.frames.path.name}",
        summarize_quality(scores.get(PERSONS, {})),
        [make_quality_table(kind, by_method, metrics) for kind, by_method in scores.items()],
        make_quality_plots(scores, metrics),
        limitations,
        collect_provenance(config, methods, metrics.networks),
    )


def _iter_views(
    options: QualityOptions, config: Config, runner: MethodRunner | None
) -> Iterator[tuple[dict[str, RgbImage], Detections]]:
    """Yield the original and the images by method of each frame, and its persons."""
    if runner is None:
        segmenter = build_segmenter(config)
        pairs = iter_frame_pairs(options.frames, options.comparison)
        for frame, anonymized in track_progress(pairs, "comparing"):
            images = {ORIGINAL: frame.image, EXTERNAL_METHOD: anonymized.image}
            yield images, segmenter.segment(frame.image)
    else:
        for frame in track_progress(iter_frames(options.frames), "comparing"):
            detections = runner.detect(frame.image)
            images = runner.anonymize(frame.image, detections)
            yield {ORIGINAL: frame.image, **images}, detections


@dataclass
class _Measurement:
    """Statistics of all frames so far.

    Attributes:
        config: of the masks.
        metrics: to measure with.
        statistics: by kind of image, without the kinds of which there is no image.
        num_too_small: persons who were left out.
    """

    config: Config
    metrics: ImageMetrics
    statistics: StatisticsByKind = field(default_factory=dict)
    num_too_small: int = 0
    _num_frames: int = 0

    def add(self, images: dict[str, RgbImage], detections: Detections) -> None:
        """Measure a frame and its persons.

        Args:
            images: the original and its anonymized versions, by method.
            detections: persons of the original.
        """
        height_px, width_px = images[ORIGINAL].shape[:2]
        rois = [_widen_box(box, width_px, height_px) for box in detections.boxes_xyxy]
        large = [roi for roi in rois if min(roi.width_px, roi.height_px) >= _MIN_SIDE_PX]
        self.num_too_small += len(rois) - len(large)
        self._add_crops(FULL, images, [Roi(0, 0, width_px, height_px)])
        self._add_crops(PERSONS, images, large)
        self._add_background_change(images, detections)
        self._num_frames += 1

    def _add_crops(self, kind: str, images: dict[str, RgbImage], rois: list[Roi]) -> None:
        if not rois:
            return
        frames = [self._num_frames] * len(rois)
        originals = _cut_out(images[ORIGINAL], rois)
        by_method = self.statistics.setdefault(kind, {})
        for method, image in images.items():
            statistics = by_method.setdefault(method, ImageStatistics())
            statistics.add(_cut_out(image, rois), originals, self.metrics, frames)

    def _add_background_change(self, images: dict[str, RgbImage], detections: Detections) -> None:
        background = _find_background(detections, self.config, *images[ORIGINAL].shape[:2])
        for method, image in images.items():
            difference = cv2.absdiff(image, images[ORIGINAL])[background]
            total = float(difference.mean(axis=1).sum())
            self.statistics[FULL][method].background_change.append((total, len(difference)))


def _cut_out(image: RgbImage, rois: list[Roi]) -> list[RgbImage]:
    return [np.ascontiguousarray(image[roi.slices]) for roi in rois]


def _find_background(detections: Detections, config: Config, height_px: int, width_px: int) -> Mask:
    """Return (H, W) bool, True where nothing may be replaced."""
    background = np.ones((height_px, width_px), np.bool_)
    for region in make_regions(detections, config.mask):
        background[region.window.slices] = False
    return background


def _widen_box(box_xyxy: npt.NDArray[Any], width_px: int, height_px: int) -> Roi:
    x0, y0, x1, y1 = box_xyxy.tolist()
    margin_x, margin_y = _MARGIN_RATIO * (x1 - x0), _MARGIN_RATIO * (y1 - y0)
    sides = (x0 - margin_x, y0 - margin_y, x1 + margin_x, y1 + margin_y)
    return Roi(*(round(side) for side in sides)).clip(width_px, height_px)
