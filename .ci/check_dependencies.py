"""Check that what package.xml and requirements/ name exists: rosdep's keys and pip's pins.

    python .ci/check_dependencies.py [ROSDISTRO]

ROSDISTRO is a clone of github.com/ros/rosdistro; without it the keys are not checked, and that is
said. The pins are resolved by uv for the Python and two architectures of each distribution; nothing
is installed. Without uv that is left out and said, too.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import yaml

ROOT = Path(__file__).resolve().parents[1]
# ROS 2 distribution: Ubuntu, its Python.
DISTROS = {"humble": ("jammy", "3.10"), "jazzy": ("noble", "3.12"), "kilted": ("noble", "3.12")}
ARCHITECTURES = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")


def list_keys() -> set[str]:
    """Return the keys that rosdep resolves for the package."""
    manifest = ET.parse(ROOT / "package.xml").getroot()  # noqa: S314 - our own file
    return {node.text or "" for node in manifest if node.tag.endswith("depend")}


def find_unknown_keys(rosdistro: Path, distro: str) -> Iterator[str]:
    """Yield an error for each key that is neither a package of the distribution nor one of apt."""
    release = DISTROS[distro][0]
    distribution = _read_yaml(rosdistro / distro / "distribution.yaml")
    released = {
        package
        for name, repository in distribution["repositories"].items()
        if "version" in repository.get("release", {})
        for package in repository["release"].get("packages", [name])
    }
    rules = {
        key: systems.get("ubuntu")
        for file in ("base.yaml", "python.yaml")
        for key, systems in _read_yaml(rosdistro / "rosdep" / file).items()
    }
    for key in sorted(list_keys() - released):
        rule = rules.get(key)
        if isinstance(rule, dict) and "pip" not in rule:
            rule = rule.get(release, rule.get("*"))
        if not rule:
            yield f"{distro}: rosdep has no rule for {key} on {release}"
        elif isinstance(rule, dict) and "pip" in rule:
            yield f"{distro}: {key} is a package of pip, which Debian and Ubuntu refuse"


def _read_yaml(path: Path) -> Any:
    return yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)


def find_wrong_pins(distro: str) -> Iterator[str]:
    """Yield an error of uv for each architecture on which a pin cannot be had or does not fit."""
    requirements = ROOT / "requirements"
    for platform in ARCHITECTURES:
        command = [
            *("uv", "pip", "compile", "--quiet", "--no-header", requirements / "vehicle.in"),
            *("--constraints", requirements / f"constraints-{distro}.txt"),
            *("--override", ROOT / "requirements-overrides.txt"),
            *("--only-binary", ":all:", "--no-emit-package", "setuptools"),
            *("--python-version", DISTROS[distro][1], "--python-platform", platform),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{distro}, {platform}: {done.stderr.strip()}"
        pinned = {
            line.partition(" ")[0]
            for line in (requirements / f"constraints-{distro}.txt").read_text().splitlines()
        }
        resolved = {line.partition(" ")[0] for line in done.stdout.splitlines() if "==" in line}
        for missing in sorted(resolved - pinned):
            yield f"{distro}, {platform}: {missing} is not pinned"


def main() -> int:
    """Print every problem; return 1 if there is one."""
    problems = []
    if shutil.which("uv"):
        problems += [text for distro in DISTROS for text in find_wrong_pins(distro)]
    else:
        print("not checked: pip's pins (pip install uv)")
    if sys.argv[1:]:
        folder = Path(sys.argv[1])
        problems += [text for distro in DISTROS for text in find_unknown_keys(folder, distro)]
    else:
        print("not checked: rosdep's keys (name a clone of ros/rosdistro)")
    print("\n".join(problems) or "no problem found")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
