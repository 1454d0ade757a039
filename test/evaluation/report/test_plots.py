"""Plots of reports."""

import re

from anon_ros.evaluation.report.plots import plot_bars, plot_lines
from anon_ros.metrics import Estimate


def test_plots_are_repeatable() -> None:
    one, other = (
        plot_bars({"a": {"x": Estimate(3, 1, 4), "y": Estimate(None)}}, "z, %", {"chance": 1.0})
        for _ in range(2)
    )
    assert one == other
    assert not re.findall(rb'(?:xlink:)?href="(?!#)', one)


def test_plots_show_names_literally() -> None:
    names = "'$5^$'", "_new"
    for bars in (
        {name: {"x": Estimate(1)} for name in names},
        {"a": dict.fromkeys(names, Estimate(1))},
    ):
        plot_bars(bars, "z, %", None)
    shown, less = (
        plot_lines({name: [(0.2, Estimate(1))] for name in chosen}, "x", "y, %")
        for chosen in (names, names[:1])
    )
    assert shown.count(b'id="legend') == 1
    assert shown.count(b'id="text_') == less.count(b'id="text_') + 1
