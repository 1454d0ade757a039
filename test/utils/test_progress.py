"""Long work says how far it is, on a terminal or not."""

import pytest

from anon_ros.evaluation import waiting


def test_track_progress_without_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "_LINE_EVERY_S", 0)
    assert list(waiting.track_progress("abc", "looking", 3)) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "anon_ros: looking: 3 of 3 frames"
    assert list(waiting.track_progress(range(2), "playing", unit="scenes")) == [0, 1]
    assert capsys.readouterr().err.splitlines()[-1] == "anon_ros: playing: 2 scenes"
