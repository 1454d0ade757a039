"""Tables, plot and summary of recall over time and flicker."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from anon_ros.evaluation.report.model import Plot, Table
from anon_ros.evaluation.report.plots import plot_lines
from anon_ros.evaluation.report.tables import format_estimate, format_number
from anon_ros.metrics import Estimate, FlickerMetric, IdSwitches, TemporalRecall, bootstrap

_TOLERANCES = (0.0, 0.1, 0.5)
_PLOTTED_TOLERANCES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
_TOLERANCE_RATIO = 0.1
FlickerByCamera = Mapping[tuple[str, str], FlickerMetric]
"""By camera and method."""


def make_recall_table(recalls: Mapping[str, TemporalRecall], switches: IdSwitches | None) -> Table:
    columns = (
        "memory",
        "persons",
        "person-frames",
        *(f"uncovered by more than {100 * share:.0f} %, %" for share in _TOLERANCES),
        "longest uncovered by more than 10 %, s",
        "false cover, % of the image",
        "highest, %",
    )
    rows = [[kind, *_make_recall_cells(recall)] for kind, recall in recalls.items()]
    note = (
        "Of all labelled persons in labelled frames, how many are uncovered. Labels are not exact "
        "to the pixel, so that a tenth tells more than any pixel. Intervals: bootstrap over "
        "persons."
    )
    if switches is not None:
        tracking = switches.compute()
        note += (
            f" Tracks: {tracking.matches} of {tracking.person_frames} person-frames belong to one; "
            f"a person changed to another {tracking.switches} times ({tracking.persons} persons)."
        )
    return Table("recall", "Who stays uncovered", columns, rows, note)


def make_recall_plot(recalls: Mapping[str, TemporalRecall]) -> Plot:
    series = {
        f"memory {kind}": [
            (100 * share, uncovered_ratio(recall, share)) for share in _PLOTTED_TOLERANCES
        ]
        for kind, recall in recalls.items()
    }
    svg = plot_lines(series, "uncovered by more than, % of the person", "person-frames, %")
    return Plot("uncovered", "Person-frames that are uncovered", svg)


def uncovered_ratio(recall: TemporalRecall, tolerance: float) -> Estimate:
    """Estimate the ratio of uncovered person-frames, %, over persons."""
    frames, uncovered = defaultdict[int, int](int), defaultdict[int, float](float)
    for second in recall.compute(tolerance).seconds:
        frames[second.person] += second.frames
        uncovered[second.person] += second.frames * second.uncovered_ratio
    totals = np.array(list(frames.values()))
    parts = np.array([uncovered[person] for person in frames])

    def compute_ratio(chosen: npt.NDArray[np.int64]) -> float:
        return float(100 * parts[chosen].sum() / totals[chosen].sum())

    return bootstrap(compute_ratio, len(totals))


def _make_recall_cells(recall: TemporalRecall) -> list[int | float | Estimate | None]:
    report = recall.compute(_TOLERANCE_RATIO)
    mean, highest = report.overcoverage_mean_ratio, report.overcoverage_max_ratio
    return [
        len({second.person for second in report.seconds}),
        report.person_frames,
        *(uncovered_ratio(recall, share) for share in _TOLERANCES),
        report.longest_uncovered_s,
        None if mean is None else 100 * mean,
        None if highest is None else 100 * highest,
    ]


def make_flicker_table(flickers: FlickerByCamera) -> Table:
    columns = (
        "anonymized",
        "frames",
        "warping error, gray levels",
        "original, gray levels",
        "ratio",
        "difference of differences, gray levels",
        "ratio to the original's",
        "distance from the original, gray levels",
    )
    cameras = {camera for camera, _ in flickers}
    rows: list[list[str | int | float | None]] = []
    for (camera, method), flicker in flickers.items():
        report = flicker.compute()
        rows.append(
            [
                f"{method}, {camera}" if len(cameras) > 1 else method,
                report.frames,
                report.warp_error_levels,
                report.original_warp_error_levels,
                report.warp_error_ratio,
                report.temporal_difference_error_levels,
                report.temporal_difference_error_ratio,
                report.distance_levels,
            ]
        )
    note = (
        "Inside what is replaced; levels of 0..255. Warping error: what does not move as the "
        "original moves. Difference of differences: how much more, or less, changes from frame to "
        "frame than in the original. A copy of the original has ratio 1, 0, and distance 0."
    )
    return Table("flicker", "Temporal flicker", columns, rows, note)


def summarize_temporal(
    recalls: Mapping[str, TemporalRecall], flickers: FlickerByCamera
) -> list[str]:
    """Summarize recall and flicker in sentences."""
    sentences = []
    for kind, recall in recalls.items():
        report, ratio = recall.compute(_TOLERANCE_RATIO), uncovered_ratio(recall, _TOLERANCE_RATIO)
        sentences.append(
            f"With memory {kind}, {format_estimate(ratio)} of the labelled persons "
            f"({report.uncovered_frames} of {report.person_frames}) are uncovered by more than a "
            f"tenth, one of them for {format_number(report.longest_uncovered_s)} s; "
            f"{format_number(_get_overcoverage(recall))} % of the image is covered where nobody is."
        )
    for (camera, method), flicker in flickers.items():
        flicker_report = flicker.compute()
        origin = f" of {camera}" if camera else ""
        sentences.append(
            f"{method}{origin}: {format_number(flicker_report.warp_error_ratio)} times the flicker "
            "of the original, "
            f"at a distance of {format_number(flicker_report.distance_levels)} levels from it."
        )
    return sentences


def _get_overcoverage(recall: TemporalRecall) -> float | None:
    mean = recall.compute(_TOLERANCE_RATIO).overcoverage_mean_ratio
    return None if mean is None else 100 * mean
