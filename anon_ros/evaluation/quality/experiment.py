"""``anon_ros evaluate quality``: do the results look like images of the same place?"""

from argparse import Namespace
from collections.abc import Iterator

import cv2
import numpy as np

from anon_ros.cli.config_flags import parse_config
from anon_ros.config import Config
from anon_ros.core import Detections, Mask, RgbImage, Roi, make_regions
from anon_ros.evaluation.image_statistics import ImageMetrics, ImageStatistics, load_image_metrics
from anon_ros.evaluation.inputs.frames import iter_frame_pairs, iter_frames
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.person_crops import EXTERNAL_METHOD
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.quality.tables import (
    ORIGINAL,
    compare_to_originals,
    quality_limitations,
    quality_plots,
    quality_table,
    summarize_quality,
)
from anon_ros.evaluation.report.model import Report
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import track_progress

StatisticsByKind = dict[str, dict[str, ImageStatistics]]
"""By kind of image, by mode."""
FULL, PERSONS = "full images", "persons"
_LEAST_SIDE_PX = 16
_GIVEN_ELSEWHERE = (
    "Difference elsewhere: by who is found in each frame alone. Persons who were carried on from "
    "other frames count as elsewhere, as does what a lossy encoding changes (anon_ros verify knows "
    "both)."
)
_MARGIN_RATIO = 0.05  # of the box, on each side


def evaluate_quality(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing that was asked for.
    """
    config = parse_config(arguments)
    looks = load_image_metrics(arguments, config)
    scopes: StatisticsByKind = {FULL: {}, PERSONS: {}}
    too_small = 0
    modes = (
        None if arguments.anonymized else MethodRunner.load(config, arguments.modes, arguments.out)
    )
    for number, (images, found) in enumerate(_frames(arguments, config, modes)):
        height_px, width_px = images[ORIGINAL].shape[:2]
        windows = [_window(box, width_px, height_px) for box in found.boxes_xyxy]
        large = [w for w in windows if min(w.width_px, w.height_px) >= _LEAST_SIDE_PX]
        too_small += len(windows) - len(large)
        _add(scopes, FULL, images, [Roi(0, 0, width_px, height_px)], looks, number)
        _add(scopes, PERSONS, images, large, looks, number)
        kept = _kept(found, config, height_px, width_px)
        for mode, image in images.items():
            levels = cv2.absdiff(image, images[ORIGINAL])[kept]
            scopes[FULL][mode].background_change.append(
                (float(levels.mean(axis=1).sum()), len(levels))
            )
    seen = {kind: piles for kind, piles in scopes.items() if piles}
    figures = {kind: compare_to_originals(piles, looks) for kind, piles in seen.items()}
    limits = quality_limitations(seen, looks)
    if too_small:
        limits.append(f"{too_small} persons with a side below {_LEAST_SIDE_PX} px were left out.")
    limits += modes.limitations() if modes else [_GIVEN_ELSEWHERE]
    return Report(
        f"Image quality: {arguments.input.name}",
        summarize_quality(figures.get(PERSONS, {})),
        [quality_table(kind, modes, looks) for kind, modes in figures.items()],
        quality_plots(figures, looks),
        limits,
        collect_provenance(config, tuple(modes.anonymizers) if modes else (), looks.networks),
    )


def _frames(
    arguments: Namespace, config: Config, modes: MethodRunner | None
) -> Iterator[tuple[dict[str, RgbImage], Detections]]:
    """Each frame, the original and by mode, and who is in it."""
    if modes is None:
        segmenter = build_segmenter(config)
        pairs = iter_frame_pairs(arguments.input, arguments.anonymized, arguments)
        for frame, given in track_progress(pairs, "comparing"):
            images = {ORIGINAL: frame.image, EXTERNAL_METHOD: given.image}
            yield images, segmenter.segment(frame.image)
    else:
        for frame in track_progress(iter_frames(arguments.input, arguments), "comparing"):
            found = modes.detect(frame.image)
            yield {ORIGINAL: frame.image, **modes.anonymize(frame.image, found)}, found


def _kept(found: Detections, config: Config, height_px: int, width_px: int) -> Mask:
    """(H, W) bool: where nothing may be replaced."""
    kept = np.ones((height_px, width_px), np.bool_)
    for region in make_regions(found, config.mask):
        kept[region.window.slices] = False
    return kept


def _add(  # noqa: PLR0913, PLR0917 - where to, and what
    scopes: StatisticsByKind,
    kind: str,
    images: dict[str, RgbImage],
    windows: list[Roi],
    looks: ImageMetrics,
    frame: int,
) -> None:
    if not windows:
        return
    originals = [np.ascontiguousarray(images[ORIGINAL][w.slices]) for w in windows]
    for mode, image in images.items():
        cut = [np.ascontiguousarray(image[window.slices]) for window in windows]
        scopes[kind].setdefault(mode, ImageStatistics()).add(
            cut, originals, looks, [frame] * len(cut)
        )


def _window(box: np.ndarray, width_px: int, height_px: int) -> Roi:
    x0, y0, x1, y1 = box.tolist()
    across, down = _MARGIN_RATIO * (x1 - x0), _MARGIN_RATIO * (y1 - y0)
    sides = (x0 - across, y0 - down, x1 + across, y1 + down)
    return Roi(*(round(side) for side in sides)).clip(width_px, height_px)
