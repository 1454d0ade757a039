"""Flags of ``anon_ros verify``."""

from argparse import Namespace
from pathlib import Path

import pytest

from anon_ros.cli import main


def parse(*words: str) -> Namespace:
    return main._make_parser().parse_args(["verify", "in", "out", *words])  # noqa: SLF001 - no files


def test_flags() -> None:
    arguments = parse("--no-redetection", "--html", "page.html")
    assert arguments.no_redetection
    assert arguments.html == Path("page.html")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--no-second-look"], "--no-second-look is deprecated, use --no-redetection"),
        (["--review", "page.html"], "--review is deprecated, use --html"),
    ],
)
def test_former_flags_warn(words: list[str], text: str, caplog: pytest.LogCaptureFixture) -> None:
    arguments = parse(*words)
    assert arguments.no_redetection or arguments.html == Path("page.html")
    assert caplog.messages == [text]


@pytest.mark.parametrize("value", ["0", "-1"])
def test_every_nth_must_be_positive(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--every-nth", value)
    assert f"expected a positive integer, got {value}" in capsys.readouterr().err
