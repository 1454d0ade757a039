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
