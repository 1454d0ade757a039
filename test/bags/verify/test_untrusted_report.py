"""A report.json from somebody else, whose weights would run code."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from anon_ros.cli.main import main
from anon_ros.models import hash_model
from helpers.hostile_files import Payload


@pytest.fixture
def hostile_bag(
    tmp_path: Path,
    make_anonymized_bag: Callable[[str], tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Path, Path]:
    """A recording, and an output of it whose report names evil.pt beside it."""
    monkeypatch.setenv("ANON_ROS_MODELS", str(tmp_path / "models"))
    source, output = make_anonymized_bag("mcap")
    copy = tmp_path / "out"
    shutil.copytree(output, copy)
    weights = copy / "evil.pt"
    torch.save({"model": Payload(tmp_path / "executed")}, weights)
    report = json.loads((copy / "report.json").read_text("utf-8"))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    model = {"parameter": "detect.weights", "name": str(weights), "path": str(weights)}
    report["models"] = [{**model, "licence": "", "sha256": digest}]
    report["parameters"]["detect.weights"] = str(weights)
    report["parameters"]["inpaint.model"] = str(copy)
    (copy / "report.json").write_text(json.dumps(report), "utf-8")
    return source, copy


def test_payload_would_run(tmp_path: Path) -> None:
    """The other tests can fail."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "executed")))  # noqa: S301 - our own
    assert (tmp_path / "executed").exists()


def test_verify_never_loads_reports_weights(
    hostile_bag: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = hostile_bag
    assert main(["verify", str(source), str(output)]) == 2
    assert "name the weights: --detect.weights PATH" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("experiment", ["all", "quality"])
def test_evaluate_never_loads_reports_weights(
    hostile_bag: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    experiment: str,
) -> None:
    source, output = hostile_bag
    words = [str(source), "--anonymized", str(output), "--output", str(tmp_path / "proof")]
    assert main(["evaluate", experiment, *words]) == 2
    assert "name the weights: --detect.weights PATH" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()


def test_named_weights_run_no_code(
    hostile_bag: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = hostile_bag
    weights = str(output / "evil.pt")
    assert main(["verify", str(source), str(output), "--detect.weights", weights]) == 2
    assert "evil.pt cannot be loaded" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()


def test_weights_of_report_found_by_hash(
    hostile_bag: tuple[Path, Path],
    tmp_path: Path,
    demo_weights: Path,
    tiny_rfdetr: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of several networks; one that is missing is named."""
    source, output = hostile_bag
    command = ["verify", str(source), str(output), "--every-nth", "18"]
    report = json.loads((output / "report.json").read_text("utf-8"))
    digests = [hash_model(path) for path in (demo_weights, tiny_rfdetr)]
    report["models"] = [{**report["models"][0], "sha256": digest} for digest in digests]
    (output / "report.json").write_text(json.dumps(report), "utf-8")
    (tmp_path / "models").mkdir()
    shutil.copy(demo_weights, tmp_path / "models" / "mine.pt")
    assert main(command) == 2
    assert f"has the SHA-256 {digests[1]!r}" in capsys.readouterr().err
    shutil.copytree(tiny_rfdetr, tmp_path / "models" / "rfdetr")
    assert main(command) != 2
    assert not (tmp_path / "executed").exists()
