"""``anon_ros evaluate occlusion``: is the nearer person drawn on top?"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anon_ros.cli.config_flags import parse_config
from anon_ros.config import Config
from anon_ros.core import Detections, RgbImage, Segmenter, cover_regions, make_regions
from anon_ros.core.masks import union_mask
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.depth import (
    DepthEstimator,
    DepthSource,
    load_depth_estimator,
    make_depth_source,
)
from anon_ros.evaluation.inputs.frames import iter_frames
from anon_ros.evaluation.inputs.mask_labels import load_mask_labels, no_labels_error
from anon_ros.evaluation.occlusion.tables import (
    BOTTOM,
    COVERAGE,
    DEPTH,
    DETECTION,
    EXACT,
    FOUND,
    NOISY,
    REAL,
    PasteOrderStatistics,
    PersonsWithDepth,
    misorder_cause_table,
    occlusion_limitations,
    paste_order_table,
    summarize_occlusion,
)
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.report.model import Plot, Report
from anon_ros.evaluation.report.plots import plot_bars
from anon_ros.metrics import (
    CHILD_MAX_HEIGHT_M,
    Cutout,
    DepthMap,
    PasteOrderResult,
    Scene,
    extract_cutouts,
    make_scene,
    match_masks,
    misorder_cause,
    order_by_box_bottom,
    order_by_coverage,
    order_by_depth,
    order_by_detection,
)
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import track_progress

_DEPTH_ERROR = 0.05
_LEAST_IOU = 0.5
_LEAST_SCORE = 0.5
_LEAST_VISIBLE_PX = 50
_MOST_BACKGROUNDS = 20
_MOST_CUTOUTS = 500
_FEET_MARGIN_PX = 3


class _SceneMaterial(NamedTuple):
    """Whom to put where."""

    cutouts: Sequence[Cutout]
    backgrounds: Sequence[RgbImage]


def evaluate_paste_orders(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = parse_config(arguments)
    segmenter = build_segmenter(config)
    model = load_depth_estimator(arguments, config)
    real = PasteOrderStatistics()
    depth_of = make_depth_source(arguments, model)
    cast = _collect_from_frames(arguments, config, segmenter, depth_of, real)
    if not cast.cutouts:
        message = f"{arguments.input}: nobody stands there whole and alone, to be cut out"
        raise InputError(message)
    exact, found, why = _run_synthetic_scenes(arguments, config, segmenter, model, cast)
    tallies = {EXACT: exact, FOUND: found, REAL: real}
    tables = [paste_order_table(tallies, len(cast.cutouts)), misorder_cause_table(why)]
    bars = {
        kind: {order: tally.wrong(order) for order in tally.stackings}
        for kind, tally in tallies.items()
    }
    plot = Plot(
        "wrong_on_top",
        "Contested pixels with the wrong person on top",
        plot_bars(bars, "wrong on top, % of contested pixels", None),
    )
    return Report(
        f"Occlusion: {arguments.input.name}",
        summarize_occlusion(tallies, why),
        tables,
        [plot],
        occlusion_limitations(len(cast.cutouts)),
        collect_provenance(config, networks=[model.network] if model else []),
    )


def _collect_from_frames(
    arguments: Namespace,
    config: Config,
    segmenter: Segmenter,
    depth_of: DepthSource | None,
    real: PasteOrderStatistics,
) -> _SceneMaterial:
    """Real frames: whom to cut out, where to put them, and how they are stacked there."""
    labels = load_mask_labels(arguments.labels) if arguments.labels else None
    is_labelled = has_depth = False
    cutouts: list[Cutout] = []
    backgrounds: list[RgbImage] = []
    for frame in track_progress(iter_frames(arguments.input, arguments), "looking"):
        masks = labels(frame) if labels else None
        if labels and masks is None:
            continue
        is_labelled = True
        found = segmenter.segment(frame.image)
        if masks is None:
            masks = found.masks[found.scores >= _LEAST_SCORE]
        if len(cutouts) < _MOST_CUTOUTS:
            cutouts += extract_cutouts(frame.image, masks)
        if len(backgrounds) < _MOST_BACKGROUNDS:
            backgrounds.append(_remove_persons(frame.image, found, config))
        known = _depth_from_feet(found, masks)
        depth = depth_of(frame) if depth_of else None
        has_depth |= depth is not None
        real.add(known, _orders(known.found, depth), config)
    if labels and not is_labelled:
        raise no_labels_error(arguments)
    if depth_of and not has_depth:
        given = arguments.depth or arguments.depth_topic
        message = (
            f"{given}: no depth for any frame of {arguments.input}; files are named as its images, "
            "messages of a topic lie within 0.1 s of them"
        )
        raise InputError(message)
    return _SceneMaterial(cutouts, backgrounds)


def _run_synthetic_scenes(
    arguments: Namespace,
    config: Config,
    segmenter: Segmenter,
    model: DepthEstimator | None,
    cast: _SceneMaterial,
) -> tuple[PasteOrderStatistics, PasteOrderStatistics, list[tuple[str, bool]]]:
    """Synthetic scenes: with exact masks, with the segmenter's, and why coverage was wrong."""
    exact, seen, why = PasteOrderStatistics(), PasteOrderStatistics(), list[tuple[str, bool]]()
    for index in track_progress(range(arguments.scenes), "playing", arguments.scenes, "scenes"):
        random = np.random.default_rng([config.inpaint.seed, index])
        background = cast.backgrounds[index % len(cast.backgrounds)]
        scene = make_scene(cast.cutouts, background, random)
        depth = model.estimate(scene.image) if model else None
        known, actors = _ground_truth_persons(scene)
        shuffled = {DETECTION: random.permutation(len(actors)).tolist()}
        noisy = _noisy_depth(scene, random)
        orders = _orders(known.found, depth) | shuffled
        exact.add(known, orders | {NOISY: order_by_depth(known.found, noisy)}, config)
        why += _misorder_causes(scene, actors, exact.stackings[COVERAGE][-1])
        matched = _matched(scene, known, segmenter)
        orders = _orders(matched.found, depth)
        seen.add(matched, orders | {NOISY: order_by_depth(matched.found, noisy)}, config)
    return exact, seen, why


