"""What every question does before and after it is answered."""

import json
import sqlite3
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from anon_ros.errors import InputError, ReportError, format_error
from anon_ros.evaluation.inputs.frames import is_bag
from anon_ros.evaluation.recording import inherit_parameters
from anon_ros.evaluation.reid.datasets import is_reid_dataset
from anon_ros.evaluation.report.model import REPORT_JSON, Report, format_markdown, write_report


def run_evaluation(ask: Callable[[Namespace], Report], arguments: Namespace) -> int:
    """Ask, write the report, print its figures, and return the exit code.

    Raises:
        AnonRosError: if the question cannot be answered, or the report not be written.
    """
    _check_output_directory(arguments)
    inherit_parameters(arguments)
    try:
        report = ask(arguments)
    except (OSError, sqlite3.Error) as error:
        raise InputError(format_error(error)) from error
    _write_and_print(report, arguments.out)
    return 0


def _check_output_directory(arguments: Namespace) -> None:
    """Refuse a folder that is to be measured, or published, before any work is done."""
    out: Path = arguments.out
    for given in (arguments.input, arguments.anonymized):
        if given is not None and _lies_in(out.resolve(), given.resolve()):
            message = f"--out {out} lies in {given}, whose files are measured; choose one beside it"
            raise InputError(message)
    if is_bag(out) or not _may_hold_ours(out / REPORT_JSON):
        message = f"--out {out} holds what evaluate did not write; choose another folder"
        raise InputError(message)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        message = f"--out {out} cannot be written: {format_error(error)}"
        raise ReportError(message) from error


def _lies_in(out: Path, given: Path) -> bool:
    """Sets for re-identification have folders of their own for what is measured."""
    return out == given or (given in out.parents and not is_reid_dataset(given))


def _may_hold_ours(path: Path) -> bool:
    try:
        told: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return not path.exists()
    return isinstance(told, dict) and "summary" in told


def _write_and_print(report: Report, folder: Path) -> None:
    page = write_report(report, folder)
    for table in report.tables:
        print(f"{table.title}\n\n{format_markdown(table)}\n")
        if table.note:
            print(f"{table.note}\n")
    for line in report.summary:
        print(f"* {line}")
    for line in report.limitations:
        print(f"! {line}")
    print(f"{page}: hand on this file alone; {folder} keeps what is as private as the original")
