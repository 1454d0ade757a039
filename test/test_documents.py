"""The documents: no broken link, no name that is gone, no figure that was not measured."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anon_ros.cli.main import _make_parser
from anon_ros.config import all_parameters
from helpers.paths import ROOT

MAX_README_WORDS = 600
MIN_CHANGES = 12
# Records of what was decided, changed or measured once.
HISTORY = ("docs/evaluation.md", "docs/parameters.md")
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")))
    if str(path.relative_to(ROOT)) not in HISTORY and path.parent.name != "adr"
]


@pytest.fixture(scope="module")
def checker() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci" / "check_links.py"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_readme_is_short_and_names_demo_and_test() -> None:
    readme = read("README.md")
    assert len(readme.split()) < MAX_README_WORDS
    assert "make demo" in readme
    assert "make test" in readme


def test_readme_figures_are_measured() -> None:
    """Each leads a cell of the page that its sentence links to, or of the evaluation."""
    results = read("README.md").partition("## Results")[2].partition("## ")[0]
    count = 0
    for sentence in re.split(r"\n|\. ", results):
        link = re.search(r"\]\((docs/\w+\.md)\)", sentence)
        rows = re.findall(r"(?m)^\|.+", read(link[1] if link else "docs/evaluation.md"))
        measured = {cell.split()[0] for row in rows for cell in row.split("|") if cell.strip()}
        figures = re.findall(r"(\d+\.\d+) %", sentence)
        assert set(figures) <= measured, sentence
        count += len(figures)
    assert count >= 10


def test_files_that_pages_name_exist(checker: dict[str, Any]) -> None:
    folders = (
        r"\.ci|anon_ros|bench|config|demo|docker|docs|examples|launch|requirements|test|training"
    )
    for page in checker["list_pages"](ROOT):
        text = page.read_text(encoding="utf-8")
        named = re.findall(rf"(?<![\w./~-])((?:{folders})/[a-z0-9_./-]+\.[a-z]+)\b", text)
        assert [path for path in named if not (ROOT / path).exists()] == [], page


def test_links_are_whole(checker: dict[str, Any]) -> None:
    problems = [p for page in checker["list_pages"](ROOT) for p in checker["find_problems"](page)]
    assert problems == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[a](there.md#a-heading-with-code) [b](there.md) [c](#here)\n# Here", 0),
        ("[a](nowhere.md)", 1),
        ("![a](nowhere.png)", 1),
        ("[a](there.md#nothing)", 1),
        ("[a](#nothing)", 1),
        ("`[a](nowhere.md)` [b](https://example.org/nowhere)", 0),
        ("```\n[a](nowhere.md)\n```", 0),
    ],
)
def test_check_links_finds_broken_ones(
    checker: dict[str, Any], tmp_path: Path, text: str, count: int
) -> None:
    (tmp_path / "there.md").write_text("## A heading, with `code`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert len(list(checker["find_problems"](page))) == count


def test_check_links_command_fails_on_a_broken_link(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)  # noqa: S607
    (tmp_path / "page.md").write_text("[a](nowhere.md)", encoding="utf-8")
    command = [sys.executable, str(ROOT / ".ci/check_links.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nowhere.md: no such file" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_parameters_in_pages_exist(page: Path) -> None:
    groups = {name.partition(".")[0] for name in all_parameters() if "." in name}
    named = re.findall(r"`(?:--)?([a-z]+)\.([a-z_]+)\b", page.read_text(encoding="utf-8"))
    keys = {f"{group}.{key}" for group, key in named if group in groups and key != "py"}
    assert keys - all_parameters().keys() == set()


def commands(page: Path) -> list[str]:
    """Return the anon_ros commands of a page's shell blocks, without comments and redirections."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines = [line.removeprefix("ros2 run anon_ros ") for line in lines]
    return [re.split(r" +[#>]", line)[0] for line in lines if line.startswith("anon_ros ")]


@pytest.mark.parametrize(
    "command", [c for page in PAGES for c in commands(page) if not c.endswith("--help")]
)
def test_commands_in_pages_parse(command: str) -> None:
    assert _make_parser().parse_args(shlex.split(command)[1:]).run


def test_where_to_change_what_names_files_that_exist() -> None:
    table = read("CONTRIBUTING.md").partition("## Where to change what")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= MIN_CHANGES
    named = [path for row in rows for path in re.findall(r"`(anon_ros/[\w/.]+)`", row)]
    assert len(named) >= len(rows) - 1
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_target_of_make_has_a_line_of_help() -> None:
    makefile = read("Makefile")
    targets = set(re.search(r"\.PHONY: (.+)", makefile)[1].split())
    assert targets == set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", "".join(page.read_text("utf-8") for page in PAGES)))
    assert named <= targets


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.is_relative_to(ROOT / "docs") and p.stem != "index"]
)
def test_page_is_in_the_sidebar_of_the_site(page: Path) -> None:
    name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
    assert f'"{name}"' in read("docs/conf.py")
