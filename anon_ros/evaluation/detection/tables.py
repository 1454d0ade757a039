"""The tables and sentences of ``anon_ros evaluate detection``."""

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
_LOST, _KEPT = "AP lost, points", "AP retained, %"
_NOTE = (
    "AP, AP50, AP75 and AR100 as COCO defines them, of one class. Intervals: 95 % of 1000 "
    "resamples of the frames. What is lost and kept is against the original, resampled in pairs."
)
_LIMITS = [
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
_TRAINING_LIMITS = [
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
    """Matches of the same frames, by mode.

    Attributes:
        matches: by mode, a frame each.
        by_size: by mode and COCO's size of a person.
    """

    matches: dict[str, list[FrameMatches]] = field(default_factory=dict)
    by_size: dict[tuple[str, str], list[FrameMatches]] = field(default_factory=dict)

    def add(
        self,
        truth: GroundTruth,
        found: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]],
    ) -> None:
        """Count one frame, with the boxes and scores of each mode."""
        for mode, boxes in found.items():
            self.matches.setdefault(mode, []).append(match_frame(truth, *boxes))
            for size, area_px in SIZE_RANGES_PX.items():
                frames = self.by_size.setdefault((mode, size), [])
                frames.append(match_frame(truth, *boxes, area_px))


@dataclass(frozen=True)
class TrainingResults:
    """Detectors that were trained.

    Attributes:
        start: from what.
        epochs: of each.
        num_train: frames to train with.
        num_test: frames to test with.
        found: by mode that was trained on, per seed, on the original test frames.
    """

    start: str
    epochs: int
    num_train: int
    num_test: int
    found: Mapping[str, Sequence[AveragePrecision]]


def make_detection_report(
    labelled: DetectionMatches,
    own: DetectionMatches,
    confidence: float,
    trained: TrainingResults | None,
) -> Report:
    """Everything but how it was made."""
    against_own = (
        f"Truth: the detector's own boxes on the original, of a score from {confidence:g} on. This "
        "is relative to the detector, not to who is there: the original has 100 % by construction."
    )
    tables, plots = [], []
    if labelled.matches:
        tables += [
            _table("detection", "Detector against the labels", labelled, _NOTE),
            _sizes("detection_by_size", "AP against the labels by size of persons, %", labelled),
        ]
    tables.append(
        _table("retained", "AP retained: against the boxes on the original", own,
               f"{against_own} {_NOTE}")
    )  # fmt: skip
    plots = [_plot(table) for table in tables if table.name != "detection_by_size"]
    if trained:
        tables.append(_trained_table(trained))
        plots.append(_plot(tables[-1]))
    return Report(
        "Person detection on original and anonymized images",
        [line for table in tables for line in _answers(table)],
        tables,
        plots,
        _limits(trained),
    )


def _table(name: str, title: str, tally: DetectionMatches, note: str) -> Table:
    scored = {mode: [AveragePrecision(frames)] for mode, frames in tally.matches.items()}
    frames = next(iter(tally.matches.values()))
    persons = sum(frame.num_persons for frame in frames)
    rows = [[mode, *cells, persons, len(frames)] for mode, cells in _cells(scored).items()]
    columns = ("images", *_COLUMNS, _LOST, _KEPT, "persons", "frames")
    return Table(name, title, columns, rows, note)


def _cells(scored: Mapping[str, Sequence[AveragePrecision]]) -> dict[str, list[Cell]]:
    """By mode AP, AP50, AP75, AR100, lost and kept; several detectors of a mode: their mean."""
    original = scored[ORIGINAL]
    rows: dict[str, list[Cell]] = {}
    for mode, detectors in scored.items():
        rows[mode] = [_mean(detectors, pick) for pick in (_ap, _ap50, _ap75, _ar100)]
        pair = [None, None] if mode == ORIGINAL else _against(original, detectors)
        rows[mode] += pair
    return rows


def _mean(
    detectors: Sequence[AveragePrecision], pick: Callable[[PrecisionScores], float | None]
) -> Estimate:
    count = len(detectors[0].frames)
    return bootstrap(lambda chosen: _mean_over(detectors, pick, chosen), count)


