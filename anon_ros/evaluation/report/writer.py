"""Files of a report: report.html, report.json, a CSV file per table, an SVG file per plot."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anon_ros.errors import ReportError, format_error
from anon_ros.evaluation.report.html import render_report
from anon_ros.evaluation.report.model import Report
from anon_ros.evaluation.report.tables import write_csv

REPORT_JSON, REPORT_HTML = "report.json", "report.html"


def write_report(report: Report, directory: Path) -> Path:
    """Write the files of a report; those of an older report are replaced.

    Args:
        report: to write.
        directory: to write into; made if it is missing.

    Returns:
        Path of the page.

    Raises:
        ReportError: if it cannot be written.
    """
    page = directory / REPORT_HTML
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _remove_old_files(directory)
        for table in report.tables:
            write_csv(table, directory / f"{table.name}.csv")
        for plot in report.plots:
            (directory / f"{plot.name}.svg").write_bytes(plot.svg)
        (directory / REPORT_JSON).write_text(_dump_json(report), encoding="utf-8")
        page.write_bytes(render_report(report))
    except OSError as error:
        message = f"{directory}: the report cannot be written: {format_error(error)}"
        raise ReportError(message) from error
    return page


def _remove_old_files(directory: Path) -> None:
    """Remove the tables and plots of an older report."""
    try:
        report = json.loads((directory / REPORT_JSON).read_text("utf-8"))
        names = [*(f"{table['name']}.csv" for table in report["tables"]), *report["plots"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return
    for name in names:
        (directory / Path(name).name).unlink(missing_ok=True)


def _dump_json(report: Report) -> str:
    values = {
        **{name: value for name, value in vars(report).items() if name not in {"tables", "plots"}},
        "tables": [asdict(table) for table in report.tables],
        "plots": [f"{plot.name}.svg" for plot in report.plots],
    }
    return json.dumps(_replace_infinite(values), indent=2, default=str, allow_nan=False) + "\n"


def _replace_infinite(value: Any) -> Any:
    """Return the value with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _replace_infinite(item) for key, item in value.items()}
    return (
        [_replace_infinite(item) for item in value] if isinstance(value, (list, tuple)) else value
    )
