"""The other commands."""

from pathlib import Path

import pytest

from anon_ros.cli.main import main
from anon_ros.config import Config, all_parameters, dump_markdown, dump_yaml

_NOT_OF_ONE_IMAGE = (
    *("autostart", "topics.", "qos.", "skip.", "fail."),
    *("track.", "memory.", "identity."),
)


def test_config_dump_and_docs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "dump"]) == 0
    assert capsys.readouterr().out == dump_yaml(Config())
    assert main(["config", "docs"]) == 0
    assert capsys.readouterr().out == dump_markdown()


def test_config_check_reports_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    inpaint: {method: fill, steps: 50}\n")
    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok; not default: inpaint.method\n"
    file.write_text("/**:\n  ros__parameters:\n    inpaint: {method: fil}\n")
    assert main(["config", "check", str(file)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"anon_ros: error: {file}: parameter inpaint.method: 'fil'")


def test_image_help_lists_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["image", "--help"])
    told = capsys.readouterr().out
    for name in all_parameters():
        assert (f"--{name} " in told) == (not name.startswith(_NOT_OF_ONE_IMAGE))


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
    fast = Path(__file__).resolve().parents[2] / "config" / "profiles" / "fast.yaml"
    assert main(["models", "--config", str(fast), "--config", str(mine)]) == 1
    told = capsys.readouterr().out
    assert f"hf download latent-consistency/lcm-lora-sdxl --local-dir {tmp_path}" in told
    assert "missing: nothing at /no/vae; set inpaint.vae to its path" in told
