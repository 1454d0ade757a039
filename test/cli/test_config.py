"""``anon_ros config``."""

from pathlib import Path

import pytest

from anon_ros.cli.main import main
from anon_ros.config import Config, dump_markdown, dump_yaml


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


def test_config_check_takes_file_of_car(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the sections of other nodes, and one for each of two anonymizers."""
    file = tmp_path / "car.yaml"
    file.write_text(
        "/**: {ros__parameters: {use_sim_time: true}}\n"
        "/driver: {ros__parameters: {gain: 3}}\n"
        "/front/anonymizer: {ros__parameters: {inpaint: {method: fill}}}\n"
        "/rear/anonymizer: {ros__parameters: {inpaint: {seed: 3}}}\n"
    )
    for node, changed in (
        ([], "nothing"),
        (["--node", "/front/anonymizer"], "inpaint.method"),
        (["--node", "/rear/anonymizer"], "inpaint.seed"),
    ):
        assert main(["config", "check", str(file), *node]) == 0
        assert capsys.readouterr().out == f"{file}: ok; not default: {changed}\n"
