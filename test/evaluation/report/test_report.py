"""Reports as files: complete in themselves, and harmless whatever the names in them."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from anon_ros.errors import ReportError
from anon_ros.evaluation.report.model import Plot, Report, Table
from anon_ros.evaluation.report.plots import plot_bars, plot_lines
from anon_ros.evaluation.report.tables import (
    format_estimate,
    format_markdown,
    format_number,
    write_csv,
)
from anon_ros.evaluation.report.writer import write_report
from anon_ros.metrics import Estimate

EVIL = '<script src="https://x.test/a.js"></script><img src=x onerror=alert(1)>&"\udc80'


class TagCollector(HTMLParser):
    """Notes each tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def make_table() -> Table:
    rows = [
        ["fill", Estimate(12.345, 10.01, 14.0), 3],
        ["blur", None, 12_345],
        ["telea", Estimate(float("nan")), 0.00012],
    ]
    return Table("figures", "Figures", ["mode", "rank-1, %", "queries"], rows, "a note")


def test_report_files_agree(tmp_path: Path) -> None:
    plot = Plot("bars", "Bars", plot_bars({"a": {"fill": Estimate(1, 0.5, 2)}}, "m, %", None))
    page = write_report(
        Report("Title", ["the answer"], [make_table()], [plot], ["a limit"], {"command": "x"}),
        tmp_path / "new" / "folder",
    )
    folder = page.parent
    assert {path.name for path in folder.iterdir()} == {
        "report.html",
        "report.json",
        "figures.csv",
        "bars.svg",
    }
    with (folder / "figures.csv").open(encoding="utf-8") as file:
        heads, *rows = csv.reader(file)
    assert heads == ["mode", "rank-1, %", "rank-1, %, 95 % low", "rank-1, %, 95 % high", "queries"]
    assert rows[0] == ["fill", "12.345", "10.01", "14.0", "3"]
    assert rows[1] == ["blur", "", "", "", "12345"]
    told = json.loads((folder / "report.json").read_text("utf-8"))
    assert told["summary"] == ["the answer"]
    assert told["tables"][0]["rows"][0][1] == {"value": 12.345, "low": 10.01, "high": 14.0}
    assert told["tables"][0]["rows"][2][1]["value"] is None  # NaN is no JSON
    text = page.read_text("utf-8")
    for words in ("the answer", "a limit", "a note", "12.3", "10.0 to 14.0", "12345"):
        assert words in text


def test_page_is_self_contained(tmp_path: Path) -> None:
    plot = Plot("p", EVIL, plot_lines({EVIL[:20]: [(0, Estimate(1, 0, 2))]}, "x, s", "y, %"))
    evil = Table("t", EVIL, [EVIL, EVIL], [[EVIL, 1]], EVIL)
    report = Report(EVIL, [EVIL], [evil], [plot], [EVIL], {EVIL: {EVIL: [EVIL]}})
    text = write_report(report, tmp_path).read_text("utf-8")
    tags = TagCollector()
    tags.feed(text)
    assert {tag for tag, _ in tags.found}.isdisjoint({"script", "link", "iframe", "object"})
    images = [attributes for tag, attributes in tags.found if tag == "img"]
    assert len(images) == 1
    assert str(images[0]["src"]).startswith("data:image/svg+xml;base64,")
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    assert "default-src 'none'" in text
    json.loads((tmp_path / "report.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("inf"), "-"),
        (0, "0"),
        (12_345, "12345"),
        (12_345.6, "12346"),
        (1.23456, "1.23"),
        (0.0123456, "0.0123"),
        (0.000001, "0"),
        (-0.5, "-0.500"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_estimates_format_as_text() -> None:
    assert format_estimate(Estimate(5.0, 4.0, 6.0)) == "5.00 % (4.00 to 6.00)"
    assert format_estimate(Estimate(5.0), "") == "5.00"
    lines = format_markdown(make_table()).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "12.3 (10.0 to 14.0)" in lines[2]
    broken = format_markdown(Table("t", "t", ("a|b", "c"), [["one\ntwo", 1]]))
    assert broken.splitlines()[0].startswith(r"| a\|b ")
    assert "one two" in broken


def test_unwritable_folder_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="file/out"):
        write_report(Report("t", [], []), tmp_path / "file" / "out")


def test_csv_has_no_formulas(tmp_path: Path) -> None:
    rows = [["=cmd|' /C calc'!A0", -1.5], ["@SUM(A1)", 2], ["/cam", 3]]
    write_csv(Table("t", "t", ("+topic", "count"), rows), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        cells = list(csv.reader(file))
    assert cells == [
        ["'+topic", "count"],
        ["'=cmd|' /C calc'!A0", "-1.5"],
        ["'@SUM(A1)", "2"],
        ["/cam", "3"],
    ]


def test_markdown_shows_controls_escaped() -> None:
    text = format_markdown(Table("t", "t", ("topic", "count"), [["/cam\x1b[2J", 1]]))
    assert r"/cam\x1b[2J" in text
    assert "\x1b" not in text
