"""``anon_ros evaluate all``: one report for one recording."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from anon_ros.config import Config
from anon_ros.errors import AnonRosError, InputError, format_error
from anon_ros.evaluation.detection.experiment import evaluate_detection
from anon_ros.evaluation.inputs.frames import is_bag
from anon_ros.evaluation.occlusion.experiment import evaluate_paste_orders
from anon_ros.evaluation.options import (
    DetectionOptions,
    OcclusionOptions,
    OverviewOptions,
    QualityOptions,
    ReidOptions,
    TemporalOptions,
)
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.quality.experiment import evaluate_quality
from anon_ros.evaluation.recording import summarize_recording
from anon_ros.evaluation.reid.experiment import evaluate_reid_set
from anon_ros.evaluation.report.model import Report, Table
from anon_ros.evaluation.temporal.experiment import evaluate_temporal

_LOG = logging.getLogger(__name__)
_Experiment = Callable[[OverviewOptions, Config], Report]
_RECORDING = "What was done"
_UNKNOWN_ORIGIN = (
    "How --anonymized was made is unknown: it is no recording that anon_ros bag has written."
)
_LABELS_LIMITATION = (
    "Whether every person was detected is known only where labels say who was there. Look at "
    "samples, and at the page that anon_ros verify writes, before you publish."
)


def evaluate_all(options: OverviewOptions, config: Config) -> Report:
    """Run every experiment; the report names those that cannot be run.

    Raises:
        AnonRosError: if none can be run.
    """
    anonymized = options.comparison.anonymized
    is_recording = anonymized is not None and is_bag(anonymized)
    experiments = {_RECORDING: summarize_recording} if is_recording else {}
    reports, problems = _run_experiments({**experiments, **_EXPERIMENTS}, options, config)
    if not reports:
        message = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        raise InputError(message)
    not_measured = [f"Not measured: {name}: {problem}" for name, problem in problems.items()]
    if anonymized and not is_recording:
        not_measured.append(_UNKNOWN_ORIGIN)
    limitations = unique(line for report in reports.values() for line in report.limitations)
    return Report(
        f"Evaluation of {options.frames.path.name}",
        [f"{name}. {line}" for name, report in reports.items() for line in report.summary],
        [_add_prefix(name, table) for name, report in reports.items() for table in report.tables],
        [
            replace(plot, name=f"{_make_slug(name)}_{plot.name}")
            for name, report in reports.items()
            for plot in report.plots
        ],
        [*not_measured, *limitations, _LABELS_LIMITATION],
        _merge_provenance(options, config, reports),
    )


def _run_experiments(
    experiments: Mapping[str, _Experiment], options: OverviewOptions, config: Config
) -> tuple[dict[str, Report], dict[str, str]]:
    """Return the reports, and the problems of the experiments without one, by name."""
    reports, problems = dict[str, Report](), dict[str, str]()
    for name, experiment in experiments.items():
        _LOG.info("%s ...", name)
        try:
            reports[name] = experiment(options, config)
        except (AnonRosError, OSError, sqlite3.Error) as error:
            problems[name] = format_error(error)
    return reports, problems


def _evaluate_reid(options: OverviewOptions, config: Config) -> Report:
    reid = ReidOptions(
        frames=options.frames,
        output=options.output,
        comparison=options.comparison,
        embedders=options.embedders,
        period_s=options.period_s,
        fps=options.fps,
    )
    return evaluate_reid_set(reid, config)


def _evaluate_temporal(options: OverviewOptions, config: Config) -> Report:
    temporal = TemporalOptions(
        frames=options.frames,
        output=options.output,
        comparison=options.comparison,
        labels=options.labels,
        fps=options.fps,
    )
    return evaluate_temporal(temporal, config)


def _evaluate_quality(options: OverviewOptions, config: Config) -> Report:
    quality = QualityOptions(
        frames=options.frames,
        output=options.output,
        comparison=options.comparison,
        networks=options.networks,
    )
    return evaluate_quality(quality, config)


def _evaluate_detection(options: OverviewOptions, config: Config) -> Report:
    detection = DetectionOptions(
        frames=options.frames,
        output=options.output,
        comparison=options.comparison,
        labels=options.labels,
    )
    return evaluate_detection(detection, config)


def _evaluate_occlusion(options: OverviewOptions, config: Config) -> Report:
    occlusion = OcclusionOptions(
        frames=options.frames, output=options.output, labels=options.labels, scenes=options.scenes
    )
    return evaluate_paste_orders(occlusion, config)


_EXPERIMENTS: Mapping[str, _Experiment] = {
    "Found again": _evaluate_reid,
    "Through time": _evaluate_temporal,
    "Appearance": _evaluate_quality,
    "Detection": _evaluate_detection,
    "Occlusion": _evaluate_occlusion,
}


def _merge_provenance(
    options: OverviewOptions, config: Config, reports: Mapping[str, Report]
) -> dict[str, Any]:
    methods = () if options.comparison.anonymized else options.comparison.methods
    recording = reports[_RECORDING].provenance if _RECORDING in reports else {}
    provenance = collect_provenance(config, methods)
    return {**provenance, "networks": _list_networks(reports), **recording}


def _list_networks(reports: Mapping[str, Report]) -> list[str]:
    """Return the networks besides the models of the configuration."""
    networks = unique(
        line for report in reports.values() for line in report.provenance.get("networks", ())
    )
    detectors = [
        f"detector: {report.provenance['detector']}"
        for report in reports.values()
        if "detector" in report.provenance
    ]
    return [*networks, *detectors]


def _add_prefix(name: str, table: Table) -> Table:
    return replace(table, name=f"{_make_slug(name)}_{table.name}", title=f"{name}: {table.title}")


def _make_slug(name: str) -> str:
    return name.lower().replace(" ", "_")


def unique(lines: Iterable[str]) -> list[str]:
    """Return the lines without repetitions, in their order."""
    return list(dict.fromkeys(lines))
