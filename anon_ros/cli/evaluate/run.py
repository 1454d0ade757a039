"""The way of a command of ``anon_ros evaluate``: flags, options, experiment, printed report."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anon_ros.cli.config_flags import collect_parameters, parse_config
from anon_ros.cli.evaluate.flags import parse_options
from anon_ros.config import Config
from anon_ros.evaluation.beta.experiment import sweep_beta
from anon_ros.evaluation.detection.experiment import evaluate_detection
from anon_ros.evaluation.occlusion.experiment import evaluate_paste_orders
from anon_ros.evaluation.options import (
    BetaOptions,
    DetectionOptions,
    ExperimentOptions,
    OcclusionOptions,
    OverviewOptions,
    QualityOptions,
    ReidOptions,
    TemporalOptions,
)
from anon_ros.evaluation.overview import evaluate_all
from anon_ros.evaluation.quality.experiment import evaluate_quality
from anon_ros.evaluation.recording import inherit_parameters
from anon_ros.evaluation.reid.experiment import evaluate_reid_set
from anon_ros.evaluation.report.model import Report
from anon_ros.evaluation.report.tables import format_markdown
from anon_ros.evaluation.report.writer import REPORT_HTML
from anon_ros.evaluation.runner import run_evaluation
from anon_ros.evaluation.temporal.experiment import evaluate_temporal
from anon_ros.utils.text import escape_controls

_EXPERIMENTS: Mapping[type[ExperimentOptions], Callable[[Any, Config], Report]] = {
    OverviewOptions: evaluate_all,
    ReidOptions: evaluate_reid_set,
    TemporalOptions: evaluate_temporal,
    QualityOptions: evaluate_quality,
    DetectionOptions: evaluate_detection,
    OcclusionOptions: evaluate_paste_orders,
    BetaOptions: sweep_beta,
}


def run_command(options_class: type[ExperimentOptions], arguments: Namespace) -> int:
    """Run the experiment of the options, print its report, and return the exit code 0.

    Raises:
        AnonRosError: if the experiment cannot be run, or the report not be written.
    """
    options = parse_options(arguments, options_class)
    flags = collect_parameters(arguments)
    inherited = {} if arguments.config else inherit_parameters(options, flags)
    config = parse_config(arguments, inherited)
    report = run_evaluation(_EXPERIMENTS[options_class], options, config)
    _print_report(report, options.output)
    return 0


def _print_report(report: Report, output: Path) -> None:
    for table in report.tables:
        print(f"{escape_controls(table.title)}\n\n{format_markdown(table)}\n")
        if table.note:
            print(f"{escape_controls(table.note)}\n")
    for line in report.summary:
        print(escape_controls(f"* {line}"))
    for line in report.limitations:
        print(escape_controls(f"! {line}"))
    page = output / REPORT_HTML
    print(f"{page}: hand on this file alone; {output} keeps what is as private as the original")
