"""YAML that describes far more than its text, or nests without end."""

from pathlib import Path

import pytest

from anon_ros.cli import main
from anon_ros.config import check_yaml, load_config
from anon_ros.errors import ConfigError

LEVELS = range(1, 30)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in LEVELS
)
ALIASES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in LEVELS
)
HOSTILE = {
    "merge keys": (MERGES, "merge key"),
    "aliases": (ALIASES, "leads to a node that holds aliases"),
    "a node in itself": ("a: &a {b: *a}", "leads to a node that holds aliases"),
    "deep lists": ("[" * 100_000, "nested"),
    "deep mappings": ("{a: " * 100_000, "nested"),
    "deep blocks": ("- " * 100_000 + "a", "nested"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(120)
def test_yaml_bombs_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    text, problem = HOSTILE[name]
    with pytest.raises(ValueError, match=problem):
        check_yaml(text)
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_config(path)
    assert main.main(["config", "check", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_plain_aliases_are_taken() -> None:
    """PyYAML writes them for an object that occurs twice."""
    check_yaml("a: &id001 [1, 2]\nb: *id001\nc: *id001\n")


@pytest.mark.timeout(120)
def test_device_is_no_parameter_file() -> None:
    with pytest.raises(ConfigError, match="more than 1048576 characters"):
        load_config("/dev/zero")
