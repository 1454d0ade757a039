"""Libraries that would use the network."""

import subprocess
import sys
from pathlib import Path

import pytest

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
