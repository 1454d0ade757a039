"""``anon_ros evaluate beta``: how much noise is enough?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anon_ros.config import Config, num_denoising_steps, with_overrides
from anon_ros.core import FramePersons, RgbImage, Segmenter
from anon_ros.evaluation.beta.tables import (
    RedetectionCounts,
    SweepPoint,
    format_variant,
    list_sweep_limitations,
    make_beta_plots,
    make_beta_table,
    summarize_sweep,
)
from anon_ros.evaluation.embedders import load_embedders
from anon_ros.evaluation.frame_cache import FrameCache, diffusion_hashes, frame_cache_directory
from anon_ros.evaluation.image_statistics import ImageMetrics, ImageStatistics, load_image_metrics
from anon_ros.evaluation.inputs.tracked_frames import (
    FramePairSource,
    ObservationsByCamera,
    observe_all_frames,
)
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.options import BetaOptions, Comparison
from anon_ros.evaluation.person_crops import PersonCrops, extract_person_crops
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.quality.tables import ORIGINAL, QualityScores, compare_to_originals
from anon_ros.evaluation.reid.experiment import evaluate_crops
from anon_ros.evaluation.report.model import Report
from anon_ros.metrics import Embedder, match_masks
from anon_ros.models import ModelCache

_MIN_IOU = 0.5
_METHOD = "sdxl"


@dataclass(frozen=True)
class _SweepContext:
    """State that all settings share.

    Attributes:
        options: of the experiment.
        pairs: the frames.
        embedders: for re-identification.
        metrics: for image quality.
        models: loaded ones.
        observations: of all frames.
        hashes: of the diffusion model.
    """

    options: BetaOptions
    pairs: FramePairSource
    embedders: Sequence[Embedder]
    metrics: ImageMetrics
    models: ModelCache
    observations: ObservationsByCamera
    hashes: Sequence[str]


def sweep_beta(options: BetaOptions, config: Config) -> Report:
    """Measure identity, quality and detection for several noise levels.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = config.with_method(_METHOD)
    settings = _list_settings(options, config)
    pairs = FramePairSource(options.frames, Comparison(), options.fps)
    context = _SweepContext(
        options,
        pairs,
        load_embedders(options.embedders, config, options.output),
        load_image_metrics(options.networks, config, options.output),
        ModelCache(),
        observe_all_frames(pairs, config),
        diffusion_hashes(config),
    )
    prompts = {setting.inpaint.prompt for setting in settings}
    points = [
        _measure(context, setting, format_variant(setting.inpaint, prompts)) for setting in settings
    ]
    metrics = context.metrics
    return Report(
        f"Noise level: {options.frames.path.name}",
        summarize_sweep(points, options.margin),
        [make_beta_table(points, metrics)],
        make_beta_plots(points, metrics),
        [*metrics.missing, *list_sweep_limitations(points)],
        collect_provenance(config, (_METHOD,), [*context.embedders, *metrics.networks]),
    )


def _list_settings(options: BetaOptions, config: Config) -> list[Config]:
    sizes = dict.fromkeys(options.sizes or [config.inpaint.generate_px])
    prompts = dict.fromkeys(options.prompts or [config.inpaint.prompt])
    return [
        with_overrides(
            config,
            {
                "inpaint.generate_px": size,
                "inpaint.prompt": prompt,
                "inpaint.beta_d": beta,
            },
        )
        for size in sizes  # outermost: to change it, the model is loaded anew
        for prompt in prompts
        for beta in sorted(set(options.betas))
    ]


def _measure(context: _SweepContext, config: Config, variant: str) -> SweepPoint:
    anonymizer = context.models.anonymizer(config)
    cache = FrameCache(frame_cache_directory(config, context.options.output, context.hashes))
    methods = {_METHOD: anonymizer}
    runner = MethodRunner(anonymizer.segmenter, methods, config, cache)
    counts = RedetectionCounts()
    crops = extract_person_crops(
        context.pairs,
        context.options.period_s,
        config,
        runner,
        context.observations,
        partial(_count_redetected, counts, anonymizer.segmenter),
    )
    statistics = runner.statistics[_METHOD]
    return SweepPoint(
        config.inpaint,
        variant,
        evaluate_crops(crops, context.embedders),
        _measure_quality(crops, context.metrics),
        counts,
        runner.limitations(),
        num_denoising_steps(config.inpaint.steps, config.inpaint.beta_d),
        statistics.spent_s / statistics.num_timed if statistics.num_timed else None,
    )


def _measure_quality(crops: PersonCrops, metrics: ImageMetrics) -> QualityScores:
    statistics = {ORIGINAL: ImageStatistics(), _METHOD: ImageStatistics()}
    images = {ORIGINAL: crops.originals, _METHOD: crops.anonymized[_METHOD]}
    for method, method_images in images.items():
        statistics[method].add(method_images, crops.originals, metrics, crops.frames)
    return compare_to_originals(statistics, metrics)[_METHOD]


def _count_redetected(
    counts: RedetectionCounts,
    segmenter: Segmenter,
    persons: FramePersons,
    images: Mapping[str, RgbImage],
) -> None:
    """Count the persons whom a segmenter detects in the anonymized frame, too."""
    masks = persons.detections.masks
    redetected = segmenter.segment(images[_METHOD]).masks
    if not len(masks):
        return
    counts.persons.append(len(masks))
    counts.num_redetected.append(len(match_masks(redetected, masks, _MIN_IOU)))
