"""Long work says how far it is, on a terminal or not."""

import pytest

from anon_ros.utils import progress


def test_track_progress_without_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_PERIOD_S", 0)
    assert list(progress.track_progress("abc", "looking", 3)) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("anon_ros: looking: 3 of 3 frames, ")
    assert list(progress.track_progress(range(2), "playing", unit="scenes")) == [0, 1]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("anon_ros: playing: 2 scenes, ")
