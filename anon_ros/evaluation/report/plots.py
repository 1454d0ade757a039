"""Drawings for reports, as SVG. matplotlib is imported when the first one is drawn."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle
from typing import Any

from anon_ros.metrics.intervals import Estimate

_SIZE_INCH = (10.0, 4.4)
_CROWDED = 6
_COLOURS = ("#2f6f9f", "#c44e52", "#4c9a5b", "#b07a00", "#7a5ba8", "#555555", "#1c9c9c", "#d07ab0")


def plot_lines(
    series: Mapping[str, Sequence[tuple[float, Estimate]]],
    x_label: str,
    y_label: str,
    reference_lines: Mapping[str, float] | None = None,
) -> bytes:
    """Curves with their confidence bands.

    Args:
        series: by name, points (x, y) by ascending x; points without a value are left out.
        x_label: with the unit.
        y_label: with the unit.
        reference_lines: by name, heights of horizontal lines to compare with.

    Returns:
        An SVG file.
    """
    figure, axes = _axes(x_label, y_label)
    for colour, (name, points) in zip(_cycled(len(series)), series.items(), strict=True):
        known = [(x, y, y.value) for x, y in points if y.value is not None]
        xs = [x for x, _, _ in known]
        axes.plot(xs, [v for _, _, v in known], marker="o", color=colour, label=_plain(name))
        lows = [v if y.low is None else y.low for _, y, v in known]
        highs = [v if y.high is None else y.high for _, y, v in known]
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.18, linewidth=0)
    _mark(axes, reference_lines or {})
    _legend(figure)
    return _svg(figure)


def plot_bars(
    series: Mapping[str, Mapping[str, Estimate]],
    y_label: str,
    reference_lines: Mapping[str, float] | None,
) -> bytes:
    """Groups of bars with their confidence intervals.

    Args:
        series: by name of a colour, by name of a group, how high.
        y_label: with the unit.
        reference_lines: by name, heights of horizontal lines to compare with.

    Returns:
        An SVG file.
    """
    figure, axes = _axes("", y_label)
    groups = list(dict.fromkeys(group for bars in series.values() for group in bars))
    width = 0.8 / max(len(series), 1)
    for index, (colour, (name, bars)) in enumerate(
        zip(_cycled(len(series)), series.items(), strict=True)
    ):
        known = {group: y for group, y in bars.items() if y.value is not None}
        values = [y.value or 0 for y in known.values()]
        xs = [groups.index(group) - 0.4 + width * (index + 0.5) for group in known]
        below = [
            0 if y.low is None else max(0, v - y.low)
            for v, y in zip(values, known.values(), strict=True)
        ]
        above = [
            0 if y.high is None else max(0, y.high - v)
            for v, y in zip(values, known.values(), strict=True)
        ]
        axes.bar(xs, values, width * 0.92, color=colour, label=_plain(name))
        axes.errorbar(
            xs, values, [below, above], fmt="none", ecolor="#222222", elinewidth=1, capsize=2
        )
    _mark(axes, reference_lines or {})
    is_crowded = len(groups) > _CROWDED
    axes.set_xticks(range(len(groups)), [*map(_plain, groups)], rotation=20 if is_crowded else 0)
    if len(series) > 1 or reference_lines:
        _legend(figure)
    return _svg(figure)


def _plain(name: str) -> str:
    """Not taken for a formula, nor for something to keep out of the legend."""
    escaped = name.replace("$", r"\$")
    return f" {escaped}" if name.startswith("_") else escaped


def _cycled(count: int) -> list[str]:
    return [_COLOURS[index % len(_COLOURS)] for index in range(count)]


def _axes(x_label: str, y_label: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second

    figure = Figure(figsize=_SIZE_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(_plain(x_label))
    axes.set_ylabel(_plain(y_label))
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _mark(axes: Any, reference_lines: Mapping[str, float]) -> None:
    for (name, height), style in zip(
        reference_lines.items(), cycle(("--", ":", "-.")), strict=False
    ):
        axes.axhline(height, color="#666666", linestyle=style, linewidth=1.2, label=name)


def _legend(figure: Any) -> None:
    """Above the axes, where it hides nothing."""
    figure.legend(loc="outside upper left", ncols=4, frameon=False)


def _svg(figure: Any) -> bytes:
    from matplotlib import rc_context  # noqa: PLC0415

    with rc_context({"svg.hashsalt": "anon_ros", "svg.fonttype": "path"}), BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return file.getvalue()
