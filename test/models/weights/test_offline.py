"""Libraries that would use the network."""

import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from anon_ros.core import RgbImage
from helpers.paths import ROOT

pytestmark = pytest.mark.usefixtures("no_network")


def test_libraries_stay_offline(demo_weights: Path, tmp_path: Path) -> None:
    """In a process where every look-up of a host fails loudly."""
    code = f"""
import socket
def refuse(*_, **__): raise SystemExit("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
from anon_ros import build_anonymizer, load_config
build_anonymizer(load_config(overrides={{
    "inpaint.method": "fill", "detect.weights": {str(demo_weights)!r}}}))
from ultralytics.utils import AUTOINSTALL, ONLINE
print(AUTOINSTALL, ONLINE)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["False", "False"]
    assert done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} <= {".cache"}


def run_guarded(home: Path, code: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code in a process that its first connection or look-up would end."""
    guard = "from helpers.connection_guard import end_process_on_connection as guard; guard()\n"
    folders = (home, home / "work", home / "tmp")
    for folder in folders:
        folder.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", guard + code, *words],
        env=environment | {"PYTHONPATH": f"{ROOT}:{ROOT / 'test'}"},
        cwd=home / "work",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_diffusion_calls_nobody(
    demo_weights: Path, tiny_sdxl: Path, bus_rgb: RgbImage, tmp_path: Path
) -> None:
    """The whole command, below Python, with no file but its output and Ultralytics' settings."""
    home = tmp_path / "home"
    cv2.imwrite(str(tmp_path / "bus.png"), bus_rgb[::2, ::2, ::-1])
    words = ["image", str(tmp_path / "bus.png"), "-o", "bus.png"]
    words += ["--detect.weights", str(demo_weights), "--inpaint.model", str(tiny_sdxl)]
    words += ["--inpaint.generate_px", "64", "--inpaint.steps", "2", "--inpaint.min_person_px", "8"]
    code = """
import sys, time
from anon_ros.cli.main import main
code = main(sys.argv[1:])
time.sleep(2)  # what reports may wait for more to report
assert "onnxruntime" in sys.modules, "the library that reports by itself was not tried"
sys.exit(code)
"""
    done = run_guarded(home, code, *words)
    assert done.returncode == 0, done.stderr
    settings = home / ".cache" / "anon_ros"
    files = {path for path in home.rglob("*") if path.is_file() and settings not in path.parents}
    assert files == {home / "work" / "bus.png"}


def test_onnx_network_calls_nobody(tmp_path: Path) -> None:
    """A network of --embedder, without a diffusion model that sets the switches before."""
    path, home = tmp_path / "tiny.onnx", tmp_path / "home"
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    torch.onnx.export(network.eval(), torch.zeros(1, 3, 8, 8), str(path), dynamo=False)
    code = """
import sys, time
from anon_ros.models import load_embedder
load_embedder(sys.argv[1], "cpu")
time.sleep(2)
"""
    done = run_guarded(home, code, str(path))
    assert done.returncode == 0, done.stderr
    assert not [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket().connect(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('example.org', 80)",
    ],
)
def test_guard_ends_caller(code: str, tmp_path: Path) -> None:
    assert run_guarded(tmp_path / "home", code).returncode == -signal.SIGSYS
