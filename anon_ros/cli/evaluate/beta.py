"""``anon_ros evaluate beta``: how much noise is enough?"""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from anon_ros.cli.evaluate.appearance import ORIGINAL, compare
from anon_ros.cli.evaluate.embedders import embedders
from anon_ros.cli.evaluate.follow import Moments, first_look, pairs_source
from anon_ros.cli.evaluate.looks import Looks, Pile, load_looks
from anon_ros.cli.evaluate.made import made
from anon_ros.cli.evaluate.modes import Modes, drawn_folder, weights_of
from anon_ros.cli.evaluate.noise import (
    Cell,
    Found,
    beta_answers,
    beta_plots,
    beta_table,
    limits,
    variant_of,
)
from anon_ros.cli.evaluate.persons import person_crops
from anon_ros.cli.evaluate.reid import identity_of
from anon_ros.cli.flags import config_from
from anon_ros.config import Config, steps_run
from anon_ros.core import Persons, RgbImage, Segmenter
from anon_ros.evaluate import Embedder, Report, match_masks
from anon_ros.models import LoadedModels

_LEAST_IOU = 0.5
_MODE = "sdxl"


@dataclass(frozen=True)
class _Tools:
    """What is the same for every setting."""

    known: Sequence[Embedder]
    looks: Looks
    models: LoadedModels
    moments: Moments
    weights: Sequence[str]


def beta_report(arguments: Namespace) -> Report:
    """Measure.

    Raises:
        AnonRosError: if there is nothing to measure, or a model is missing.
    """
    config = config_from(arguments, {"inpaint.kind": _MODE})
    settings = _settings(arguments, config)
    tools = _Tools(
        embedders(arguments, config),
        load_looks(arguments, config),
        LoadedModels(),
        first_look(pairs_source(arguments), config),
        weights_of(config),
    )
    prompts = {each.inpaint.prompt for each in settings}
    cells = [
        _measure(arguments, each, tools, variant_of(each.inpaint, prompts)) for each in settings
    ]
    return Report(
        f"Noise level: {arguments.input.name}",
        beta_answers(cells, arguments.margin),
        [beta_table(cells, tools.looks)],
        beta_plots(cells, tools.looks),
        [*tools.looks.missing, *limits(cells)],
        made(config, (_MODE,), [*tools.known, *tools.looks.networks]),
    )


def _settings(arguments: Namespace, config: Config) -> list[Config]:
    sizes = dict.fromkeys(arguments.sizes or [config.inpaint.generate_px])
    prompts = dict.fromkeys(arguments.prompts or [config.inpaint.prompt])
    return [
        config_from(
            arguments,
            {
                "inpaint.kind": _MODE,
                "inpaint.generate_px": size,
                "inpaint.prompt": prompt,
                "inpaint.beta_d": beta,
            },
        )
        for size in sizes  # outermost: to change it, the model is loaded anew
        for prompt in prompts
        for beta in sorted(set(arguments.betas))
    ]


def _measure(arguments: Namespace, config: Config, tools: _Tools, variant: str) -> Cell:
    anonymizer = tools.models.anonymizer(config)
    drawn = drawn_folder(config, arguments.out, tools.weights)
    modes = Modes(anonymizer.segmenter, {_MODE: anonymizer}, config.inpaint.seed, drawn)
    found = Found()
    watch = partial(_watch, found, anonymizer.segmenter)
    crops = person_crops(arguments, config, modes, tools.moments, watch)
    identity = identity_of(crops, tools.known)
    originals, images = crops.originals, crops.anonymized[_MODE]
    piles: dict[str, Pile] = {ORIGINAL: Pile(), _MODE: Pile()}
    for mode, each in ((ORIGINAL, originals), (_MODE, images)):
        piles[mode].add(each, originals, tools.looks, crops.frames)
    persons, spent_s = modes.persons[_MODE], modes.spent_s[_MODE]
    return Cell(
        config.inpaint,
        variant,
        identity,
        compare(piles, tools.looks)[_MODE],
        found,
        modes.limits(),
        steps_run(config.inpaint.steps, config.inpaint.beta_d),
        spent_s / persons if persons else None,
    )


def _watch(
    found: Found,
    segmenter: Segmenter,
    persons: Persons,
    images: Mapping[str, RgbImage],
) -> None:
    """How many of the persons a segmenter finds again in the anonymized frame."""
    masks = persons.detections.masks
    again = segmenter.segment(images[_MODE]).masks
    if not len(masks):
        return
    found.persons.append(len(masks))
    found.again.append(len(match_masks(again, masks, _LEAST_IOU)))
