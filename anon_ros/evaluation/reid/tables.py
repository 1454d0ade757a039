"""Table, plot and summary of person re-identification."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.evaluation.report.model import Plot, Table
from anon_ros.evaluation.report.plots import plot_bars
from anon_ros.evaluation.report.tables import format_estimate, format_number
from anon_ros.metrics import ChanceLevel, Estimate, ReidResult, estimate_proportion

ORIGINAL = "original"
_RANKS = (1, 5, 10)
_CHANCE = "chance"


@dataclass(frozen=True)
class ReidScores:
    """Scores of a re-identification.

    Attributes:
        rankings: by embedder and kind of query, ORIGINAL or a method.
        chance: the expected result of an embedder that sees nothing.
        has_detection: (N,) bool, the queries in which the segmenter detected a person: only these
            were changed.
        gallery_size: number of images to search in.
    """

    rankings: Mapping[tuple[str, str], ReidResult]
    chance: ChanceLevel
    has_detection: npt.NDArray[np.bool_]
    gallery_size: int


def make_reid_table(scores: ReidScores) -> Table:
    columns = ("embedder, query", "queries", *(f"rank-{k}, %" for k in _RANKS), "mAP, %")
    rows: list[list[str | int | float | Estimate | None]] = []
    for (embedder, method), result in scores.rankings.items():
        rows.append([f"{embedder}, {method}", *_make_cells(result)])
        if method != ORIGINAL and not scores.has_detection.all():
            rows.append(
                [
                    f"{embedder}, {method}, person found",
                    *_make_cells(result.subset(scores.has_detection)),
                ]
            )
    chance = scores.chance
    by_chance = [100 * rate for rate in (*chance.ranks.values(), chance.mean_average_precision)]
    rows.append([_CHANCE, None, *by_chance])
    example = next(iter(scores.rankings.values()))
    persons = len(np.unique(example.person_ids[example.is_valid]))
    note = (
        f"Anonymized queries against {scores.gallery_size} original images (gallery), by cosine "
        "distance; images of the query's person by the query's camera do not count (for "
        "recordings: of the same period), nor does junk. Intervals: over "
        f"the {persons} persons, whose queries are alike."
    )
    if not scores.has_detection.all():
        hidden = int((~scores.has_detection).sum())
        note += (
            f" In {hidden} of {len(scores.has_detection)} queries the segmenter found "
            "nobody; they were "
            "searched for unchanged, as they would be published. The rows with person found leave "
            "them out."
        )
    return Table("reid", "Who is found again", columns, rows, note)


def _make_cells(result: ReidResult) -> list[int | Estimate]:
    rates = [*(result.cmc(k) for k in _RANKS), result.mean_average_precision()]
    return [int(result.is_valid.sum()), *(rate.scaled(100) for rate in rates)]


def make_reid_plot(scores: ReidScores) -> Plot:
    series: dict[str, dict[str, Estimate]] = {}
    for (embedder, method), result in scores.rankings.items():
        series.setdefault(embedder, {})[method] = result.cmc(1).scaled(100)
    marks = {_CHANCE: 100 * scores.chance.ranks[1]}
    return Plot("rank_1", "Right person found first", plot_bars(series, "rank-1, %", marks))


def find_best_embedder(scores: ReidScores, method: str) -> tuple[str, ReidResult]:
    """Return the embedder with the highest rank-1 accuracy, by name, and its result."""
    by_name = {name: r for (name, kind), r in scores.rankings.items() if kind == method}
    return max(by_name.items(), key=lambda item: item[1].cmc(1).value or 0.0)


def summarize_reid(scores: ReidScores) -> list[str]:
    sentences = []
    original = find_best_embedder(scores, ORIGINAL)[1].cmc(1).scaled(100)
    by_chance = format_number(100 * scores.chance.ranks[1])
    for method in dict.fromkeys(name for _, name in scores.rankings if name != ORIGINAL):
        name, result = find_best_embedder(scores, method)
        sentences.append(
            f"{method}: in {format_estimate(result.cmc(1).scaled(100))} of the queries the "
            "person is found "
            f"first by {name}, the best of the embedders; with the originals in "
            f"{format_estimate(original)}, "
            f"by chance in {by_chance} %."
        )
    if not scores.has_detection.all():
        hidden = estimate_proportion(
            int((~scores.has_detection).sum()), len(scores.has_detection)
        ).scaled(100)
        sentences.append(
            f"In {format_estimate(hidden)} of the queries nobody was found, so none was changed."
        )
    return sentences
