"""Pipes and devices in the place of files: reading them would never end."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from anon_ros.cli import main
from anon_ros.errors import InputError, LabelError
from anon_ros.evaluation.inputs.frames import iter_all_frames
from anon_ros.evaluation.labels.coco import read_label_text
from helpers.bag_reading import read_messages
from helpers.bags import write_rosbag2, write_split_rosbag2

pytestmark = pytest.mark.timeout(200)
RunCommand = Callable[..., int]
SUFFIXES = {"mcap": ".mcap", "sqlite3": ".db3"}


def put_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def put_device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


@pytest.fixture(params=[put_pipe, put_device])
def replace_file(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    replace: Callable[[Path], None] = request.param
    return replace


def list_last_error(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("storage", SUFFIXES)
def test_storage_file_is_a_loss(
    tmp_path: Path,
    run_bag: RunCommand,
    replace_file: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    source = write_split_rosbag2(tmp_path / "in", storage, 2)
    replace_file(source / f"in_1{SUFFIXES[storage]}")
    assert run_bag(source, tmp_path / "out") == 2
    assert "is no regular file" in list_last_error(capsys)
    (source / "metadata.yaml").unlink()
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    assert read_messages(tmp_path / "out")


@pytest.mark.parametrize("suffix", [".mcap", ".db3", ".bag"])
def test_recording_refused(
    tmp_path: Path,
    run_bag: RunCommand,
    replace_file: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    replace_file(tmp_path / f"in{suffix}")
    assert run_bag(tmp_path / f"in{suffix}", tmp_path / "out") == 2
    assert f"in{suffix}" in list_last_error(capsys)


def test_metadata_refused(
    tmp_path: Path,
    run_bag: RunCommand,
    replace_file: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = write_rosbag2(tmp_path / "in")
    replace_file(source / "metadata.yaml")
    assert run_bag(source, tmp_path / "out") == 2
    assert "metadata.yaml" in list_last_error(capsys)


def test_files_of_output_not_read(
    tmp_path: Path,
    run_bag: RunCommand,
    replace_file: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output) == 0
    replace_file(output / "masks.db")
    words = ["verify", str(source), str(output), "--no-redetection"]
    assert main.main(words) == 0
    assert "there is no masks.db" in capsys.readouterr().out
    replace_file(output / "report.json")
    assert main.main(words) == 2
    assert "report.json cannot be understood" in list_last_error(capsys)


def test_images_left_out(
    tmp_path: Path, replace_file: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    replace_file(tmp_path / "a.jpg")
    words = ["image", str(tmp_path / "a.jpg"), "-o", str(tmp_path / "out")]
    assert main.main(words) == 2
    assert "a.jpg" in list_last_error(capsys)
    with pytest.raises(InputError):
        list(iter_all_frames(tmp_path / "a.jpg", ()))


def test_labels_refused(tmp_path: Path, replace_file: Callable[[Path], None]) -> None:
    replace_file(tmp_path / "labels.json")
    with pytest.raises(LabelError, match="no regular file"):
        read_label_text(tmp_path / "labels.json")


@pytest.mark.parametrize("text", ["[" * 100_000, json.dumps({"schema_version": float("inf")})])
def test_hostile_report_gives_one_line(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output) == 0
    (output / "report.json").write_text(text)
    capsys.readouterr()
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "report.json cannot be understood" in line
