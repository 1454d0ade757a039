"""Plots of a report, as SVG; matplotlib is imported for the first one."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle
from typing import Any

from anon_ros.metrics.intervals import Estimate

_SIZE_INCH = (10.0, 4.4)
_MAX_UPRIGHT_LABELS = 6
_COLORS = ("#2f6f9f", "#c44e52", "#4c9a5b", "#b07a00", "#7a5ba8", "#555555", "#1c9c9c", "#d07ab0")


def plot_lines(
    series: Mapping[str, Sequence[tuple[float, Estimate]]],
    x_label: str,
    y_label: str,
    reference_lines: Mapping[str, float] | None = None,
) -> bytes:
    """Return curves with their confidence bands, as an SVG file.

    Args:
        series: points (x, y) by ascending x, by name; points without a value are left out.
        x_label: with the unit.
        y_label: with the unit.
        reference_lines: heights of horizontal lines to compare with, by name.
    """
    figure, axes = _make_axes(x_label, y_label)
    for color, (name, points) in zip(_pick_colors(len(series)), series.items(), strict=True):
        valid = [(x, y, y.value) for x, y in points if y.value is not None]
        xs = [x for x, _, _ in valid]
        axes.plot(xs, [v for _, _, v in valid], marker="o", color=color, label=_escape_label(name))
        lows = [v if y.low is None else y.low for _, y, v in valid]
        highs = [v if y.high is None else y.high for _, y, v in valid]
        axes.fill_between(xs, lows, highs, color=color, alpha=0.18, linewidth=0)
    _add_reference_lines(axes, reference_lines or {})
    _add_legend(figure)
    return _render_svg(figure)


def plot_bars(
    series: Mapping[str, Mapping[str, Estimate]],
    y_label: str,
    reference_lines: Mapping[str, float] | None,
) -> bytes:
    """Return groups of bars with their confidence intervals, as an SVG file.

    Args:
        series: heights by name of the series (a color) and of the group.
        y_label: with the unit.
        reference_lines: heights of horizontal lines to compare with, by name.
    """
    figure, axes = _make_axes("", y_label)
    groups = list(dict.fromkeys(group for bars in series.values() for group in bars))
    width = 0.8 / max(len(series), 1)
    for index, (color, (name, bars)) in enumerate(
        zip(_pick_colors(len(series)), series.items(), strict=True)
    ):
        valid = {group: y for group, y in bars.items() if y.value is not None}
        values = [y.value or 0 for y in valid.values()]
        xs = [groups.index(group) - 0.4 + width * (index + 0.5) for group in valid]
        errors_below = [
            0 if y.low is None else max(0, v - y.low)
            for v, y in zip(values, valid.values(), strict=True)
        ]
        errors_above = [
            0 if y.high is None else max(0, y.high - v)
            for v, y in zip(values, valid.values(), strict=True)
        ]
        axes.bar(xs, values, width * 0.92, color=color, label=_escape_label(name))
        axes.errorbar(
            xs,
            values,
            [errors_below, errors_above],
            fmt="none",
            ecolor="#222222",
            elinewidth=1,
            capsize=2,
        )
    _add_reference_lines(axes, reference_lines or {})
    is_crowded = len(groups) > _MAX_UPRIGHT_LABELS
    axes.set_xticks(
        range(len(groups)), [*map(_escape_label, groups)], rotation=20 if is_crowded else 0
    )
    if len(series) > 1 or reference_lines:
        _add_legend(figure)
    return _render_svg(figure)


def _escape_label(name: str) -> str:
    """Return the name so that matplotlib takes it for no formula, and shows it in the legend."""
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if name.startswith("_") else escaped


def _pick_colors(count: int) -> list[str]:
    return [_COLORS[index % len(_COLORS)] for index in range(count)]


def _make_axes(x_label: str, y_label: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second

    figure = Figure(figsize=_SIZE_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(_escape_label(x_label))
    axes.set_ylabel(_escape_label(y_label))
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _add_reference_lines(axes: Any, reference_lines: Mapping[str, float]) -> None:
    for (name, height), style in zip(
        reference_lines.items(), cycle(("--", ":", "-.")), strict=False
    ):
        axes.axhline(height, color="#666666", linestyle=style, linewidth=1.2, label=name)


def _add_legend(figure: Any) -> None:
    """Add a legend above the axes, where it hides nothing."""
    figure.legend(loc="outside upper left", ncols=4, frameon=False)


def _render_svg(figure: Any) -> bytes:
    from matplotlib import rc_context  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "anon_ros", "svg.fonttype": "path"}), BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return file.getvalue()
