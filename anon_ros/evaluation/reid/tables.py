"""Who is found again, as a table, a plot and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.evaluation.report.model import Plot, Table
from anon_ros.evaluation.report.plots import plot_bars
from anon_ros.evaluation.report.tables import format_estimate, format_number
from anon_ros.metrics import ChanceLevel, Estimate, ReidResult, wilson_proportion

ORIGINAL = "original"
_RANKS = (1, 5, 10)
_CHANCE = "chance"


@dataclass(frozen=True)
class ReidScores:
    """How well persons were found again.

    Attributes:
        rankings: by embedder and kind of query, ORIGINAL or a mode.
        chance: what a blind embedder would reach.
        has_detection: (N,) bool, the queries in which the segmenter found somebody: no other was
            changed.
        gallery_size: number of images to search in.
    """

    rankings: Mapping[tuple[str, str], ReidResult]
    chance: ChanceLevel
    has_detection: npt.NDArray[np.bool_]
    gallery_size: int


def reid_table(identity: ReidScores) -> Table:
    columns = ("embedder, query", "queries", *(f"rank-{k}, %" for k in _RANKS), "mAP, %")
    rows: list[list[str | int | float | Estimate | None]] = []
    for (embedder, mode), ranking in identity.rankings.items():
        rows.append([f"{embedder}, {mode}", *_cells(ranking)])
        if mode != ORIGINAL and not identity.has_detection.all():
            rows.append(
                [
                    f"{embedder}, {mode}, person found",
                    *_cells(ranking.subset(identity.has_detection)),
                ]
            )
    found = identity.chance
    by_chance = [100 * share for share in (*found.ranks.values(), found.mean_average_precision)]
    rows.append([_CHANCE, None, *by_chance])
    some = next(iter(identity.rankings.values()))
    persons = len(np.unique(some.person_ids[some.is_valid]))
    note = (
        f"Anonymized queries against {identity.gallery_size} original images (gallery), by cosine "
        "distance; images of the query's person by the query's camera do not count (for "
        "recordings: of the same period), nor does junk. Intervals: over "
        f"the {persons} persons, whose queries are alike."
    )
    if not identity.has_detection.all():
        hidden = int((~identity.has_detection).sum())
        note += (
            f" In {hidden} of {len(identity.has_detection)} queries the segmenter found "
            "nobody; they were "
            "searched for unchanged, as they would be published. The rows with person found leave "
            "them out."
        )
    return Table("reid", "Who is found again", columns, rows, note)


def _cells(ranking: ReidResult) -> list[int | Estimate]:
    shares = [*(ranking.cmc(k) for k in _RANKS), ranking.mean_average_precision()]
    return [int(ranking.is_valid.sum()), *(share.scaled(100) for share in shares)]


def reid_plot(identity: ReidScores) -> Plot:
    series: dict[str, dict[str, Estimate]] = {}
    for (embedder, mode), ranking in identity.rankings.items():
        series.setdefault(embedder, {})[mode] = ranking.cmc(1).scaled(100)
    marks = {_CHANCE: 100 * identity.chance.ranks[1]}
    return Plot("rank_1", "Right person found first", plot_bars(series, "rank-1, %", marks))


def best_embedder(identity: ReidScores, mode: str) -> tuple[str, ReidResult]:
    """The embedder that finds most of them first."""
    of_mode = {name: r for (name, kind), r in identity.rankings.items() if kind == mode}
    return max(of_mode.items(), key=lambda each: each[1].cmc(1).value or 0.0)


def summarize_reid(identity: ReidScores) -> list[str]:
    answers = []
    before = best_embedder(identity, ORIGINAL)[1].cmc(1).scaled(100)
    by_chance = format_number(100 * identity.chance.ranks[1])
    for mode in dict.fromkeys(mode for _, mode in identity.rankings if mode != ORIGINAL):
        name, ranking = best_embedder(identity, mode)
        answers.append(
            f"{mode}: in {format_estimate(ranking.cmc(1).scaled(100))} of the queries the "
            "person is found "
            f"first by {name}, the best of the embedders; with the originals in "
            f"{format_estimate(before)}, "
            f"by chance in {by_chance} %."
        )
    if not identity.has_detection.all():
        hidden = wilson_proportion(
            int((~identity.has_detection).sum()), len(identity.has_detection)
        ).scaled(100)
        answers.append(
            f"In {format_estimate(hidden)} of the queries nobody was found, so none was changed."
        )
    return answers
