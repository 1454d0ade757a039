"""``anon_ros models``."""

from pathlib import Path

import pytest

from anon_ros.cli.main import main
from anon_ros.models import hash_model
from anon_ros.models.weights.generator import find_generator
from helpers.paths import ROOT


def test_models_lists_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANON_ROS_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert main(["models"]) == 1
    told = capsys.readouterr().out
    for word in ("yolov8x-seg.pt", "stable-diffusion-xl", "missing", "AGPL-3.0", "OpenRAIL++"):
        assert word in told


def test_models_lists_profile_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANON_ROS_MODELS", str(tmp_path))
    mine = tmp_path / "mine.yaml"
    mine.write_text("/**:\n  ros__parameters:\n    inpaint: {vae: /no/vae}\n")
    fast = ROOT / "config" / "profiles" / "fast.yaml"
    assert main(["models", "--config", str(fast), "--config", str(mine)]) == 1
    told = capsys.readouterr().out
    assert f"hf download latent-consistency/lcm-lora-sdxl --local-dir {tmp_path}" in told
    assert "missing: nothing at /no/vae; set inpaint.vae to its path" in told


def test_models_lists_shipped_generator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANON_ROS_MODELS", str(tmp_path))
    assert main(["models"]) == 1
    told = capsys.readouterr().out
    for text in (find_generator(), hash_model(find_generator()), "Apache-2.0 (anon_ros)"):
        assert str(text) in told


def test_models_of_street_profile_lack_detector_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "yolov8x-seg.pt"
    weights.touch()
    monkeypatch.setenv("ANON_ROS_MODELS", str(tmp_path))
    assert main(["models", "--profile", "street"]) == 0
    assert "inpaint.model: generator" in capsys.readouterr().out


def test_unknown_profile_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "--profile", "streets"])
    told = capsys.readouterr().err
    assert "profile 'streets' is unknown" in told
    assert "expected one of balanced, fast, paper, quality, small, street" in told


def test_every_detector_is_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A flag for each: with several words it would take the paths behind it."""
    flags = ["--detect.weights", str(tmp_path / "a.pt"), "--detect.weights", str(tmp_path / "b.pt")]
    assert main(["models", "--inpaint.method", "fill", *flags]) == 1
    output = capsys.readouterr().out
    for name in ("a.pt", "b.pt"):
        assert f"detect.weights: {tmp_path / name}\n" in output
        assert f"missing: no file {tmp_path / name}" in output
