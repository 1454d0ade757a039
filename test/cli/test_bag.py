"""Flags of ``anon_ros bag``."""

import pytest

from anon_ros.cli import main


@pytest.mark.parametrize("flag", ["--salvage", "--recover"])
def test_salvage_has_alias(flag: str) -> None:
    parser = main._make_parser()  # noqa: SLF001 - no files
    assert parser.parse_args(["bag", "in", "out", flag]).salvage


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("bag", "anon_ros bag drive/ drive_anonymized/ --dry-run"),
        ("image", "anon_ros image photos/ -o anonymized/"),
        ("verify", "anon_ros verify drive/ drive_anonymized/"),
        ("models", "anon_ros models --config mine.yaml"),
        ("config", "anon_ros config check mine.yaml"),
    ],
)
def test_help_has_short_usage_and_examples(
    command: str, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main.main([command, "--help"])
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: anon_ros {command} ")
    assert lines[1] == ""
    assert f"  {example}" in lines
    assert max(map(len, lines)) <= 110
