"""A sweep of noise levels as a table, plots and a recommendation."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from anon_ros.cli.evaluate.appearance import Figures
from anon_ros.cli.evaluate.found_again import ORIGINAL, Identity, strongest
from anon_ros.cli.evaluate.looks import Looks
from anon_ros.config import InpaintConfig
from anon_ros.evaluate import (
    Estimate,
    Plot,
    Ranking,
    Recommendation,
    Table,
    line_plot,
    number,
    proportion_of_groups,
    recommend,
    spoken,
)
from anon_ros.evaluate.report import Cell as TableCell

_MODE = "sdxl"
_SHOWN = 24  # characters of a prompt
_BETA = "beta_d (noise level where the diffusion starts)"


@dataclass
class Found:
    """Persons of the frames that were drawn.

    Attributes:
        persons: by frame, all of them.
        again: by frame, whom a segmenter finds in the anonymized frame, where they were.
    """

    persons: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Cell:
    """One setting and what it did.

    Attributes:
        setting: its parameters.
        variant: of its size and prompt, for people.
        identity: who is found again.
        figures: of the crops of persons.
        found: who is detected again.
        covered: who was covered, not drawn, in sentences.
        unet_steps: that run.
        person_s: time per person on this machine; None if every frame was drawn before.
    """

    setting: InpaintConfig
    variant: str
    identity: Identity
    figures: Figures
    found: Found
    covered: Sequence[str]
    unet_steps: int
    person_s: float | None

    @property
    def ranking(self) -> Ranking:
        """Of the embedder that finds most persons in it."""
        return strongest(self.identity, _MODE)[1]

    @property
    def found_again(self) -> Estimate:
        """%, of the persons."""
        again, persons = np.array(self.found.again), np.array(self.found.persons)
        return proportion_of_groups(again, persons).times(100)


def variant_of(setting: InpaintConfig, prompts: Collection[str]) -> str:
    """Its size and prompt; prompts are cut where that tells them apart from the others."""
    prompt = setting.prompt
    start = prompt[:_SHOWN]
    is_alone = sum(other.startswith(start) for other in prompts) == 1
    shown = f"{start}..." if len(prompt) > _SHOWN and is_alone else prompt
    return f"{setting.generate_px} px, '{shown}'"


def beta_table(cells: Sequence[Cell], looks: Looks) -> Table:
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
                f"{cell.setting.beta_d:g}, {cell.variant}",
                cell.ranking.rank(1).times(100),
                cell.ranking.mean_average_precision().times(100),
                *(figures.distances[name][0] for name in names),
                *([figures.lpips] if looks.lpips is not None else []),
                figures.sharpness,
                cell.found_again,
                cell.unet_steps,
                cell.person_s,
            ]
        )
    before = strongest(cells[0].identity, ORIGINAL)[1]
    note = (
        f"Rank-1 and mAP by the embedder that does best against each setting; originals "
        f"{spoken(before.rank(1).times(100))}, chance {number(_chance(cells[0]))} %. Detected "
        "again: by the segmenter, where the person was. Time: covering and drawing, on the "
        "machine named below; - where all was drawn by an earlier run."
    )
    return Table("beta", "By noise level", columns, rows, note)


def beta_plots(cells: Sequence[Cell], looks: Looks) -> list[Plot]:
    before = strongest(cells[0].identity, ORIGINAL)[1].rank(1).value or 0.0
    marks = {"chance": _chance(cells[0]), "original": 100 * before}
    plots = [
        _plot(cells, "identity", "rank-1, %", lambda c: c.ranking.rank(1).times(100), marks),
        _plot(cells, "detected", "detected again, %", lambda cell: cell.found_again),
    ]
    for index, name in enumerate(looks.embedders):
        label = f"Frechet distance on {name} (no unit)"
        value = _by_name(name)
        plots.append(_plot(cells, f"distance_{index + 1}", label, value))
    return plots


def beta_answers(cells: Sequence[Cell], margin: float) -> list[str]:
    variants = dict.fromkeys(cell.variant for cell in cells)
    return [_advice(cells, variant, margin) for variant in variants]


def limits(cells: Sequence[Cell]) -> list[str]:
    """What the sweep does not tell."""
    stronger = "It holds for these embedders: a stronger one may find persons whom these do not."
    design = "Low noise keeps colours and outline of the person by design (arXiv 2410.08551)."
    place = "Crops show some of the surroundings, by which who stands still is found at any noise."
    covered = [
        f"beta_d {cell.setting.beta_d:g}, {cell.variant}: {line} Noise changes nothing for them."
        for cell in cells
        for line in cell.covered
    ]
    return [stronger, place, design, *covered]


def _advice(cells: Sequence[Cell], variant: str, margin: float) -> str:
    chosen = [cell for cell in cells if cell.variant == variant]
    rates = [cell.ranking.rank(1) for cell in chosen]
    limit = _chance(chosen[0]) / 100 + margin / 100
    advice = recommend([cell.setting.beta_d for cell in chosen], rates, limit)
    asked = f"rank-1 within {margin:g} points of chance ({number(_chance(chosen[0]))} %)"
    if advice.value is None:
        most = spoken(rates[-1].times(100))
        largest = f"{chosen[-1].setting.beta_d:g}"
        found = f"no beta_d up to {largest} brings {asked}; that leaves {most}"
    else:
        found = f"beta_d = {advice.value:g} is the smallest from which on {asked} holds"
    return f"{variant}: {found}; {_uncertainty(advice)}."


def _uncertainty(advice: Recommendation) -> str:
    if advice.low is None:
        return "with 95 % confidence, none of these does"
    sure = "none of these" if advice.high is None else f"{advice.high:g}"
    return f"by the 95 % intervals {advice.low:g} may do, and {sure} does for sure"


def _plot(
    cells: Sequence[Cell],
    name: str,
    label: str,
    value: Callable[[Cell], Estimate],
    marks: dict[str, float] | None = None,
) -> Plot:
    series: dict[str, list[tuple[float, Estimate]]] = {}
    for cell in cells:
        series.setdefault(cell.variant, []).append((cell.setting.beta_d, value(cell)))
    title = f"{label.partition(',')[0]} by noise level"
    return Plot(name, title, line_plot(series, _BETA, label, marks))


def _by_name(name: str) -> Callable[[Cell], Estimate]:
    return lambda cell: cell.figures.distances[name][0]


def _chance(cell: Cell) -> float:
    return 100 * cell.identity.chance.ranks[1]
