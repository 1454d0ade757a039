"""What an evaluation found, as files: JSON, CSV, plots and one page that needs nothing else."""

import base64
import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from anon_ros.errors import ReportError, format_error
from anon_ros.metrics.intervals import Estimate
from anon_ros.utils.html_page import render_html_page

REPORT_JSON, REPORT_HTML = "report.json", "report.html"
Cell: TypeAlias = str | int | float | Estimate | None
_UNKNOWN = "-"
_DIGITS = 3
_MOST_DECIMALS = 4
_CSS = """.answers { background: #fff; border-left: 4px solid #2f6f9f; padding: 8px 20px }
.limits { background: #fff; border-left: 4px solid #b07a00; padding: 8px 20px }
.wide { overflow-x: auto }
table { border-collapse: collapse; background: #fff; font-variant-numeric: tabular-nums }
th, td { border: 1px solid #d4d4d4; padding: 4px 10px; text-align: right; vertical-align: top }
th:first-child, td:first-child { text-align: left }
th { background: #f0f2f4; font-weight: 600 }
.range { color: #555; font-size: 13px; white-space: nowrap }
.note { color: #444; font-size: 14px; max-width: 860px }
figure { margin: 20px 0 } figure img { max-width: 100%; height: auto; background: #fff }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; font-size: 14px }
dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap }
"""


@dataclass(frozen=True)
class Table:
    """Some figures.

    Attributes:
        name: of its CSV file, without suffix.
        title: for people.
        columns: with units; the first one names the rows.
        rows: one cell per column.
        note: what one must know to read it.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """A drawing.

    Attributes:
        name: of its file, without suffix.
        title: for people.
        svg: the file.
    """

    name: str
    title: str
    svg: bytes


@dataclass(frozen=True)
class Report:
    """What was asked, found, and left open.

    Attributes:
        title: what was evaluated.
        summary: the result in sentences, the most important one first.
        tables: the figures behind them.
        plots: drawn from the tables.
        limitations: what the figures do not tell.
        provenance: from what, with what: command, versions, machine, models, parameters.
    """

    title: str
    summary: Sequence[str]
    tables: Sequence[Table]
    plots: Sequence[Plot] = ()
    limitations: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_report(report: Report, folder: Path) -> Path:
    """Write report.json, a CSV file per table, an SVG file per plot, and report.html.

    Args:
        report: to write.
        folder: to write into; made if it is missing. An older report in it is replaced.

    Returns:
        The page.

    Raises:
        ReportError: if it cannot be written.
    """
    page = folder / REPORT_HTML
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        for table in report.tables:
            _write_csv(table, folder / f"{table.name}.csv")
        for plot in report.plots:
            (folder / f"{plot.name}.svg").write_bytes(plot.svg)
        (folder / REPORT_JSON).write_text(_json(report), encoding="utf-8")
        page.write_bytes(_page(report))
    except OSError as error:
        message = f"{folder}: the report cannot be written: {format_error(error)}"
        raise ReportError(message) from error
    return page


def _clear(folder: Path) -> None:
    """Remove the tables and plots of an older report."""
    try:
        old = json.loads((folder / REPORT_JSON).read_text("utf-8"))
        names = [*(f"{table['name']}.csv" for table in old["tables"]), *old["plots"]]
    except (OSError, ValueError, LookupError, TypeError):
        return
    for name in names:
        (folder / Path(name).name).unlink(missing_ok=True)


def format_markdown(table: Table) -> str:
    """The table for a terminal, and for Markdown."""
    rows = [[_in_a_line(_text(cell)) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    rule = "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths))
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [f"{first[0]:<{first[1]}}", *(f"{text:>{width}}" for text, width in others)]
    return f"| {' | '.join(cells)} |"


def _in_a_line(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _text(cell: Cell) -> str:
    if isinstance(cell, Estimate):
        interval = _interval(cell)
        return (
            f"{format_number(cell.value)} ({interval})" if interval else format_number(cell.value)
        )
    return cell if isinstance(cell, str) else format_number(cell)


def format_number(value: float | None) -> str:
    """A figure for people: three digits that count, no more than four decimals, "-" for None."""
    if value is None or not math.isfinite(value):
        return _UNKNOWN
    if isinstance(value, int) or abs(value) < 0.1**_MOST_DECIMALS:
        return str(int(value))
    decimals = _DIGITS - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(0, decimals), _MOST_DECIMALS)}f}"


def format_estimate(estimate: Estimate, unit: str = "%") -> str:
    """A figure with its interval in a sentence."""
    interval = _interval(estimate)
    value = f"{format_number(estimate.value)} {unit}".rstrip()
    return f"{value} ({interval})" if interval else value


def _interval(cell: Estimate) -> str:
    if cell.low is None or cell.high is None:
        return ""
    return f"{format_number(cell.low)} to {format_number(cell.high)}"


def _write_csv(table: Table, path: Path) -> None:
    """An estimate takes three columns, in every row if in one."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    wide = [any(isinstance(cell, Estimate) for cell in column) for column in columns]
    heads = [
        [name, f"{name}, 95 % low", f"{name}, 95 % high"] if is_wide else [name]
        for name, is_wide in zip(table.columns, wide, strict=True)
    ]
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(chain.from_iterable(heads))
        for row in table.rows:
            cells = [_csv_cells(*each) for each in zip(row, wide, strict=True)]
            writer.writerow(chain.from_iterable(cells))


def _csv_cells(cell: Cell, is_wide: bool) -> list[Any]:  # noqa: FBT001 - zipped
    if isinstance(cell, Estimate):
        return [cell.value, cell.low, cell.high]
    return [cell, None, None] if is_wide else [cell]


def _json(report: Report) -> str:
    values = {
        **{name: value for name, value in vars(report).items() if name not in {"tables", "plots"}},
        "tables": [asdict(table) for table in report.tables],
        "plots": [f"{plot.name}.svg" for plot in report.plots],
    }
    return json.dumps(_finite(values), indent=2, default=str, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def _page(report: Report) -> bytes:
    parts = [
        _list("answers", report.summary),
        *map(_html_table, report.tables),
        *map(_html_plot, report.plots),
    ]
    if report.limitations:
        parts += ["<h2>What this does not tell</h2>", _list("limits", report.limitations)]
    if report.provenance:
        parts += ["<h2>How it was made</h2>", _definitions(report.provenance)]
    return render_html_page(report.title, "\n".join(parts), _CSS)


def _list(kind: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="{kind}">{items}</ul>'


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "\n".join(
        f"<tr>{''.join(f'<td>{_html_cell(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _html_cell(cell: Cell) -> str:
    if isinstance(cell, Estimate) and (interval := _interval(cell)):
        return f'{format_number(cell.value)}<br><span class="range">{interval}</span>'
    return escape(_text(cell))


def _html_plot(plot: Plot) -> str:
    data = base64.b64encode(plot.svg).decode()
    return (
        f"<h2>{escape(plot.title)}</h2>\n<figure>"
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(plot.title)}"></figure>'
    )


def _definitions(made: Mapping[str, Any]) -> str:
    pairs = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(_lines(value))}</dd>"
        for name, value in made.items()
    )
    return f"<dl>{pairs}</dl>"


def _lines(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_lines(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return "\n".join(_lines(each) for each in value)
    return str(value)
