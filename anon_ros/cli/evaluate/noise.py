"""A sweep of noise levels as a table, plots and a recommendation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    proportion,
    recommend,
    spoken,
)
from anon_ros.evaluate.report import Cell as TableCell

_MODE = "sdxl"
_BETA = "beta_d (noise level where the diffusion starts)"


@dataclass
class Found:
    """Persons of the frames that were drawn.

    Attributes:
        persons: all of them.
        again: whom a segmenter finds in the anonymized frame, where they were.
        small: below the least size that is inpainted: covered, whatever the noise.
    """

    persons: int = 0
    again: int = 0
    small: int = 0


@dataclass(frozen=True)
class Cell:
    """One setting and what it did.

    Attributes:
        setting: its parameters.
        identity: who is found again.
        figures: of the crops of persons.
        found: who is detected again.
        unet_steps: that run.
        person_s: time per person on this machine; None if every frame was drawn before.
    """

    setting: InpaintConfig
    identity: Identity
    figures: Figures
    found: Found
    unet_steps: int
    person_s: float | None

    @property
    def ranking(self) -> Ranking:
        """Of the embedder that finds most persons in it."""
        return strongest(self.identity, _MODE)[1]

    @property
    def found_again(self) -> Estimate:
        """%, of the persons."""
        return proportion(self.found.again, self.found.persons).times(100)


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
                f"{cell.setting.beta_d:g}, {_variant(cell)}",
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
    return [_advice(cells, variant, margin) for variant in dict.fromkeys(map(_variant, cells))]


def limits(cells: Sequence[Cell], small_rule: str) -> list[str]:
    """What the sweep does not tell."""
    small = sum(cell.found.small for cell in cells)
    persons = sum(cell.found.persons for cell in cells)
    stronger = "It holds for these embedders: a stronger one may find persons whom these do not."
    design = "Low noise keeps colours and outline of the person by design (arXiv 2410.08551)."
    place = "Crops show some of the surroundings, by which who stands still is found at any noise."
    lines = [stronger, place, design]
    if small:
        lines.append(
            f"{small} of {persons} persons are below {small_rule}: they were covered, not "
            "inpainted, so that the noise level changes nothing for them."
        )
    return lines


def _advice(cells: Sequence[Cell], variant: str, margin: float) -> str:
    chosen = [cell for cell in cells if _variant(cell) == variant]
    rankings = [cell.ranking for cell in chosen]
    answerable = rankings[0].answerable
    found = np.array([ranking.first_ranks[answerable] == 1 for ranking in rankings])
    limit = _chance(chosen[0]) / 100 + margin / 100
    advice = recommend([cell.setting.beta_d for cell in chosen], found, limit)
    asked = f"rank-1 within {margin:g} points of chance ({number(_chance(chosen[0]))} %)"
    if advice.value is None:
        most = rankings[-1].rank(1).times(100)
        largest = f"{chosen[-1].setting.beta_d:g}"
        return f"{variant}: no beta_d up to {largest} brings {asked}; that leaves {spoken(most)}."
    return (
        f"{variant}: beta_d = {advice.value:g} is the smallest from which on {asked} holds; "
        f"{_uncertainty(advice)}."
    )


def _uncertainty(advice: Recommendation) -> str:
    failing = f"{100 * advice.failing_ratio:.0f} % of resamples recommend none of these"
    if advice.high is None:
        low = "none" if advice.low is None else f"{advice.low:g}"
        return f"other samples of persons might say {low} or more, and {failing}"
    return f"other samples of persons might say {advice.low:g} to {advice.high:g} (95 %)"


def _plot(
    cells: Sequence[Cell],
    name: str,
    label: str,
    value: Callable[[Cell], Estimate],
    marks: dict[str, float] | None = None,
) -> Plot:
    series: dict[str, list[tuple[float, Estimate]]] = {}
    for cell in cells:
        series.setdefault(_variant(cell), []).append((cell.setting.beta_d, value(cell)))
    title = f"{label.partition(',')[0]} by noise level"
    return Plot(name, title, line_plot(series, _BETA, label, marks))


def _by_name(name: str) -> Callable[[Cell], Estimate]:
    return lambda cell: cell.figures.distances[name][0]


def _variant(cell: Cell) -> str:
    prompt = cell.setting.prompt
    shown = prompt if len(prompt) <= 24 else f"{prompt[:21]}..."  # noqa: PLR2004 - a column's width
    return f"{cell.setting.generate_px} px, '{shown}'"


def _chance(cell: Cell) -> float:
    return 100 * cell.identity.chance.ranks[1]
