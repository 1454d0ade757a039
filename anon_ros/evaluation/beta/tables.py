"""A sweep of noise levels as a table, plots and a recommendation."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from anon_ros.config import InpaintConfig
from anon_ros.evaluation.image_statistics import ImageMetrics
from anon_ros.evaluation.quality.tables import QualityScores
from anon_ros.evaluation.reid.tables import ORIGINAL, ReidScores, best_embedder
from anon_ros.evaluation.report.model import Cell as TableCell
from anon_ros.evaluation.report.model import Plot, Table
from anon_ros.evaluation.report.plots import plot_lines
from anon_ros.evaluation.report.tables import format_estimate, format_number
from anon_ros.metrics import (
    BetaRecommendation,
    Estimate,
    ReidResult,
    clustered_proportion,
    recommend_beta,
)

_MODE = "sdxl"
_SHOWN = 24  # characters of a prompt
_BETA = "beta_d (noise level where the diffusion starts)"


@dataclass
class RedetectionCounts:
    """Persons of the frames that were drawn.

    Attributes:
        persons: by frame, all of them.
        num_redetected: by frame, whom a segmenter finds in the anonymized frame, where they were.
    """

    persons: list[int] = field(default_factory=list)
    num_redetected: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class SweepPoint:
    """One setting and what it did.

    Attributes:
        config: its parameters.
        variant: of its size and prompt, for people.
        identity: who is found again.
        figures: of the crops of persons.
        redetection: who is detected again.
        covered: who was covered, not drawn, in sentences.
        unet_steps: that run.
        seconds_per_person: time per person on this machine; None if every frame was drawn before.
    """

    config: InpaintConfig
    variant: str
    identity: ReidScores
    figures: QualityScores
    redetection: RedetectionCounts
    covered: Sequence[str]
    unet_steps: int
    seconds_per_person: float | None

    @property
    def ranking(self) -> ReidResult:
        """Of the embedder that finds most persons in it."""
        return best_embedder(self.identity, _MODE)[1]

    @property
    def redetection_rate(self) -> Estimate:
        """%, of the persons."""
        again, persons = (
            np.array(self.redetection.num_redetected),
            np.array(self.redetection.persons),
        )
        return clustered_proportion(again, persons).scaled(100)


def format_variant(setting: InpaintConfig, prompts: Collection[str]) -> str:
    """Its size and prompt; prompts are cut where that tells them apart from the others."""
    prompt = setting.prompt
    start = prompt[:_SHOWN]
    is_alone = sum(other.startswith(start) for other in prompts) == 1
    shown = f"{start}..." if len(prompt) > _SHOWN and is_alone else prompt
    return f"{setting.generate_px} px, '{shown}'"


def beta_table(cells: Sequence[SweepPoint], looks: ImageMetrics) -> Table:
    names = list(looks.embedders)
    columns = [
        "beta_d, size, prompt",
        "rank-1, %",
        "mAP, %",
        *(f"{'FID' if name == 'Inception' else f'Frechet distance on {name}'}" for name in names),
        *(["LPIPS"] if looks.lpips is not None else []),
        "sharpness, of the original's",
        "detected again, %",
        "UNet steps",
        "s per person",
    ]
    rows: list[list[TableCell]] = []
    for cell in cells:
        figures = cell.figures
        rows.append(
            [
                f"{cell.config.beta_d:g}, {cell.variant}",
                cell.ranking.cmc(1).scaled(100),
                cell.ranking.mean_average_precision().scaled(100),
                *(figures.distances[name][0] for name in names),
                *([figures.lpips] if looks.lpips is not None else []),
                figures.sharpness,
                cell.redetection_rate,
                cell.unet_steps,
                cell.seconds_per_person,
            ]
        )
    before = best_embedder(cells[0].identity, ORIGINAL)[1]
    note = (
        f"Rank-1 and mAP by the embedder that does best against each setting; originals "
        f"{format_estimate(before.cmc(1).scaled(100))}, chance "
        f"{format_number(_chance(cells[0]))} %. Detected "
        "again: by the segmenter, where the person was. Time: covering and drawing, on the "
        "machine named below; - where all was drawn by an earlier run."
    )
    return Table("beta", "By noise level", columns, rows, note)


def beta_plots(cells: Sequence[SweepPoint], looks: ImageMetrics) -> list[Plot]:
    before = best_embedder(cells[0].identity, ORIGINAL)[1].cmc(1).value or 0.0
    marks = {"chance": _chance(cells[0]), "original": 100 * before}
    plots = [
        _plot(cells, "identity", "rank-1, %", lambda c: c.ranking.cmc(1).scaled(100), marks),
        _plot(cells, "detected", "detected again, %", lambda cell: cell.redetection_rate),
    ]
    for index, name in enumerate(looks.embedders):
        label = f"Frechet distance on {name} (no unit)"
        value = _by_name(name)
        plots.append(_plot(cells, f"distance_{index + 1}", label, value))
    return plots


def summarize_sweep(cells: Sequence[SweepPoint], margin: float) -> list[str]:
    variants = dict.fromkeys(cell.variant for cell in cells)
    return [_recommendation_text(cells, variant, margin) for variant in variants]


def sweep_limitations(cells: Sequence[SweepPoint]) -> list[str]:
    """What the sweep does not tell."""
    stronger = "It holds for these embedders: a stronger one may find persons whom these do not."
    design = "Low noise keeps colours and outline of the person by design (arXiv 2410.08551)."
    place = "Crops show some of the surroundings, by which who stands still is found at any noise."
    covered = [
        f"beta_d {cell.config.beta_d:g}, {cell.variant}: {line} Noise changes nothing for them."
        for cell in cells
        for line in cell.covered
    ]
    return [stronger, place, design, *covered]


def _recommendation_text(cells: Sequence[SweepPoint], variant: str, margin: float) -> str:
    chosen = [cell for cell in cells if cell.variant == variant]
    rates = [cell.ranking.cmc(1) for cell in chosen]
    limit = _chance(chosen[0]) / 100 + margin / 100
    advice = recommend_beta([cell.config.beta_d for cell in chosen], rates, limit)
    asked = f"rank-1 within {margin:g} points of chance ({format_number(_chance(chosen[0]))} %)"
    if advice.value is None:
        most = format_estimate(rates[-1].scaled(100))
        largest = f"{chosen[-1].config.beta_d:g}"
        found = f"no beta_d up to {largest} brings {asked}; that leaves {most}"
    else:
        found = f"beta_d = {advice.value:g} is the smallest from which on {asked} holds"
    return f"{variant}: {found}; {_uncertainty(advice)}."


def _uncertainty(advice: BetaRecommendation) -> str:
    if advice.optimistic is None:
        return "with 95 % confidence, none of these does"
    sure = "none of these" if advice.conservative is None else f"{advice.conservative:g}"
    return f"by the 95 % intervals {advice.optimistic:g} may do, and {sure} does for sure"


def _plot(
    cells: Sequence[SweepPoint],
    name: str,
    label: str,
    value: Callable[[SweepPoint], Estimate],
    marks: dict[str, float] | None = None,
) -> Plot:
    series: dict[str, list[tuple[float, Estimate]]] = {}
    for cell in cells:
        series.setdefault(cell.variant, []).append((cell.config.beta_d, value(cell)))
    title = f"{label.partition(',')[0]} by noise level"
    return Plot(name, title, plot_lines(series, _BETA, label, marks))


def _by_name(name: str) -> Callable[[SweepPoint], Estimate]:
    return lambda cell: cell.figures.distances[name][0]


def _chance(cell: SweepPoint) -> float:
    return 100 * cell.identity.chance.ranks[1]