def _orders(found: Detections, depth: DepthMap | None) -> dict[str, list[int]]:
    orders = {
        COVERAGE: order_by_coverage(found),
        DETECTION: order_by_detection(found),
        BOTTOM: order_by_box_bottom(found),
    }
    return orders if depth is None else orders | {DEPTH: order_by_depth(found, depth)}


def _ground_truth_persons(scene: Scene) -> tuple[PersonsWithDepth, list[int]]:
    """The persons who can be seen, as a perfect segmenter would find them; and their indices."""
    visible = scene.visible()
    actors = np.flatnonzero(visible.sum(axis=(1, 2)) >= _LEAST_VISIBLE_PX).tolist()
    masks = visible[actors]
    depths = [scene.actors[index].depth_m for index in actors]
    return PersonsWithDepth(_detections(masks), depths), actors


def _matched(scene: Scene, known: PersonsWithDepth, segmenter: Segmenter) -> PersonsWithDepth:
    """Of those whom the segmenter finds, who is known, in its order."""
    found = segmenter.segment(scene.image)
    pairs = match_masks(found.masks, known.found.masks, _LEAST_IOU)
    chosen = sorted(pairs)
    return PersonsWithDepth(
        _subset(found, chosen), [known.depths[pairs[index]] for index in chosen]
    )


def _depth_from_feet(found: Detections, masks: npt.NDArray[np.bool_]) -> PersonsWithDepth:
    """Persons of a real frame whose feet are seen: the lower they are, the nearer."""
    pairs = match_masks(found.masks, masks, _LEAST_IOU)
    lowest = {index: int(np.flatnonzero(masks[pairs[index]].any(axis=1))[-1]) for index in pairs}
    border = found.masks.shape[1] - _FEET_MARGIN_PX
    chosen = sorted(index for index, feet in lowest.items() if feet < border)
    return PersonsWithDepth(_subset(found, chosen), [-float(lowest[index]) for index in chosen])


def _subset(found: Detections, chosen: Sequence[int]) -> Detections:
    rows = np.array(chosen, np.int64)
    return Detections(
        found.boxes_xyxy[rows], found.scores[rows], found.class_ids[rows], found.masks[rows]
    )


def _detections(masks: npt.NDArray[np.bool_]) -> Detections:
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    count = len(masks)
    return Detections(boxes, np.ones(count, np.float32), np.zeros(count, np.int64), masks)


def _noisy_depth(scene: Scene, random: np.random.Generator) -> DepthMap:
    """As a depth camera sees it: each person as a whole a little too near or too far."""
    errors = 1 + _DEPTH_ERROR * random.standard_normal(len(scene.actors))
    depths = [actor.depth_m * error for actor, error in zip(scene.actors, errors, strict=True)]
    return np.array([*depths, np.nan], np.float32)[scene.index_map]


def _remove_persons(image: RgbImage, found: Detections, config: Config) -> RgbImage:
    regions = make_regions(found, config.mask)
    return cover_regions(image, regions, union_mask(regions, *image.shape[:2]))


def _misorder_causes(
    scene: Scene, actors: Sequence[int], stacking: PasteOrderResult
) -> Iterator[tuple[str, bool]]:
    """Of each pair that shares a pixel what may mislead, and whether coverage order was wrong."""
    visible_px = scene.visible().sum(axis=(1, 2))
    chosen = [scene.actors[index] for index in actors]
    for pair in sorted(stacking.pairs):
        cause = misorder_cause(
            pair,
            is_child=[actor.height_m < CHILD_MAX_HEIGHT_M for actor in chosen],
            inside_ratios=[actor.inside_px / actor.total_px for actor in chosen],
            visible_ratios=[
                visible_px[index] / max(actor.inside_px, 1)
                for index, actor in zip(actors, chosen, strict=True)
            ],
            depths=[actor.depth_m for actor in chosen],
        )
        yield cause, pair in stacking.wrong_pairs
