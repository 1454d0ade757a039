"""Old names of flags."""

import logging
from argparse import ArgumentParser
from pathlib import Path

import pytest

from anon_ros.cli.deprecated_flags import add_deprecated_flag


@pytest.fixture
def parser() -> ArgumentParser:
    parser = ArgumentParser()
    output = parser.add_argument("-o", "--output", type=Path, required=True)
    names = parser.add_argument("--names", nargs="+", choices=("a", "b"), default=["a"])
    quiet = parser.add_argument("--quiet", action="store_true")
    for old_name, action in (("--out", output), ("--words", names), ("--silent", quiet)):
        add_deprecated_flag(parser, old_name, action)
    return parser


def test_old_names_work_and_warn(parser: ArgumentParser, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="anon_ros"):
        arguments = parser.parse_args(["--out", "x", "--words", "b", "a", "--silent"])
    assert vars(arguments) == {"output": Path("x"), "names": ["b", "a"], "quiet": True}
    assert caplog.messages == [
        "--out is deprecated, use --output",
        "--words is deprecated, use --names",
        "--silent is deprecated, use --quiet",
    ]


def test_new_names_do_not_warn(parser: ArgumentParser, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="anon_ros"):
        arguments = parser.parse_args(["-o", "x"])
    assert vars(arguments) == {"output": Path("x"), "names": ["a"], "quiet": False}
    assert caplog.messages == []


def test_old_names_are_hidden(parser: ArgumentParser) -> None:
    text = parser.format_help()
    assert "--output" in text
    assert "--words" not in text


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ([], "required: -o/--output"),
        (["--out", "x", "--words", "c"], "invalid choice: 'c'"),
    ],
)
def test_old_names_keep_checks(
    flags: list[str], problem: str, parser: ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(flags)
    assert problem in capsys.readouterr().err
