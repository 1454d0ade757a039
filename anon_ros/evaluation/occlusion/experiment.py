"""``anon_ros evaluate occlusion``: is the nearer person pasted on top?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

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
from anon_ros.evaluation.inputs.frames import InputFrame, iter_frames
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
    list_occlusion_limitations,
    make_misorder_cause_table,
    make_paste_order_table,
    summarize_occlusion,
)
from anon_ros.evaluation.options import OcclusionOptions
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
    find_misorder_cause,
    make_scene,
    match_masks,
    order_by_box_bottom,
    order_by_coverage,
    order_by_depth,
    order_by_detection,
)
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import track_progress

_DEPTH_ERROR_RATIO = 0.05
_MIN_IOU = 0.5
_MIN_SCORE = 0.5
_MIN_VISIBLE_PX = 50
_MAX_BACKGROUNDS = 20
_MAX_CUTOUTS = 500
_FEET_MARGIN_PX = 3


def evaluate_paste_orders(options: OcclusionOptions, config: Config) -> Report:
    """Compare orders of pasting, in synthetic scenes and in real frames.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    segmenter = build_segmenter(config)
    estimator = load_depth_estimator(options, config)
    material = _SceneMaterial(config, segmenter)
    _collect_from_frames(options, material, make_depth_source(options, estimator))
    if not material.cutouts:
        message = f"{options.frames.path}: no fully visible, isolated person to use as a cut-out"
        raise InputError(message)
    scenes = _SyntheticScenes(config, segmenter, estimator)
    _run_synthetic_scenes(options.scenes, material, scenes)
    statistics = {EXACT: scenes.exact, FOUND: scenes.detected, REAL: material.real}
    num_cutouts = len(material.cutouts)
    return Report(
        f"Occlusion: {options.frames.path.name}",
        summarize_occlusion(statistics, scenes.causes),
        [make_paste_order_table(statistics, num_cutouts), make_misorder_cause_table(scenes.causes)],
        [_plot_misordered(statistics)],
        list_occlusion_limitations(num_cutouts),
        collect_provenance(config, networks=[estimator.network] if estimator else []),
    )


def _plot_misordered(statistics: dict[str, PasteOrderStatistics]) -> Plot:
    bars = {
        kind: {order: results.estimate_misordered(order) for order in results.results}
        for kind, results in statistics.items()
    }
    svg = plot_bars(bars, "misordered, % of overlap pixels", None)
    return Plot("wrong_on_top", "Overlap pixels with the wrong person on top", svg)


@dataclass
class _SceneMaterial:
    """Results of one pass over the real frames.

    Attributes:
        config: of masks.
        segmenter: for the persons to remove.
        cutouts: persons to put into scenes.
        backgrounds: frames without persons.
        real: paste orders of the frames themselves.
    """

    config: Config
    segmenter: Segmenter
    cutouts: list[Cutout] = field(default_factory=list)
    backgrounds: list[RgbImage] = field(default_factory=list)
    real: PasteOrderStatistics = field(default_factory=PasteOrderStatistics)

    def add(
        self, frame: InputFrame, masks: npt.NDArray[np.bool_] | None, depth: DepthMap | None
    ) -> None:
        """Add a frame.

        Args:
            frame: to add.
            masks: (N, H, W) bool of its labelled persons; None without labels.
            depth: (H, W); None if it is not measured.
        """
        detections = self.segmenter.segment(frame.image)
        if masks is None:
            masks = detections.masks[detections.scores >= _MIN_SCORE]
        if len(self.cutouts) < _MAX_CUTOUTS:
            self.cutouts += extract_cutouts(frame.image, masks)
        if len(self.backgrounds) < _MAX_BACKGROUNDS:
            self.backgrounds.append(_remove_persons(frame.image, detections, self.config))
        persons = _estimate_depth_from_feet(detections, masks)
        self.real.add(persons, _make_orders(persons.detections, depth), self.config)


def _collect_from_frames(
    options: OcclusionOptions, material: _SceneMaterial, depth_source: DepthSource | None
) -> None:
    frames = options.frames
    mask_source = load_mask_labels(options.labels) if options.labels else None
    is_labelled = has_depth = False
    for frame in track_progress(iter_frames(frames), "looking"):
        masks = mask_source(frame) if mask_source else None
        if mask_source and masks is None:
            continue
        is_labelled = True
        depth = depth_source(frame) if depth_source else None
        has_depth |= depth is not None
        material.add(frame, masks, depth)
    if options.labels and not is_labelled:
        raise no_labels_error(options.labels, frames.path)
    if depth_source and not has_depth:
        message = (
            f"{options.depth or options.depth_topic}: no depth for any frame of {frames.path}; "
            "files are named as its images, messages of a topic lie within 0.1 s of them"
        )
        raise InputError(message)


