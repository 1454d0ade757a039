"""The grammar of docstrings and names, as a check of source text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

_Definition: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
QUESTION = re.compile(
    r"(what|who|whom|whose|whether|how|which|where|why|when|of|as)\b", re.IGNORECASE
)
# Words that say nothing of what they name.
_BANNED = {
    "beside",
    "each",
    "found",
    "given",
    "kept",
    "known",
    "least",
    "made",
    "most",
    "one",
    "other",
    "others",
    "taken",
    "told",
    "whole",
}
_CONSTANT = re.compile(r"_?(LEAST|MOST)_")
# The first words that functions may have: imperatives, and those of a question or a conversion.
VERBS = frozenset(Path(__file__).with_name("verbs.txt").read_text(encoding="ascii").split())


class Problem(NamedTuple):
    line: int
    text: str


class VerbCount(NamedTuple):
    verbs: int
    functions: int


def find_problems(source: str) -> list[Problem]:
    """Return docstrings that begin as a question does, and names that say nothing."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    found = [*_check_docstrings(nodes), *_check_names(nodes)]
    return sorted(found)


def count_verbs(source: str) -> VerbCount:
    """Return how many functions begin with a verb; properties, fixtures and dunders aside."""
    names = [
        node.name.lstrip("_")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, _Function) and not _is_noun(node)
    ]
    return VerbCount(sum(name.split("_")[0] in VERBS for name in names), len(names))


def _check_docstrings(nodes: list[ast.AST]) -> Iterator[Problem]:
    for node in nodes:
        if isinstance(node, _Definition):
            text = ast.get_docstring(node) or ""
            if QUESTION.match(text):
                line = getattr(node, "lineno", 1)
                yield Problem(line, f"docstring: {text.splitlines()[0]}")


def _check_names(nodes: list[ast.AST]) -> Iterator[Problem]:
    short = {name for node in nodes for name in _bound_in_one_line(node)}
    for node in nodes:
        for line, kind, name in _list_names(node):
            if (name in _BANNED and (line, name) not in short) or _CONSTANT.match(name):
                yield Problem(line, f"{kind}: {name}")


def _list_names(node: ast.AST) -> Iterator[tuple[int, str, str]]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.lineno, "variable", node.id
    elif isinstance(node, ast.arg):
        yield node.lineno, "parameter", node.arg
    elif isinstance(node, _Function):
        yield node.lineno, "function", node.name
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.lineno, "attribute", node.attr


def _bound_in_one_line(node: ast.AST) -> set[tuple[int, str]]:
    """Return places and names that a comprehension or lambda of a single line binds."""
    if node.__class__ not in {
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
        ast.Lambda,
    }:
        return set()
    if node.lineno != node.end_lineno:
        return set()
    names = {(n.lineno, n.id) for n in ast.walk(node) if isinstance(n, ast.Name)}
    return names | {(n.lineno, n.arg) for n in ast.walk(node) if isinstance(n, ast.arg)}


def _is_noun(node: _Function) -> bool:
    decorators = {ast.unparse(each).split("(")[0].split(".")[-1] for each in node.decorator_list}
    return node.name.startswith("__") or not decorators.isdisjoint(
        {"property", "cached_property", "setter", "fixture"}
    )
