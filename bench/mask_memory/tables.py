"""Tables of the mask memory experiment, in Markdown."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from anon_ros.metrics import TemporalRecall

MODES = ("off", "past", "both")
TOLERANCES = (0.0, 0.1, 0.5)
PLOTTED_TOLERANCE = 0.1
_DROP_GOAL_RATIO = 0.005
Results = Mapping[tuple[float, str], TemporalRecall]
"""Recall by confidence and mode."""


def format_recall_table(results: Results) -> list[str]:
    """Return the lines of the table of uncovered persons."""
    lines = [
        "| confidence | memory | any pixel | over 10 % | over 50 % | longest | outside | most |",
        "| --- | --- |" + " ---: |" * 6,
    ]
    for confidence in dict.fromkeys(confidence for confidence, _ in results):
        lines += [
            f"| {confidence} | {mode} | {_format_recall_cells(results[confidence, mode])} |"
            for mode in MODES
        ]
        off, both = (
            compute_uncovered_ratios(results[confidence, mode]) for mode in ("off", "both")
        )
        factors = " | ".join(_format_factor(*pair) for pair in zip(off, both, strict=True))
        lines.append(f"| {confidence} | off / both | {factors} | | | |")
    return lines


def _format_recall_cells(recall: TemporalRecall) -> str:
    report = recall.compute(PLOTTED_TOLERANCE)
    outside = report.overcoverage_mean_ratio, report.overcoverage_max_ratio
    return " | ".join(
        [
            *(_format_percent(ratio) for ratio in compute_uncovered_ratios(recall)),
            f"{report.longest_uncovered_s or 0:.1f} s",
            *(_format_percent(ratio or 0) for ratio in outside),
        ]
    )


def compute_uncovered_ratios(
    recall: TemporalRecall, tolerances: Iterable[float] = TOLERANCES
) -> list[float]:
    """Return the ratio of uncovered persons for several tolerances."""
    return [recall.compute(tolerance).uncovered_ratio or 0 for tolerance in tolerances]


def _format_percent(ratio: float) -> str:
    return f"{100 * ratio:.2f} %"


def _format_factor(before: float, after: float) -> str:
    if not after:
        return "all" if before else "none"
    return f"{before / after:.1f}"


def format_drop_table(results: Mapping[tuple[str, str], TemporalRecall]) -> list[str]:
    """Return the lines of the table of dropped detections."""
    lines = [
        "| dropped | off, over 50 % | past | both | off, over 10 % | past | both | goal, both |",
        "| --- |" + " ---: |" * 6 + " --- |",
    ]
    for name in dict.fromkeys(name for name, _ in results):
        ratios = [compute_uncovered_ratios(results[name, mode], (0.5, 0.1)) for mode in MODES]
        cells = " | ".join(
            _format_percent(ratio) for column in zip(*ratios, strict=True) for ratio in column
        )
        lines.append(f"| {name} | {cells} | {_judge_drop(*ratios[-1])} |")
    return lines


def _judge_drop(half: float, tenth: float) -> str:
    if tenth < _DROP_GOAL_RATIO:
        return "met"
    return "met at 50 %" if half < _DROP_GOAL_RATIO else "missed"


def format_cost_table(costs_ms: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the lines of the table of costs."""
    lines = ["| 10 persons | median | 95 of 100 below |", "| --- | ---: | ---: |"]
    for name, durations_ms in costs_ms.items():
        middle, high = statistics.median(durations_ms), statistics.quantiles(durations_ms, n=20)[-1]
        lines.append(f"| {name} | {middle:.1f} ms | {high:.1f} ms |")
    return lines
