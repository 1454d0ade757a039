"""Counts and phases of the progress bar."""

import io

import pytest

from anon_ros.utils import progress
from anon_ros.utils.progress import ProgressBar


def test_status_text_counts() -> None:
    bar = ProgressBar(4, stream=io.StringIO())
    bar.advance(2, is_new=False)
    bar.advance(1)
    bar.add_bytes(3_000_000)
    text = bar.status_text()
    assert text.startswith("2 of 4 frames, 3 persons, ")
    assert "3 MB copied" in text
    assert bar.resumed == 1
    bar.close()


def test_phase_starts_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_PERIOD_S", 0)
    stream = io.StringIO()
    bar = ProgressBar(3, "detecting", stream)
    bar.advance(5)
    bar.start_phase("writing")
    bar.advance()
    bar.close()
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("anon_ros: detecting: 1 of 3 frames, 5 persons, ")
    assert lines[1].startswith("anon_ros: writing: 1 of 3 frames, ")
    assert "persons" not in lines[1]


def test_unknown_total() -> None:
    bar = ProgressBar(-1, stream=io.StringIO(), unit="epochs")
    bar.advance()
    assert bar.status_text().startswith("1 epochs, ")
    bar.close()