def _mean_over(
    detectors: Sequence[AveragePrecision],
    pick: Callable[[PrecisionScores], float | None],
    chosen: Indices,
) -> float | None:
    values = [pick(detector.compute(chosen)) for detector in detectors]
    known = [value for value in values if value is not None]
    return 100 * float(np.mean(known)) if known else None


def _against(
    original: Sequence[AveragePrecision], other: Sequence[AveragePrecision]
) -> list[Estimate]:
    """AP lost in points, and the share kept in per cent, of the same frames."""

    def pair(chosen: Indices) -> tuple[float, float] | None:
        before, after = (_mean_over(each, _ap, chosen) for each in (original, other))
        return None if before is None or after is None else (before, after)

    def lost(chosen: Indices) -> float | None:
        values = pair(chosen)
        return None if values is None else values[0] - values[1]

    def kept(chosen: Indices) -> float | None:
        values = pair(chosen)
        return None if values is None or not values[0] else 100 * (values[1] / values[0])

    count = len(original[0].frames)
    return [bootstrap(lost, count), bootstrap(kept, count)]


def _sizes(name: str, title: str, tally: DetectionMatches) -> Table:
    rows: list[list[Cell]] = []
    for mode in tally.matches:
        scored = [AveragePrecision(tally.by_size[mode, size]) for size in SIZE_RANGES_PX]
        rows.append([mode, *(_mean([each], _ap) for each in scored)])
    persons = [
        sum(frame.num_persons for frame in tally.by_size[ORIGINAL, size]) for size in SIZE_RANGES_PX
    ]
    note = "Small: up to 32 x 32 px, medium: up to 96 x 96 px, of the outline or the box."
    return Table(name, title, ("images", *SIZE_RANGES_PX), [*rows, ["persons", *persons]], note)


def _trained_table(trained: TrainingResults) -> Table:
    seeds = len(next(iter(trained.found.values())))
    every = np.arange(trained.num_test)
    rows = []
    for mode, cells in _cells(trained.found).items():
        by_seed = [_mean_over([each], _ap, every) for each in trained.found[mode]]
        rows.append([mode, *cells, ", ".join(map(format_number, by_seed))])
    columns = ("trained on", *_COLUMNS, _LOST, _KEPT, "AP by seed, %")
    note = (
        f"Trained from {trained.start} for {trained.epochs} epochs on the first "
        f"{trained.num_train} "
        f"frames, tested on the {trained.num_test} last ones, which are original. Mean of {seeds} "
        "seed(s). Intervals: resampled test frames; the spread of the seeds is the last column."
    )
    return Table("trained", "Detectors trained on anonymized images", columns, rows, note)


def _plot(table: Table) -> Plot:
    rows = {str(row[0]): row for row in table.rows}
    series = {
        column: {mode: _estimate(row[index]) for mode, row in rows.items()}
        for index, column in ((1, "AP"), (2, "AP50"))
    }
    return Plot(table.name, table.title, plot_bars(series, "per cent", None))


def _estimate(cell: Cell) -> Estimate:
    return cell if isinstance(cell, Estimate) else Estimate(None)


def _answers(table: Table) -> list[str]:
    if _LOST not in table.columns:
        return []
    kept = list(table.columns).index(_KEPT)
    return [
        f"{table.title}, {row[0]}: AP {_told(row[1])} %, {_told(row[kept])} % of the original's."
        for row in table.rows
        if row[0] != ORIGINAL
    ]


def _told(cell: Cell) -> str:
    estimate = _estimate(cell)
    if estimate.low is None or estimate.high is None:
        return format_number(estimate.value)
    return (
        f"{format_number(estimate.value)} ({format_number(estimate.low)} to "
        f"{format_number(estimate.high)})"
    )


def _limits(trained: TrainingResults | None) -> list[str]:
    if not trained:
        return _LIMITS
    return [*_LIMITS, *_TRAINING_LIMITS]


def _ap(precision: PrecisionScores) -> float | None:
    return precision.ap


def _ap50(precision: PrecisionScores) -> float | None:
    return precision.ap50


def _ap75(precision: PrecisionScores) -> float | None:
    return precision.ap75


def _ar100(precision: PrecisionScores) -> float | None:
    return precision.ar100
