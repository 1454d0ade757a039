"""Who is found again, as a table, a plot and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.evaluate import (
    Chance,
    Estimate,
    Plot,
    Ranking,
    Table,
    bar_plot,
    number,
    proportion,
    spoken,
)

ORIGINAL = "original"
_RANKS = (1, 5, 10)
_CHANCE = "chance"


@dataclass(frozen=True)
class Identity:
    """How well persons were found again.

    Attributes:
        rankings: by embedder and kind of query, ORIGINAL or a mode.
        chance: what a blind embedder would reach.
        seen: (N,) bool, the queries in which the segmenter found somebody: no other was changed.
        gallery: number of images to search in.
    """

    rankings: Mapping[tuple[str, str], Ranking]
    chance: Chance
    seen: npt.NDArray[np.bool_]
    gallery: int


def identity_table(identity: Identity) -> Table:
    columns = ("embedder, query", "queries", *(f"rank-{k}, %" for k in _RANKS), "mAP, %")
    rows: list[list[str | int | float | Estimate | None]] = []
    for (embedder, mode), ranking in identity.rankings.items():
        rows.append([f"{embedder}, {mode}", *_cells(ranking)])
        if mode != ORIGINAL and not identity.seen.all():
            rows.append(
                [f"{embedder}, {mode}, person found", *_cells(ranking.chosen(identity.seen))]
            )
    found = identity.chance
    by_chance = [100 * share for share in (*found.ranks.values(), found.mean_average_precision)]
    rows.append([_CHANCE, None, *by_chance])
    some = next(iter(identity.rankings.values()))
    persons = len(np.unique(some.persons[some.answerable]))
    note = (
        f"Anonymized queries against {identity.gallery} original images (gallery), by cosine "
        "distance; images of the query's person by the query's camera do not count (for "
        "recordings: of the same period), nor does junk. Intervals: over "
        f"the {persons} persons, whose queries are alike."
    )
    if not identity.seen.all():
        hidden = int((~identity.seen).sum())
        note += (
            f" In {hidden} of {len(identity.seen)} queries the segmenter found nobody; they were "
            "searched for unchanged, as they would be published. The rows with person found leave "
            "them out."
        )
    return Table("reid", "Who is found again", columns, rows, note)


def _cells(ranking: Ranking) -> list[int | Estimate]:
    shares = [*(ranking.rank(k) for k in _RANKS), ranking.mean_average_precision()]
    return [int(ranking.answerable.sum()), *(share.times(100) for share in shares)]


def identity_plot(identity: Identity) -> Plot:
    series: dict[str, dict[str, Estimate]] = {}
    for (embedder, mode), ranking in identity.rankings.items():
        series.setdefault(embedder, {})[mode] = ranking.rank(1).times(100)
    marks = {_CHANCE: 100 * identity.chance.ranks[1]}
    return Plot("rank_1", "Right person found first", bar_plot(series, "rank-1, %", marks))


def strongest(identity: Identity, mode: str) -> tuple[str, Ranking]:
    """The embedder that finds most of them first."""
    of_mode = {name: r for (name, kind), r in identity.rankings.items() if kind == mode}
    return max(of_mode.items(), key=lambda each: each[1].rank(1).value or 0.0)


def identity_answers(identity: Identity) -> list[str]:
    answers = []
    before = strongest(identity, ORIGINAL)[1].rank(1).times(100)
    by_chance = number(100 * identity.chance.ranks[1])
    for mode in dict.fromkeys(mode for _, mode in identity.rankings if mode != ORIGINAL):
        name, ranking = strongest(identity, mode)
        answers.append(
            f"{mode}: in {spoken(ranking.rank(1).times(100))} of the queries the person is found "
            f"first by {name}, the best of the embedders; with the originals in {spoken(before)}, "
            f"by chance in {by_chance} %."
        )
    if not identity.seen.all():
        hidden = proportion(int((~identity.seen).sum()), len(identity.seen)).times(100)
        answers.append(f"In {spoken(hidden)} of the queries nobody was found, so none was changed.")
    return answers
