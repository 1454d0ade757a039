"""Parameter files as the launch file and the command line read them, against rclpy itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

from anon_ros.config.parameter_files import read_parameter_file
from anon_ros.errors import ConfigError

SECTIONS = (
    "/**",
    "/*",
    "/*/*",
    "/*/anonymizer",
    "/**/anonymizer",
    "/anonymizer",
    "anonymizer",
    "/front/anonymizer",
    "/front/**",
    "/front",
    "/other",
)
SCALARS = """\
/**:
  ros__parameters:
    flags: [y, No, TRUE, off]
    flag: Y
    integers: [1, -2, 010, 0x1F]
    numbers: [1.0, 6e-1, 5E+3, .5, 7., -1.5e-3]
    big: .inf
    time: 1:30
    texts: [a, "1", 'off', oFF, 2026-01-01, 1_000, ~, null, "", 1.2.3, "é"]
    group.dotted: 1
    group: {nested: 2, deeper: {leaf: x}}
    twice: 1
    twice: 2
"""


def read_with_rclpy(file: Path, node: str, domain: int) -> dict[str, object]:
    namespace, _, name = node.rpartition("/")
    remaps = ["-r", f"__ns:={namespace or '/'}", "-r", f"__node:={name}"]
    context = rclpy.Context()
    arguments = ["--ros-args", *remaps, "--params-file", str(file)]
    rclpy.init(args=arguments, context=context, domain_id=domain)
    probe = Node("anonymizer", context=context)
    values = {n: p.value for n, p in probe._parameter_overrides.items()}  # noqa: SLF001 - read as it is
    probe.destroy_node()
    rclpy.shutdown(context=context)
    return values


def read_ours(file: Path, node: str) -> dict[str, object]:
    try:
        return read_parameter_file(file, node)
    except ConfigError as error:
        assert "for another node" in str(error)  # noqa: PT017 - nothing for rclpy, an error for us
        return {}


@pytest.mark.parametrize(
    "node", ["/anonymizer", "/front/anonymizer", "/a/b/anonymizer", "/front/second"]
)
def test_sections_chosen_as_rclpy_does(node: str, tmp_path: Path, dds_domain: int) -> None:
    file = tmp_path / "car.yaml"
    for order in (SECTIONS, SECTIONS[::-1]):
        file.write_text(
            "".join(
                f"{section}: {{ros__parameters: {{shared: {index}, p{index}: {index}}}}}\n"
                for index, section in enumerate(order)
            )
        )
        assert read_ours(file, node) == read_with_rclpy(file, node, dds_domain)


def test_scalars_read_as_rclpy_does(tmp_path: Path, dds_domain: int) -> None:
    file = tmp_path / "car.yaml"
    file.write_text(SCALARS, encoding="utf-8")
    ours, theirs = read_ours(file, "/anonymizer"), read_with_rclpy(file, "/anonymizer", dds_domain)
    assert ours == {n: v if isinstance(v, str) else to_plain(v) for n, v in theirs.items()}


def test_file_for_another_node_told(tmp_path: Path, dds_domain: int) -> None:
    """By the executable itself, which ends because it has no weights."""
    unused, used = tmp_path / "unused.yaml", tmp_path / "used.yaml"
    unused.write_text("/front/anonymizer: {ros__parameters: {inpaint.seed: 3}}")
    used.write_text("/*: {ros__parameters: {inpaint.method: fill, detect.weights: /absent.pt}}")
    files = ["--params-file", str(unused), "--params-file", str(used)]
    done = subprocess.run(
        [Path(sys.executable).with_name("anonymizer"), "--ros-args", *files],
        env=os.environ | {"ROS_DOMAIN_ID": str(dds_domain)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1
    assert f"{unused} has no effect: no section is for /anonymizer" in done.stderr
    assert str(used) not in done.stderr


def to_plain(value: object) -> object:
    """A list for the array types of rclpy."""
    return list(value) if hasattr(value, "__iter__") else value
