"""Table, plots and recommendation of a sweep of noise levels."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from anon_ros.config import InpaintConfig
from anon_ros.evaluation.image_statistics import ImageMetrics
from anon_ros.evaluation.quality.tables import QualityScores
from anon_ros.evaluation.reid.tables import ORIGINAL, ReidScores, find_best_embedder
from anon_ros.evaluation.report.model import Cell as TableCell
from anon_ros.evaluation.report.model import Plot, Table
from anon_ros.evaluation.report.plots import plot_lines
from anon_ros.evaluation.report.tables import format_estimate, format_number
from anon_ros.metrics import (
    BetaRecommendation,
    Estimate,
    ReidResult,
    estimate_clustered_proportion,
    recommend_beta,
)

_METHOD = "sdxl"
_MAX_PROMPT_CHARS = 24
_BETA_LABEL = "beta_d (noise level where the diffusion starts)"


@dataclass
class RedetectionCounts:
    """Persons of the inpainted frames.

    Attributes:
        persons: number of persons, by frame.
        num_redetected: number of those whom a segmenter detects again in the same place.
    """

    persons: list[int] = field(default_factory=list)
    num_redetected: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class SweepPoint:
    """A setting of the sweep and its scores.

    Attributes:
        config: its parameters.
        variant: its size and prompt, as shown in tables.
        identity: re-identification.
        figures: image quality of the crops of persons.
        redetection: persons who are detected again.
        covered: sentences on persons who were covered, not inpainted.
        unet_steps: number of steps that run.
        seconds_per_person: on this machine; None if an earlier run inpainted all frames.
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
        """The result of the embedder that re-identifies most persons."""
        return find_best_embedder(self.identity, _METHOD)[1]

    @property
    def redetection_rate(self) -> Estimate:
        """The ratio of persons who are detected again, %."""
        counts = self.redetection
        redetected, persons = np.array(counts.num_redetected), np.array(counts.persons)
        return estimate_clustered_proportion(redetected, persons).scaled(100)


def format_variant(setting: InpaintConfig, prompts: Collection[str]) -> str:
    """Return size and prompt as text; a prompt is cut if it stays unique among ``prompts``."""
    prompt = setting.prompt
    start = prompt[:_MAX_PROMPT_CHARS]
    is_unique = sum(text.startswith(start) for text in prompts) == 1
    excerpt = f"{start}..." if len(prompt) > _MAX_PROMPT_CHARS and is_unique else prompt
    return f"{setting.generate_px} px, '{excerpt}'"


def make_beta_table(points: Sequence[SweepPoint], metrics: ImageMetrics) -> Table:
    names = list(metrics.embedders)
    columns = [
        "beta_d, size, prompt",
        "rank-1, %",
        "mAP, %",
        *(f"{'FID' if name == 'Inception' else f'Frechet distance on {name}'}" for name in names),
        *(["LPIPS"] if metrics.lpips is not None else []),
        "sharpness, of the original's",
        "detected again, %",
        "UNet steps",
        "s per person",
    ]
    rows: list[list[TableCell]] = []
    for point in points:
        figures = point.figures
        rows.append(
            [
                f"{point.config.beta_d:g}, {point.variant}",
                point.ranking.cmc(1).scaled(100),
                point.ranking.mean_average_precision().scaled(100),
                *(figures.distances[name][0] for name in names),
                *([figures.lpips] if metrics.lpips is not None else []),
                figures.sharpness,
                point.redetection_rate,
                point.unet_steps,
                point.seconds_per_person,
            ]
        )
    original = find_best_embedder(points[0].identity, ORIGINAL)[1]
    note = (
        f"Rank-1 and mAP by the embedder that does best against each setting; originals "
        f"{format_estimate(original.cmc(1).scaled(100))}, chance "
        f"{format_number(_get_chance(points[0]))} %. Detected "
        "again: by the segmenter, where the person was. Time: covering and drawing, on the "
        "machine named below; - where all was drawn by an earlier run."
    )
    return Table("beta", "By noise level", columns, rows, note)


def make_beta_plots(points: Sequence[SweepPoint], metrics: ImageMetrics) -> list[Plot]:
    original = find_best_embedder(points[0].identity, ORIGINAL)[1].cmc(1).value or 0.0
    marks = {"chance": _get_chance(points[0]), "original": 100 * original}
    plots = [
        _plot(points, "identity", "rank-1, %", lambda c: c.ranking.cmc(1).scaled(100), marks),
        _plot(points, "detected", "detected again, %", lambda point: point.redetection_rate),
    ]
    for index, name in enumerate(metrics.embedders):
        label = f"Frechet distance on {name} (no unit)"
        value = _make_distance_getter(name)
        plots.append(_plot(points, f"distance_{index + 1}", label, value))
    return plots


def summarize_sweep(points: Sequence[SweepPoint], margin: float) -> list[str]:
    variants = dict.fromkeys(point.variant for point in points)
    return [_format_recommendation(points, variant, margin) for variant in variants]


def list_sweep_limitations(points: Sequence[SweepPoint]) -> list[str]:
    """Return the limitations of the sweep, in sentences."""
    stronger = "It holds for these embedders: a stronger one may find persons whom these do not."
    design = "Low noise keeps colours and outline of the person by design (arXiv 2410.08551)."
    place = "Crops show some of the surroundings, by which who stands still is found at any noise."
    covered = [
        f"beta_d {point.config.beta_d:g}, {point.variant}: {line} Noise changes nothing for them."
        for point in points
        for line in point.covered
    ]
    return [stronger, place, design, *covered]


def _format_recommendation(points: Sequence[SweepPoint], variant: str, margin: float) -> str:
    chosen = [point for point in points if point.variant == variant]
    rates = [point.ranking.cmc(1) for point in chosen]
    limit = _get_chance(chosen[0]) / 100 + margin / 100
    advice = recommend_beta([point.config.beta_d for point in chosen], rates, limit)
    goal = f"rank-1 within {margin:g} points of chance ({format_number(_get_chance(chosen[0]))} %)"
    if advice.value is None:
        highest = format_estimate(rates[-1].scaled(100))
        largest = f"{chosen[-1].config.beta_d:g}"
        result = f"no beta_d up to {largest} brings {goal}; that leaves {highest}"
    else:
        result = f"beta_d = {advice.value:g} is the smallest from which on {goal} holds"
    return f"{variant}: {result}; {_describe_interval(advice)}."


def _describe_interval(advice: BetaRecommendation) -> str:
    if advice.optimistic is None:
        return "with 95 % confidence, none of these does"
    sure = "none of these" if advice.conservative is None else f"{advice.conservative:g}"
    return f"by the 95 % intervals {advice.optimistic:g} may do, and {sure} does for sure"


def _plot(
    points: Sequence[SweepPoint],
    name: str,
    label: str,
    value: Callable[[SweepPoint], Estimate],
    marks: dict[str, float] | None = None,
) -> Plot:
    series: dict[str, list[tuple[float, Estimate]]] = {}
    for point in points:
        series.setdefault(point.variant, []).append((point.config.beta_d, value(point)))
    title = f"{label.partition(',')[0]} by noise level"
    return Plot(name, title, plot_lines(series, _BETA_LABEL, label, marks))


def _make_distance_getter(name: str) -> Callable[[SweepPoint], Estimate]:
    return lambda point: point.figures.distances[name][0]


def _get_chance(point: SweepPoint) -> float:
    return 100 * point.identity.chance.ranks[1]
