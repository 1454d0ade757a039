"""Print the shape of the code: sizes, annotations, docstrings, names."""

import ast
import re
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "test"))
from helpers.grammar import QUESTION, VERBS

PACKAGE = "anon_ros"
MAX_LINES = 40
MAX_PARAMETERS = 5
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def main(root: Path) -> None:
    """Print one line per figure."""
    sources = {path: path.read_text("utf-8") for path in sorted((root / PACKAGE).rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in sources.items()}
    sizes = [text.count("\n") for text in sources.values()]
    functions = [node for tree in trees.values() for node in iter_functions(tree)]
    lengths = sorted(count_lines(function) for function in functions)
    figures = (
        {
            "files / lines": f"{len(sources)} / {sum(sizes)}",
            "file median / max": f"{statistics.median(sizes):.0f} / {max(sizes)}",
            "function median / p90 / max": f"{statistics.median(lengths):.0f} / "
            f"{lengths[len(lengths) * 9 // 10]} / {lengths[-1]}",
            "functions over 40 lines": f"{sum(n > MAX_LINES for n in lengths)} of {len(lengths)}",
            "fully annotated": format_share([is_annotated(function) for function in functions]),
            "functions with > 5 parameters": str(
                sum(count_parameters(f) > MAX_PARAMETERS for f in functions)
            ),
            "largest flat folder": "{1} ({0})".format(*count_folders(sources).most_common(1)[0]),
            "README words": str(len((root / "README.md").read_text("utf-8").split())),
        }
        | measure_words(trees)
        | measure_tests(root)
    )
    for name, value in figures.items():
        print(f"{name:46} {value}")


def measure_words(trees: dict[Path, ast.Module]) -> dict[str, str]:
    """Return the figures of docstrings and names."""
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    documented = [n for n in nodes if isinstance(n, ast.Module | ast.ClassDef | FunctionNode)]
    docstrings = [text for node in documented if (text := ast.get_docstring(node))]
    public = [f for t in trees.values() for f in iter_functions(t) if not f.name.startswith("_")]
    verbs = [f.name.split("_")[0] in VERBS for f in public if not is_property(f)]
    classes = [n for n in nodes if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    return {
        "docstring, public functions / classes": " / ".join(
            format_share([has_docstring(n) for n in group]) for group in (public, classes)
        ),
        "docstrings that begin what / who / whether ...": format_share(
            [bool(QUESTION.match(text)) for text in docstrings]
        ),
        "public functions that begin with a verb": format_share(verbs),
    }


def measure_tests(root: Path) -> dict[str, str]:
    """Return the number of test functions and the mean length of their names."""
    names = [
        node.name
        for path in (root / "test").rglob("test_*.py")
        for node in iter_functions(ast.parse(path.read_text("utf-8")))
        if node.name.startswith("test_")
    ]
    mean = statistics.mean(map(len, names))
    return {"test functions, mean length of the name": f"{len(names)}, {mean:.0f} chars"}


def iter_functions(tree: ast.Module) -> Iterator[FunctionNode]:
    """Yield all functions and methods but dunders."""
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode) and not re.fullmatch("__.*__", node.name):
            yield node


def count_lines(function: FunctionNode) -> int:
    """Count the lines of a function without its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if has_docstring(function):
        docstring = function.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def count_parameters(function: FunctionNode) -> int:
    """Count the parameters but self and cls."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in {"self", "cls"} for argument in every)


def count_folders(paths: Iterator[Path] | dict[Path, str]) -> Counter[str]:
    """Count the files of each folder, but the package's own __init__.py."""
    return Counter(str(path.parent) for path in paths if path.name != "__init__.py")


def is_annotated(function: FunctionNode) -> bool:
    """Return True if every parameter and the result have a type."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a]
    typed = all(a.annotation or a.arg in {"self", "cls"} for a in every)
    return typed and function.returns is not None


def is_property(function: FunctionNode) -> bool:
    """Return True for properties, which are nouns as attributes are."""
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def has_docstring(node: ast.Module | ast.ClassDef | FunctionNode) -> bool:
    """Return True if the node has a docstring."""
    return ast.get_docstring(node) is not None


def format_share(flags: list[bool]) -> str:
    """Format how many are True, in percent and in numbers."""
    return f"{100 * sum(flags) / max(1, len(flags)):.0f} % ({sum(flags)} of {len(flags)})"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
