"""``ros2 bag anonymize`` and ``ros2 bag verify``, against stand-ins for ros2bag and ros2cli."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT

# ros2cli parses twice: once before the verb has added its arguments, to know the verb.
ROS2 = """
import sys
from argparse import ArgumentParser
from anon_ros.ros.bag_verbs import AnonymizeVerb, VerifyVerb
parser = ArgumentParser(prog="ros2")
parser.add_argument("--use-python-default-buffering", action="store_true")
verbs = {"anonymize": AnonymizeVerb(), "verify": VerifyVerb()}
choices = parser.add_subparsers(dest="verb")
parsers = {name: choices.add_parser(name, add_help="-h" not in sys.argv) for name in verbs}
verb = parser.parse_known_args()[0].verb
verbs[verb].add_arguments(parsers[verb], f"ros2 bag {verb}")
sys.exit(verbs[verb].main(args=parser.parse_args()))
"""
BASE = """
class VerbExtension:
    NAME = None
    EXTENSION_POINT_VERSION = "0.1"
    def __init__(self): pass
"""
INDEX = "import os\nget_package_prefix = lambda name: os.environ['PREFIX']"
EXECUTABLE = """#!/bin/sh
printf '<%s>' "$@"
exit 3
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """The folder of an installation whose executable prints its arguments and returns 3."""
    executable = tmp_path / "prefix/lib/anon_ros/anon_ros"
    executable.parent.mkdir(parents=True)
    executable.write_text(EXECUTABLE)
    executable.chmod(0o755)
    return tmp_path / "prefix"


def run_ros2(prefix: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    stand_ins = prefix.parent / "stand_ins"
    for package, module, text in (
        ("ros2bag", "verb", BASE),
        ("ament_index_python", "packages", INDEX),
    ):
        (stand_ins / package).mkdir(parents=True)
        (stand_ins / package / "__init__.py").touch()
        (stand_ins / package / f"{module}.py").write_text(text)
    code = f"import sys; sys.path.insert(0, {str(stand_ins)!r})\n{ROS2}"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PREFIX": str(prefix), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["anonymize", "in put", "out"], "<bag><in put><out>"),
        (["anonymize", "--dry-run", "in", "out"], "<bag><--dry-run><in><out>"),
        (["anonymize", "in", "--detect.model", "x.pt"], "<bag><in><--detect.model><x.pt>"),
        (["anonymize", "in", "--use-python"], "<bag><in><--use-python>"),
        (["anonymize", "-h"], "<bag><-h>"),
        (["verify", "in", "out", "--html", "a.html"], "<verify><in><out><--html><a.html>"),
    ],
)
def test_verb_hands_all_arguments_over(prefix: Path, arguments: list[str], expected: str) -> None:
    done = run_ros2(prefix, *arguments)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 3)


def test_verb_without_executable_says_so(prefix: Path) -> None:
    (prefix / "lib/anon_ros/anon_ros").unlink()
    done = run_ros2(prefix, "verify", "in", "out")
    assert done.returncode == 1
    assert "lib/anon_ros/anon_ros" in done.stderr
    assert "build the workspace again" in done.stderr
