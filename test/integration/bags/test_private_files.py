"""Files of a run that show persons or their places, on a machine with other users."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from anon_ros.bags.rewrite import job
from helpers.bag_editing import RunCommand
from helpers.bags import write_rosbag2


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def read_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_masks_are_private(tmp_path: Path, run_bag: RunCommand) -> None:
    output = tmp_path / "out"
    assert run_bag(write_rosbag2(tmp_path / "in"), output) == 0
    assert read_mode(output / "masks.db") == 0o600
    assert {read_mode(path) for path in output.glob("*.mcap")} == {0o666}
    assert read_mode(output) == 0o777


@pytest.mark.parametrize("before", ["absent", "open"])
def test_stopped_run_is_private(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Of a compressed input, which is decompressed into the folder."""
    source, output = write_rosbag2(tmp_path / "in", compression="file"), tmp_path / "out"
    partial = tmp_path / "out.partial"
    if before == "open":
        partial.mkdir()
    modes: dict[str, int] = {}

    def stop(*_: object) -> None:
        modes.update({path.name: read_mode(path) for path in (partial, *partial.iterdir())})
        message = "stopped"
        raise OSError(message)

    monkeypatch.setattr(job, "finalize_output", stop)
    assert run_bag(source, output) == 2
    assert modes["out.partial"] == 0o700
    private = ("lock", "journal.db", "journal.db-wal", "detections.db")
    assert {name: modes[name] for name in private} == dict.fromkeys(private, 0o600)
    assert read_mode(partial) == 0o700


@pytest.mark.parametrize("name", ["lock", "journal.db"])
def test_planted_link_never_followed(tmp_path: Path, run_bag: RunCommand, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / name).symlink_to(victim)
    assert run_bag(write_rosbag2(tmp_path / "in"), tmp_path / "out") == 2
    assert victim.read_text() == "mine"
    assert not (tmp_path / "out").exists()


def test_planted_folder_refused(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.partial").symlink_to(tmp_path / "elsewhere")
    assert run_bag(write_rosbag2(tmp_path / "in"), tmp_path / "out") == 2
    assert "is a link, or belongs to somebody else" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())
