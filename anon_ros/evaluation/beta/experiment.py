"""``anon_ros evaluate beta``: how much noise is enough?"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anon_ros.cli.config_flags import parse_config
from anon_ros.config import Config, num_denoising_steps
from anon_ros.core import FramePersons, RgbImage, Segmenter
from anon_ros.evaluation.beta.tables import (
    RedetectionCounts,
    SweepPoint,
    beta_plots,
    beta_table,
    format_variant,
    summarize_sweep,
    sweep_limitations,
)
from anon_ros.evaluation.embedders import load_embedders
from anon_ros.evaluation.image_statistics import ImageMetrics, ImageStatistics, load_image_metrics
from anon_ros.evaluation.inputs.tracked_frames import (
    ObservationsByCamera,
    frame_pair_source,
    observe_all_frames,
)
from anon_ros.evaluation.methods import MethodRunner, diffusion_hashes, frame_cache_directory
from anon_ros.evaluation.person_crops import extract_person_crops
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.quality.tables import ORIGINAL, compare_to_originals
from anon_ros.evaluation.reid.experiment import evaluate_crops
from anon_ros.evaluation.report.model import Report
from anon_ros.metrics import Embedder, match_masks
from anon_ros.models import ModelCache

_LEAST_IOU = 0.5
_MODE = "sdxl"


@dataclass(frozen=True)
class _SweepContext:
    """What is the same for every setting."""

    known: Sequence[Embedder]
    looks: ImageMetrics
    models: ModelCache
    moments: ObservationsByCamera
    weights: Sequence[str]


def sweep_beta(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = parse_config(arguments, {"inpaint.method": _MODE})
    settings = _settings(arguments, config)
    tools = _SweepContext(
        load_embedders(arguments, config),
        load_image_metrics(arguments, config),
        ModelCache(),
        observe_all_frames(frame_pair_source(arguments), config),
        diffusion_hashes(config),
    )
    prompts = {each.inpaint.prompt for each in settings}
    cells = [
        _measure(arguments, each, tools, format_variant(each.inpaint, prompts)) for each in settings
    ]
    return Report(
        f"Noise level: {arguments.input.name}",
        summarize_sweep(cells, arguments.margin),
        [beta_table(cells, tools.looks)],
        beta_plots(cells, tools.looks),
        [*tools.looks.missing, *sweep_limitations(cells)],
        collect_provenance(config, (_MODE,), [*tools.known, *tools.looks.networks]),
    )


def _settings(arguments: Namespace, config: Config) -> list[Config]:
    sizes = dict.fromkeys(arguments.sizes or [config.inpaint.generate_px])
    prompts = dict.fromkeys(arguments.prompts or [config.inpaint.prompt])
    return [
        parse_config(
            arguments,
            {
                "inpaint.method": _MODE,
                "inpaint.generate_px": size,
                "inpaint.prompt": prompt,
                "inpaint.beta_d": beta,
            },
        )
        for size in sizes  # outermost: to change it, the model is loaded anew
        for prompt in prompts
        for beta in sorted(set(arguments.betas))
    ]


def _measure(
    arguments: Namespace, config: Config, tools: _SweepContext, variant: str
) -> SweepPoint:
    anonymizer = tools.models.anonymizer(config)
    drawn = frame_cache_directory(config, arguments.out, tools.weights)
    modes = MethodRunner(anonymizer.segmenter, {_MODE: anonymizer}, config.inpaint.seed, drawn)
    found = RedetectionCounts()
    watch = partial(_watch, found, anonymizer.segmenter)
    crops = extract_person_crops(arguments, config, modes, tools.moments, watch)
    identity = evaluate_crops(crops, tools.known)
    originals, images = crops.originals, crops.anonymized[_MODE]
    piles: dict[str, ImageStatistics] = {ORIGINAL: ImageStatistics(), _MODE: ImageStatistics()}
    for mode, each in ((ORIGINAL, originals), (_MODE, images)):
        piles[mode].add(each, originals, tools.looks, crops.frames)
    persons, spent_s = modes.persons[_MODE], modes.spent_s[_MODE]
    return SweepPoint(
        config.inpaint,
        variant,
        identity,
        compare_to_originals(piles, tools.looks)[_MODE],
        found,
        modes.limitations(),
        num_denoising_steps(config.inpaint.steps, config.inpaint.beta_d),
        spent_s / persons if persons else None,
    )


def _watch(
    found: RedetectionCounts,
    segmenter: Segmenter,
    persons: FramePersons,
    images: Mapping[str, RgbImage],
) -> None:
    """How many of the persons a segmenter finds again in the anonymized frame."""
    masks = persons.detections.masks
    again = segmenter.segment(images[_MODE]).masks
    if not len(masks):
        return
    found.persons.append(len(masks))
    found.num_redetected.append(len(match_masks(again, masks, _LEAST_IOU)))
