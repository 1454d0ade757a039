"""ROS 2 Humble, whose wheels do not exist: a stand-in with the names that Humble's rclpy has."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter

from anon_ros.ros.rclpy_compat import add_post_set_parameters_callback
from helpers.paths import ROOT

ROS = ROOT / "anon_ros" / "ros"
# Every name has any attribute, can be called and subclassed.
NAME = """
class Meta(type):
    def __getattr__(cls, name):
        return cls
class {name}(metaclass=Meta):
    def __init__(self, *arguments, **options): pass
"""


@pytest.fixture(scope="module")
def surface() -> dict[str, set[str]]:
    """Names of each module and class of Humble's rclpy 3.3.15."""
    lines = (ROOT / "test/data/rclpy_humble.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.partition(": ") for line in lines)
    return {home: set(names.split()) for home, _, names in parts}


@pytest.fixture
def humble(surface: dict[str, set[str]], tmp_path: Path) -> Path:
    """A folder with the stand-in."""
    for home, names in surface.items():
        *packages, name = home.split(".")
        if name[0].isupper():
            continue
        has_children = any(key.startswith(f"{home}.") for key in surface)
        folder = tmp_path.joinpath(*packages, *([name] if has_children else []))
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / ("__init__.py" if has_children else f"{name}.py")
        file.write_text("".join(NAME.format(name=item) for item in sorted(names)))
        (folder / "__init__.py").touch()
    return tmp_path


def test_all_modules_import_on_humble(humble: Path) -> None:
    modules = [
        f"anon_ros.ros.{'.'.join(path.relative_to(ROS).with_suffix('').parts)}"
        for path in sorted(ROS.rglob("*.py"))
        if path.stem not in {"__init__", "bag_verbs"}
    ]
    assert len(modules) > 12
    code = f"import sys; sys.path.insert(0, {str(humble)!r})\n"
    code += "".join(f"import {module}\n" for module in modules)
    code += "import rclpy; print(rclpy.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str(humble / "rclpy/__init__.py")


def test_humble_has_the_methods_that_are_called(surface: dict[str, set[str]]) -> None:
    node = surface["rclpy.node.Node"] | surface["rclpy.lifecycle.node.LifecycleNodeMixin"]
    calls = (r"\b(?:self\._)?node\.(\w+)", node), (r"\brclpy\.(\w+)\(", surface["rclpy"])
    ours = set(re.findall(r"def (\w+)", (ROS / "node.py").read_text("utf-8")))
    ours |= {"should_exit", "add_post_set_parameters_callback"}  # has a stand-in of ours
    ours |= set(dir(str))  # of names of nodes
    for path in ROS.rglob("*.py"):
        text = re.sub(r"(?ms)^(from|import) .*?$|\"{3}.*?\"{3}", "", path.read_text("utf-8"))
        for pattern, names in calls:
            assert set(re.findall(pattern, text)) - names - ours == set(), path


def test_humble_has_the_events_that_are_asked_for(surface: dict[str, set[str]]) -> None:
    """Humble knows no event of matched peers."""
    asked = [
        (f"rclpy.qos_event.{events}", callback)
        for path in ROS.rglob("*.py")
        for events, callback in re.findall(r"(\w+EventCallbacks)\((\w+)=", path.read_text("utf-8"))
    ]
    assert len(asked) >= 2
    assert [pair for pair in asked if pair[1] not in surface[pair[0]]] == []


@pytest.mark.parametrize("is_accepted", [True, False])
def test_only_accepted_parameters_are_applied_on_humble(*, is_accepted: bool) -> None:
    result = SimpleNamespace(successful=is_accepted)
    node = SimpleNamespace(set_parameters_atomically=lambda _: result)
    applied: list[Any] = []
    add_post_set_parameters_callback(node, applied.extend)
    assert node.set_parameters_atomically(["a", "b"]) is result
    assert applied == (["a", "b"] if is_accepted else [])


def test_node_applies_parameters_without_the_post_set_callback(
    peer: Any, start_live_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Node, "add_post_set_parameters_callback")
    node = start_live_node(topics__images=["/cam/image_raw"])
    for value, is_accepted in (("nobody else", True), (3, False)):
        message = Parameter("inpaint.prompt", value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[message])
        (result,) = peer.call("/anonymizer/set_parameters", SetParameters, request).results
        assert result.successful == is_accepted
    assert node.node._config.inpaint.prompt == "nobody else"  # noqa: SLF001 - what is used
