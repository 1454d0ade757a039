"""The grammar of the package: plain docstrings, verbs for functions, names with a meaning."""

import pytest

from helpers.grammar import VerbCount, count_verbs, find_problems
from helpers.paths import ROOT

MIN_VERB_RATIO = 0.75
SOURCES = sorted((ROOT / "anon_ros").rglob("*.py"))


def test_package_follows_grammar() -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{problem.line}: {problem.text}"
        for path in SOURCES
        for problem in find_problems(path.read_text(encoding="utf-8"))
    ]
    assert not problems, "\n".join(problems)


def test_functions_begin_with_verbs() -> None:
    counts = [count_verbs(path.read_text(encoding="utf-8")) for path in SOURCES]
    functions = sum(count.functions for count in counts)
    assert functions > 1000
    assert sum(count.verbs for count in counts) / functions >= MIN_VERB_RATIO


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('"""What becomes of a topic."""', "docstring: What becomes of a topic."),
        ('class A:\n    """Whether it may."""', "docstring: Whether it may."),
        ('def f():\n    """Where it stands."""', "docstring: Where it stands."),
        ('async def f():\n    """of a frame"""', "docstring: of a frame"),
        ("def f(other): ...", "parameter: other"),
        ("def told(): ...", "function: told"),
        ("found = 1", "variable: found"),
        ("for each in x: y(each)", "variable: each"),
        ("[\n each\n for each in x]", "variable: each"),
        ("class A:\n    made: int", "variable: made"),
        ("self.kept = 1", "attribute: kept"),
        ("_LEAST_PX = 1", "variable: _LEAST_PX"),
        ("MOST_FRAMES = 1", "variable: MOST_FRAMES"),
    ],
)
def test_grammar_finds_planted_problem(source: str, problem: str) -> None:
    assert [text for _, text in find_problems(source)] == [problem]


@pytest.mark.parametrize(
    "source",
    [
        'def read():\n    """Return what becomes of a topic."""',
        '"""Offsets of a mask."""',  # begins with a word that begins with "of"
        "[each for each in x]",
        "lambda one, other: one < other",
        "minimum = 1",
    ],
)
def test_grammar_accepts_plain_source(source: str) -> None:
    assert not find_problems(source)


def test_count_verbs_leaves_nouns_aside() -> None:
    source = """
class A:
    def __init__(self): ...
    @property
    def size(self): ...
    @size.setter
    def size(self, value): ...
    def _read_all(self): ...
    def size_of(self): ...
"""
    assert count_verbs(source) == VerbCount(verbs=1, functions=2)
