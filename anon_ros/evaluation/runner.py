"""Run of an experiment: check the output directory, evaluate, write the report."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

from anon_ros.config import Config
from anon_ros.errors import InputError, ReportError, format_error
from anon_ros.evaluation.inputs.frames import is_bag
from anon_ros.evaluation.options import ExperimentOptions
from anon_ros.evaluation.reid.datasets import is_reid_dataset
from anon_ros.evaluation.report.model import Report
from anon_ros.evaluation.report.writer import REPORT_JSON, write_report

OptionsT = TypeVar("OptionsT", bound=ExperimentOptions)


def run_evaluation(
    experiment: Callable[[OptionsT, Config], Report], options: OptionsT, config: Config
) -> Report:
    """Run an experiment on persons, and write its report into ``options.output``.

    Other targets are left out: its figures are those of persons.

    Raises:
        AnonRosError: if the experiment cannot be run, or the report not be written.
    """
    _check_output_directory(options)
    try:
        report = experiment(options, config.without_targets())
    except (OSError, sqlite3.Error) as error:
        raise InputError(format_error(error)) from error
    write_report(report, options.output)
    return report


def _check_output_directory(options: ExperimentOptions) -> None:
    """Refuse a folder that is to be measured, or published, before any work is done."""
    output = options.output
    for path in options.inputs:
        if _is_inside(output.resolve(), path.resolve()):
            message = (
                f"--output {output} lies in {path}, whose files are measured; choose a folder "
                "outside of it"
            )
            raise InputError(message)
    if is_bag(output) or not _may_be_overwritten(output / REPORT_JSON):
        message = f"--output {output} holds files of another program; choose another folder"
        raise InputError(message)
    _make_writable(output)


def _is_inside(output: Path, path: Path) -> bool:
    """Return True for a folder in a measured one, unless that is a dataset with own sub-folders."""
    return output == path or (path in output.parents and not is_reid_dataset(path))


def _may_be_overwritten(path: Path) -> bool:
    try:
        report: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return not path.exists()
    return isinstance(report, dict) and "summary" in report


def _make_writable(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=output):
            pass
    except OSError as error:
        message = f"--output {output} cannot be written: {format_error(error)}"
        raise ReportError(message) from error
