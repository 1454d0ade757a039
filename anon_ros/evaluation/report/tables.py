"""Tables and figures of a report as text: Markdown and CSV."""

import csv
import math
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from anon_ros.evaluation.report.model import Cell, Table
from anon_ros.metrics.intervals import Estimate
from anon_ros.utils.text import escape_controls, quote_formula

_UNKNOWN = "-"
_SIGNIFICANT_DIGITS = 3
_MAX_DECIMALS = 4


def format_markdown(table: Table) -> str:
    """Return the table as aligned Markdown, for a terminal, too."""
    rows = [
        [_join_lines(format_cell(cell)) for cell in row] for row in (table.columns, *table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_format_row(row, widths) for row in rows]
    rule = "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths))
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def _format_row(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    cells = [f"{first[0]:<{first[1]}}", *(f"{text:>{width}}" for text, width in rest)]
    return f"| {' | '.join(cells)} |"


def _join_lines(text: str) -> str:
    return escape_controls(" ".join(text.split())).replace("|", r"\|")


def format_cell(cell: Cell) -> str:
    """Return a cell for people, an estimate with its interval."""
    if isinstance(cell, Estimate):
        interval = format_interval(cell)
        value = format_number(cell.value)
        return f"{value} ({interval})" if interval else value
    return cell if isinstance(cell, str) else format_number(cell)


def format_number(value: float | None) -> str:
    """Return three significant digits with no more than four decimals, "-" for None."""
    if value is None or not math.isfinite(value):
        return _UNKNOWN
    if isinstance(value, int) or abs(value) < 0.1**_MAX_DECIMALS:
        return str(int(value))
    decimals = _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(0, decimals), _MAX_DECIMALS)}f}"


def format_estimate(estimate: Estimate, unit: str = "%") -> str:
    """Return a figure with unit and interval, for a sentence."""
    interval = format_interval(estimate)
    value = f"{format_number(estimate.value)} {unit}".rstrip()
    return f"{value} ({interval})" if interval else value


def format_interval(estimate: Estimate) -> str:
    """Return the confidence interval; empty without one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{format_number(estimate.low)} to {format_number(estimate.high)}"


def write_csv(table: Table, path: Path) -> None:
    """Write the table; a column with estimates becomes three.

    Raises:
        OSError: if the file cannot be written.
    """
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    has_estimates = [any(isinstance(cell, Estimate) for cell in column) for column in columns]
    headings = [
        [name, f"{name}, 95 % low", f"{name}, 95 % high"] if is_wide else [name]
        for name, is_wide in zip(table.columns, has_estimates, strict=True)
    ]
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(_quote, chain.from_iterable(headings)))
        for row in table.rows:
            cells = [_split_cell(*pair) for pair in zip(row, has_estimates, strict=True)]
            writer.writerow(map(_quote, chain.from_iterable(cells)))


def _quote(cell: Any) -> Any:
    return quote_formula(cell) if isinstance(cell, str) else cell


def _split_cell(cell: Cell, is_wide: bool) -> list[Any]:  # noqa: FBT001 - zipped
    if isinstance(cell, Estimate):
        return [cell.value, cell.low, cell.high]
    return [cell, None, None] if is_wide else [cell]
