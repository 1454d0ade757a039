"""Page of a report, which needs no other file."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from anon_ros.evaluation.report.model import Cell, Plot, Report, Table
from anon_ros.evaluation.report.tables import format_cell, format_interval, format_number
from anon_ros.metrics.intervals import Estimate
from anon_ros.utils.html_page import render_html_page

_CSS = """\
.summary { background: #fff; border-left: 4px solid #2f6f9f; padding: 8px 20px }
.limitations { background: #fff; border-left: 4px solid #b07a00; padding: 8px 20px }
.wide { overflow-x: auto }
table { border-collapse: collapse; background: #fff; font-variant-numeric: tabular-nums }
th, td { border: 1px solid #d4d4d4; padding: 4px 10px; text-align: right; vertical-align: top }
th:first-child, td:first-child { text-align: left }
th { background: #f0f2f4; font-weight: 600 }
.interval { color: #555; font-size: 13px; white-space: nowrap }
.note { color: #444; font-size: 14px; max-width: 860px }
figure { margin: 20px 0 } figure img { max-width: 100%; height: auto; background: #fff }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; font-size: 14px }
dt { font-weight: 600 } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap }
"""


def render_report(report: Report) -> bytes:
    """Return the page in UTF-8."""
    parts = [
        _render_list("summary", report.summary),
        *map(_render_table, report.tables),
        *map(_render_plot, report.plots),
    ]
    if report.limitations:
        parts += ["<h2>Limitations</h2>", _render_list("limitations", report.limitations)]
    if report.provenance:
        parts += ["<h2>Provenance</h2>", _render_definitions(report.provenance)]
    return render_html_page(report.title, "\n".join(parts), _CSS)


def _render_list(css_class: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="{css_class}">{items}</ul>'


def _render_table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "\n".join(
        f"<tr>{''.join(f'<td>{_render_cell(cell)}</td>' for cell in row)}</tr>"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{note}"
    )


def _render_cell(cell: Cell) -> str:
    if isinstance(cell, Estimate) and (interval := format_interval(cell)):
        return f'{format_number(cell.value)}<br><span class="interval">{interval}</span>'
    return escape(format_cell(cell))


def _render_plot(plot: Plot) -> str:
    data = base64.b64encode(plot.svg).decode()
    return (
        f"<h2>{escape(plot.title)}</h2>\n<figure>"
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(plot.title)}"></figure>'
    )


def _render_definitions(provenance: Mapping[str, Any]) -> str:
    pairs = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(_format_lines(value))}</dd>"
        for name, value in provenance.items()
    )
    return f"<dl>{pairs}</dl>"


def _format_lines(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_format_lines(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return "\n".join(map(_format_lines, value))
    return str(value)
