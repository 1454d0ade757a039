"""Tables and summary of ``anon_ros evaluate detection``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from anon_ros.evaluation.report.model import Cell, Plot, Report, Table
from anon_ros.evaluation.report.plots import plot_bars
from anon_ros.evaluation.report.tables import format_number
from anon_ros.metrics import (
    SIZE_RANGES_PX,
    AveragePrecision,
    Estimate,
    FrameMatches,
    GroundTruth,
    PrecisionScores,
    bootstrap,
    match_frame,
)

ORIGINAL = "original"
_COLUMNS = ("AP, %", "AP50, %", "AP75, %", "AR100, %")
_AP_LOST, _AP_RETAINED = "AP lost, points", "AP retained, %"
_NOTE = (
    "AP, AP50, AP75 and AR100 as COCO defines them, of one class. Intervals: 95 % of 1000 "
    "resamples of the frames. What is lost and kept is against the original, resampled in pairs."
)
_LIMITATIONS = [
    (
        "A detector that is also the one that found the persons to anonymize judges its own work: "
        "whom it missed stays as it was. Choose another one by --detector."
    ),
    (
        "Frames of one video are alike, so that the intervals are narrower than those of as many "
        "independent frames would be."
    ),
    "Labels that a model made share that model's errors.",
    (
        "Boxes around outlines are tighter than those that some detectors draw. Then AP is low "
        "even on the original, and AP50 tells more."
    ),
    "Only boxes are compared, no outlines.",
]
_TRAINING_LIMITATIONS = [
    "A start that has seen real persons before hides what the anonymized ones do not teach.",
    "The folder train holds the ORIGINAL frames, too: it is as private as the recording.",
    (
        "Trained and tested in one place with one camera; other places are not told about. Few "
        "frames or epochs tell little about the modes: see the spread of the seeds."
    ),
]

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DetectionMatches:
    """Matches of the same frames, by method.

    Attributes:
        matches: by method, in the order of the frames.
        by_size: by method and COCO's size of a person.
    """

    matches: dict[str, list[FrameMatches]] = field(default_factory=dict)
    by_size: dict[tuple[str, str], list[FrameMatches]] = field(default_factory=dict)

    def add(
        self,
        truth: GroundTruth,
        detections: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    ) -> None:
        """Add a frame, with the boxes and scores of every method."""
        for method, boxes in detections.items():
            self.matches.setdefault(method, []).append(match_frame(truth, *boxes))
            for size, area_px in SIZE_RANGES_PX.items():
                frames = self.by_size.setdefault((method, size), [])
                frames.append(match_frame(truth, *boxes, area_px))


@dataclass(frozen=True)
class TrainingResults:
    """Average precisions of trained detectors.

    Attributes:
        start: initial weights or architecture.
        epochs: of every detector.
        num_train: number of training frames.
        num_test: number of test frames.
        scores: by method of the training frames, per seed, on the original test frames.
    """

    start: str
    epochs: int
    num_train: int
    num_test: int
    scores: Mapping[str, Sequence[AveragePrecision]]


def make_detection_report(
    labelled: DetectionMatches,
    own: DetectionMatches,
    confidence: float,
    trained: TrainingResults | None,
) -> Report:
    """Return the report without its provenance."""
    against_own = (
        f"Truth: the detector's own boxes on the original, of a score from {confidence:g} on. This "
        "is relative to the detector, not to who is there: the original has 100 % by construction."
    )
    tables, plots = [], []
    if labelled.matches:
        tables += [
            _make_table("detection", "Detector against the labels", labelled, _NOTE),
            _make_size_table(
                "detection_by_size", "AP against the labels by size of persons, %", labelled
            ),
        ]
    tables.append(
        _make_table("retained", "AP retained: against the boxes on the original", own,
               f"{against_own} {_NOTE}")
    )  # fmt: skip
    plots = [_make_plot(table) for table in tables if table.name != "detection_by_size"]
    if trained:
        tables.append(_make_training_table(trained))
        plots.append(_make_plot(tables[-1]))
    return Report(
        "Person detection on original and anonymized images",
        [line for table in tables for line in _summarize_table(table)],
        tables,
        plots,
        _list_limitations(trained),
    )


def _make_table(name: str, title: str, matches: DetectionMatches, note: str) -> Table:
    scored = {method: [AveragePrecision(frames)] for method, frames in matches.matches.items()}
    frames = next(iter(matches.matches.values()))
    persons = sum(frame.num_persons for frame in frames)
    rows = [[method, *cells, persons, len(frames)] for method, cells in _make_cells(scored).items()]
    columns = ("images", *_COLUMNS, _AP_LOST, _AP_RETAINED, "persons", "frames")
    return Table(name, title, columns, rows, note)


def _make_cells(scored: Mapping[str, Sequence[AveragePrecision]]) -> dict[str, list[Cell]]:
    """Return AP, AP50, AP75, AR100, AP lost and retained by method, as means over detectors."""
    original = scored[ORIGINAL]
    rows: dict[str, list[Cell]] = {}
    for method, detectors in scored.items():
        rows[method] = [
            _estimate_mean(detectors, pick) for pick in (_get_ap, _get_ap50, _get_ap75, _get_ar100)
        ]
        pair = [None, None] if method == ORIGINAL else _compare_ap(original, detectors)
        rows[method] += pair
    return rows


def _estimate_mean(
    detectors: Sequence[AveragePrecision], pick: Callable[[PrecisionScores], float | None]
) -> Estimate:
    count = len(detectors[0].frames)
    return bootstrap(lambda chosen: _average(detectors, pick, chosen), count)


def _average(
    detectors: Sequence[AveragePrecision],
    pick: Callable[[PrecisionScores], float | None],
    chosen: Indices,
) -> float | None:
    values = [pick(detector.compute(chosen)) for detector in detectors]
    valid = [value for value in values if value is not None]
    return 100 * float(np.mean(valid)) if valid else None


def _compare_ap(
    original: Sequence[AveragePrecision], anonymized: Sequence[AveragePrecision]
) -> list[Estimate]:
    """Estimate AP lost in points and retained in per cent, of the same frames."""

    def get_pair(chosen: Indices) -> tuple[float, float] | None:
        ap = _average(original, _get_ap, chosen)
        anonymized_ap = _average(anonymized, _get_ap, chosen)
        return None if ap is None or anonymized_ap is None else (ap, anonymized_ap)

    def compute_lost(chosen: Indices) -> float | None:
        values = get_pair(chosen)
        return None if values is None else values[0] - values[1]

    def compute_retained(chosen: Indices) -> float | None:
        values = get_pair(chosen)
        return None if values is None or not values[0] else 100 * (values[1] / values[0])

    count = len(original[0].frames)
    return [bootstrap(compute_lost, count), bootstrap(compute_retained, count)]


def _make_size_table(name: str, title: str, matches: DetectionMatches) -> Table:
    rows: list[list[Cell]] = []
    for method in matches.matches:
        scored = [AveragePrecision(matches.by_size[method, size]) for size in SIZE_RANGES_PX]
        rows.append([method, *(_estimate_mean([precision], _get_ap) for precision in scored)])
    persons = [
        sum(frame.num_persons for frame in matches.by_size[ORIGINAL, size])
        for size in SIZE_RANGES_PX
    ]
    note = "Small: up to 32 x 32 px, medium: up to 96 x 96 px, of the outline or the box."
    return Table(name, title, ("images", *SIZE_RANGES_PX), [*rows, ["persons", *persons]], note)


def _make_training_table(trained: TrainingResults) -> Table:
    seeds = len(next(iter(trained.scores.values())))
    all_frames = np.arange(trained.num_test)
    rows = []
    for method, cells in _make_cells(trained.scores).items():
        by_seed = [_average([scores], _get_ap, all_frames) for scores in trained.scores[method]]
        rows.append([method, *cells, ", ".join(map(format_number, by_seed))])
    columns = ("trained on", *_COLUMNS, _AP_LOST, _AP_RETAINED, "AP by seed, %")
    note = (
        f"Trained from {trained.start} for {trained.epochs} epochs on the first "
        f"{trained.num_train} "
        f"frames, tested on the {trained.num_test} last ones, which are original. Mean of {seeds} "
        "seed(s). Intervals: resampled test frames; the spread of the seeds is the last column."
    )
    return Table("trained", "Detectors trained on anonymized images", columns, rows, note)


def _make_plot(table: Table) -> Plot:
    rows = {str(row[0]): row for row in table.rows}
    series = {
        column: {method: _to_estimate(row[index]) for method, row in rows.items()}
        for index, column in ((1, "AP"), (2, "AP50"))
    }
    return Plot(table.name, table.title, plot_bars(series, "per cent", None))


def _to_estimate(cell: Cell) -> Estimate:
    return cell if isinstance(cell, Estimate) else Estimate(None)


def _summarize_table(table: Table) -> list[str]:
    if _AP_LOST not in table.columns:
        return []
    column = list(table.columns).index(_AP_RETAINED)
    return [
        f"{table.title}, {row[0]}: AP {_format_cell(row[1])} %, {_format_cell(row[column])} % of "
        "the original's."
        for row in table.rows
        if row[0] != ORIGINAL
    ]


def _format_cell(cell: Cell) -> str:
    estimate = _to_estimate(cell)
    if estimate.low is None or estimate.high is None:
        return format_number(estimate.value)
    return (
        f"{format_number(estimate.value)} ({format_number(estimate.low)} to "
        f"{format_number(estimate.high)})"
    )


def _list_limitations(trained: TrainingResults | None) -> list[str]:
    if not trained:
        return _LIMITATIONS
    return [*_LIMITATIONS, *_TRAINING_LIMITATIONS]


def _get_ap(precision: PrecisionScores) -> float | None:
    return precision.ap


def _get_ap50(precision: PrecisionScores) -> float | None:
    return precision.ap50


def _get_ap75(precision: PrecisionScores) -> float | None:
    return precision.ap75


def _get_ar100(precision: PrecisionScores) -> float | None:
    return precision.ar100