@dataclass
class _SyntheticScenes:
    """Paste orders of synthetic scenes.

    Attributes:
        config: of masks.
        segmenter: for ``detected``.
        estimator: of depth; None without.
        exact: with the true masks.
        detected: with the masks of the segmenter.
        causes: of each pair of overlapping persons: a cause, and True if it is misordered by
            coverage.
    """

    config: Config
    segmenter: Segmenter
    estimator: DepthEstimator | None
    exact: PasteOrderStatistics = field(default_factory=PasteOrderStatistics)
    detected: PasteOrderStatistics = field(default_factory=PasteOrderStatistics)
    causes: list[tuple[str, bool]] = field(default_factory=list)

    def add(self, scene: Scene, random: np.random.Generator) -> None:
        """Add a scene; ``random`` draws the detection order, then the errors of depth."""
        depth = self.estimator.estimate(scene.image) if self.estimator else None
        persons, actors = _make_ground_truth_persons(scene)
        shuffled = {DETECTION: random.permutation(len(actors)).tolist()}
        noisy_depth = _make_noisy_depth(scene, random)
        orders = _make_orders(persons.detections, depth) | shuffled
        noisy = {NOISY: order_by_depth(persons.detections, noisy_depth)}
        self.exact.add(persons, orders | noisy, self.config)
        by_coverage = self.exact.results[COVERAGE][-1]
        self.causes += _iter_misorder_causes(scene, actors, by_coverage)
        matched = _match_detections(scene, persons, self.segmenter)
        orders = _make_orders(matched.detections, depth)
        noisy = {NOISY: order_by_depth(matched.detections, noisy_depth)}
        self.detected.add(matched, orders | noisy, self.config)


def _run_synthetic_scenes(
    num_scenes: int, material: _SceneMaterial, scenes: _SyntheticScenes
) -> None:
    for index in track_progress(range(num_scenes), "playing", num_scenes, "scenes"):
        random = np.random.default_rng([scenes.config.inpaint.seed, index])
        background = material.backgrounds[index % len(material.backgrounds)]
        scenes.add(make_scene(material.cutouts, background, random), random)


def _make_orders(detections: Detections, depth: DepthMap | None) -> dict[str, list[int]]:
    orders = {
        COVERAGE: order_by_coverage(detections),
        DETECTION: order_by_detection(detections),
        BOTTOM: order_by_box_bottom(detections),
    }
    return orders if depth is None else orders | {DEPTH: order_by_depth(detections, depth)}


def _make_ground_truth_persons(scene: Scene) -> tuple[PersonsWithDepth, list[int]]:
    """Return the visible persons, as a perfect segmenter detects them, and their indices."""
    visible = scene.visible()
    actors = np.flatnonzero(visible.sum(axis=(1, 2)) >= _MIN_VISIBLE_PX).tolist()
    masks = visible[actors]
    depths = [scene.persons[index].depth_m for index in actors]
    return PersonsWithDepth(_make_detections(masks), depths), actors


def _match_detections(
    scene: Scene, persons: PersonsWithDepth, segmenter: Segmenter
) -> PersonsWithDepth:
    """Return the detections that match a true person, in the order of the segmenter."""
    detections = segmenter.segment(scene.image)
    pairs = match_masks(detections.masks, persons.detections.masks, _MIN_IOU)
    matched = sorted(pairs)
    return PersonsWithDepth(
        _select(detections, matched), [persons.depths[pairs[index]] for index in matched]
    )


def _estimate_depth_from_feet(
    detections: Detections, masks: npt.NDArray[np.bool_]
) -> PersonsWithDepth:
    """Return the persons of a real frame whose feet are visible: the lower, the nearer."""
    pairs = match_masks(detections.masks, masks, _MIN_IOU)
    feet = {index: int(np.flatnonzero(masks[pairs[index]].any(axis=1))[-1]) for index in pairs}
    border = detections.masks.shape[1] - _FEET_MARGIN_PX
    visible = sorted(index for index, row in feet.items() if row < border)
    return PersonsWithDepth(_select(detections, visible), [-float(feet[i]) for i in visible])


def _select(detections: Detections, indices: Sequence[int]) -> Detections:
    rows = np.array(indices, np.int64)
    return Detections(
        detections.boxes_xyxy[rows],
        detections.scores[rows],
        detections.class_ids[rows],
        detections.masks[rows],
    )


def _make_detections(masks: npt.NDArray[np.bool_]) -> Detections:
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    count = len(masks)
    return Detections(boxes, np.ones(count, np.float32), np.zeros(count, np.int64), masks)


def _make_noisy_depth(scene: Scene, random: np.random.Generator) -> DepthMap:
    """Return depth as of a camera: all of a person a little too near or too far."""
    errors = 1 + _DEPTH_ERROR_RATIO * random.standard_normal(len(scene.persons))
    depths = [actor.depth_m * error for actor, error in zip(scene.persons, errors, strict=True)]
    return np.array([*depths, np.nan], np.float32)[scene.index_map]


def _remove_persons(image: RgbImage, detections: Detections, config: Config) -> RgbImage:
    regions = make_regions(detections, config.mask)
    return cover_regions(image, regions, union_mask(regions, *image.shape[:2]))


def _iter_misorder_causes(
    scene: Scene, actors: Sequence[int], by_coverage: PasteOrderResult
) -> Iterator[tuple[str, bool]]:
    """Yield a cause of each pair that shares a pixel, and True if coverage misorders it."""
    visible_px = scene.visible().sum(axis=(1, 2))
    persons = [scene.persons[index] for index in actors]
    for pair in sorted(by_coverage.pairs):
        cause = find_misorder_cause(
            pair,
            is_child=[person.height_m < CHILD_MAX_HEIGHT_M for person in persons],
            inside_ratios=[person.inside_px / person.total_px for person in persons],
            visible_ratios=[
                visible_px[index] / max(person.inside_px, 1)
                for index, person in zip(actors, persons, strict=True)
            ],
            depths=[person.depth_m for person in persons],
        )
        yield cause, pair in by_coverage.misordered_pairs
