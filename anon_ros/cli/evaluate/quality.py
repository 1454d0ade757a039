"""``anon_ros evaluate quality``: do the results look like images of the same place?"""

from argparse import Namespace
from collections.abc import Iterator

import cv2
import numpy as np

from anon_ros.cli.evaluate.appearance import (
    ORIGINAL,
    compare,
    quality_answers,
    quality_limits,
    quality_plots,
    quality_table,
)
from anon_ros.cli.evaluate.looks import Looks, Pile, load_looks
from anon_ros.cli.evaluate.made import made
from anon_ros.cli.evaluate.modes import Modes
from anon_ros.cli.evaluate.persons import GIVEN
from anon_ros.cli.evaluate.sources import frames_of, pairs_of
from anon_ros.cli.evaluate.waiting import shown
from anon_ros.cli.flags import config_from
from anon_ros.config import Config
from anon_ros.core import Detections, Mask, RgbImage, Roi, person_region
from anon_ros.evaluate import Report
from anon_ros.models import build_segmenter

Scopes = dict[str, dict[str, Pile]]
"""By kind of image, by mode."""
FULL, PERSONS = "full images", "persons"
_LEAST_SIDE_PX = 16
_GIVEN_ELSEWHERE = (
    "Difference elsewhere: by who is found in each frame alone. Persons who were carried on from "
    "other frames count as elsewhere, as does what a lossy encoding changes (anon_ros verify knows "
    "both)."
)
_MARGIN_RATIO = 0.05  # of the box, on each side


def quality_report(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing that was asked for.
    """
    config = config_from(arguments)
    looks = load_looks(arguments, config)
    scopes: Scopes = {FULL: {}, PERSONS: {}}
    too_small = 0
    modes = None if arguments.anonymized else Modes.load(config, arguments.modes, arguments.out)
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
            scopes[FULL][mode].elsewhere.append((float(levels.mean(axis=1).sum()), len(levels)))
    seen = {kind: piles for kind, piles in scopes.items() if piles}
    figures = {kind: compare(piles, looks) for kind, piles in seen.items()}
    limits = quality_limits(seen, looks)
    if too_small:
        limits.append(f"{too_small} persons with a side below {_LEAST_SIDE_PX} px were left out.")
    limits += modes.limits() if modes else [_GIVEN_ELSEWHERE]
    return Report(
        f"Image quality: {arguments.input.name}",
        quality_answers(figures.get(PERSONS, {})),
        [quality_table(kind, modes, looks) for kind, modes in figures.items()],
        quality_plots(figures, looks),
        limits,
        made(config, tuple(modes.anonymizers) if modes else (), looks.networks),
    )


def _frames(
    arguments: Namespace, config: Config, modes: Modes | None
) -> Iterator[tuple[dict[str, RgbImage], Detections]]:
    """Each frame, the original and by mode, and who is in it."""
    if modes is None:
        segmenter = build_segmenter(config)
        pairs = pairs_of(arguments.input, arguments.anonymized, arguments)
        for frame, given in shown(pairs, "comparing"):
            images = {ORIGINAL: frame.image, GIVEN: given.image}
            yield images, segmenter.segment(frame.image)
    else:
        for frame in shown(frames_of(arguments.input, arguments), "comparing"):
            found = modes.find(frame.image)
            yield {ORIGINAL: frame.image, **modes.draw(frame.image, found)}, found


def _kept(found: Detections, config: Config, height_px: int, width_px: int) -> Mask:
    """(H, W) bool: where nothing may be replaced."""
    kept = np.ones((height_px, width_px), np.bool_)
    for mask, box in zip(found.masks, found.boxes_xyxy, strict=True):
        kept[person_region(mask, box, config.mask).window.slices] = False
    return kept


def _add(  # noqa: PLR0913, PLR0917 - where to, and what
    scopes: Scopes,
    kind: str,
    images: dict[str, RgbImage],
    windows: list[Roi],
    looks: Looks,
    frame: int,
) -> None:
    if not windows:
        return
    originals = [np.ascontiguousarray(images[ORIGINAL][w.slices]) for w in windows]
    for mode, image in images.items():
        cut = [np.ascontiguousarray(image[window.slices]) for window in windows]
        scopes[kind].setdefault(mode, Pile()).add(cut, originals, looks, [frame] * len(cut))


def _window(box: np.ndarray, width_px: int, height_px: int) -> Roi:
    x0, y0, x1, y1 = box.tolist()
    across, down = _MARGIN_RATIO * (x1 - x0), _MARGIN_RATIO * (y1 - y0)
    sides = (x0 - across, y0 - down, x1 + across, y1 + down)
    return Roi(*(round(side) for side in sides)).clip(width_px, height_px)
