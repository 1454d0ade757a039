"""A run that is killed, or runs out of something, goes on where it stopped."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.run_files.masks_db import ImageRecord
from helpers.bag_reading import ReadMessage, decode_image, deserialize, read_messages
from helpers.bags import (
    IMAGE_TOPICS,
    RAW_TOPIC,
    START_NS,
    BagMessage,
    generate_walking_messages,
    make_raw_image,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
    write_split_rosbag2,
)
from helpers.fake_models import find_sentinel_pixels
from helpers.forked_command import ForkedCommand
from helpers.paths import HELPERS

FRAMES = 18


@dataclass
class BagProcess:
    """Starts the command on one recording."""

    source: Path
    log_path: Path
    flags: tuple[object, ...] = ()
    starts: int = 0

    def start(self, output: Path, *flags: object, **limits: int) -> ForkedCommand:
        self.starts += 1
        log = self.log_path.with_name(f"stderr{self.starts}")
        words = self._list_words(output, *flags)
        return ForkedCommand(words, self._list_variables(), log, **limits)

    def start_until(self, step: int, number: signal.Signals, output: Path) -> ForkedCommand:
        """Start it; at that step (``cli_driver``) it sends itself the signal."""
        self.starts += 1
        log = self.log_path.with_name(f"stderr{self.starts}")
        return ForkedCommand(self._list_words(output), self._list_variables(step, number), log)

    def kill_at(self, step: int, output: Path) -> None:
        """Start it, and let it die at that step."""
        process = self.start_until(step, signal.SIGKILL, output)
        _, told = process.communicate()
        assert process.returncode == -signal.SIGKILL, told

    def interrupt_at(self, step: int, output: Path) -> "subprocess.Popen[str]":
        """Start it as a shell does, by its name and with all its imports."""
        return subprocess.Popen(
            [sys.executable, "-m", "helpers.cli_driver", *self._list_words(output)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | self._list_variables(step, signal.SIGINT)
            | {"PYTHONPATH": str(HELPERS)},
        )

    def _list_words(self, output: Path, *flags: object) -> list[str]:
        words = ["bag", self.source, output, "--inpaint.method", "fill", *self.flags, *flags]
        return [str(word) for word in words]

    def _list_variables(self, step: int = 0, number: int = 0) -> dict[str, str]:
        return {"SEEN": str(self.log_path), "SIGNAL_AT": str(step), "SIGNAL": str(int(number))}

    def finish(self, output: Path, *flags: object) -> int:
        """Run to the end; return how many images were searched."""
        before = self.count_searched()
        process = self.start(output, *flags)
        _, told = process.communicate()
        assert process.returncode == 0, told
        return self.count_searched() - before

    def assert_fails(self, output: Path, *words: str, **limits: int) -> None:
        """Run, and expect one line that holds the words."""
        process = self.start(output, **limits)
        _, told = process.communicate()
        assert process.returncode == 2, told
        (line,) = told.strip().splitlines()
        assert line.startswith("anon_ros: error: "), told
        for word in words:
            assert word in line
        assert not output.exists()

    def count_searched(self) -> int:
        return len(self.log_path.read_text().splitlines()) if self.log_path.exists() else 0

    def count_steps(self) -> int:
        """Return the number of steps of the run that ended last."""
        return int(self.log_path.with_name("seen.steps").read_text())


@pytest.fixture
def make_bag_process(tmp_path: Path) -> Callable[[Path], BagProcess]:
    return lambda source: BagProcess(source, tmp_path / "seen")


def read_content(path: Path) -> list[ReadMessage]:
    messages = read_messages(path)
    shown = [
        decode_image(deserialize(each, ros1=path.suffix == ".bag"))
        for each in messages
        if each.topic in IMAGE_TOPICS
    ]
    assert len(shown) == FRAMES
    assert not any(find_sentinel_pixels(image).any() for image in shown)
    return messages


def read_report(path: Path) -> dict[str, object]:
    where = path if path.is_dir() else path.with_name(f"{path.name}.report.json")
    found = json.loads((where / "report.json" if path.is_dir() else where).read_text())
    return {
        name: found[name]
        for name in ("fingerprint", "topics", "persons_per_frame", "covered", "losses")
    }


WRITERS: dict[str, Callable[[Path], Path]] = {
    "split mcap": lambda folder: write_split_rosbag2(folder / "in", "mcap"),
    "sqlite3 by file": lambda folder: write_rosbag2(folder / "in", "sqlite3", "file"),
    "mcap by message": lambda folder: write_rosbag2(folder / "in", "mcap", "message"),
    "bare mcap": lambda folder: write_mcap(folder / "in.mcap"),
    "ros 1": lambda folder: write_rosbag1(folder / "in.bag"),
    "walking": lambda folder: write_rosbag2(folder / "in", messages=generate_walking_messages()),
    "walking, split": lambda folder: write_split_rosbag2(
        folder / "in", "sqlite3", messages=generate_walking_messages()
    ),
}


REUSE = (
    *("--identity.reuse", "previous", "--identity.keyframe_s", 0.7, "--inpaint.min_person_px", 0),
    *("--every-nth", 2, "--skip.on_skipped", "reuse"),
)


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        *((kind, ()) for kind in list(WRITERS)[:5]),
        *(("walking", flags) for flags in (REUSE, REUSE[:6])),
        ("walking, split", REUSE),
    ],
)
def test_killed_run_resumes_identically(
    tmp_path: Path,
    make_bag_process: Callable[[Path], BagProcess],
    kind: str,
    flags: tuple[object, ...],
) -> None:
    """Two runs of each kind, each killed three times: 16 runs, 48 moments."""
    run = make_bag_process(WRITERS[kind](tmp_path))
    run.flags = flags
    whole = tmp_path / f"whole{run.source.suffix}"
    assert run.finish(whole) == FRAMES
    num_steps = run.count_steps()
    wanted, told = read_content(whole), read_report(whole)
    chance = random.Random(kind)  # noqa: S311 - nothing secret
    for attempt in range(2):
        output = tmp_path / f"out{attempt}{run.source.suffix}"
        before = run.count_searched()
        moments = sorted(chance.sample(range(1, num_steps + 1), 3))
        for first, second in pairwise([0, *moments]):
            run.kill_at(second - first, output)
            if output.exists():  # then it is complete
                assert read_content(output) == wanted
        run.finish(output)
        assert read_content(output) == wanted
        assert not output.with_name(f"{output.name}.partial").exists()
        assert read_report(output)["topics"] == told["topics"]
        assert read_report(output)["persons_per_frame"] == told["persons_per_frame"]
        # Images in work when it was killed are searched again, and no others.
        assert run.count_searched() - before <= FRAMES + 4 * len(moments)
        if output.is_dir():
            assert read_metadata(output) == read_metadata(whole)


def read_metadata(folder: Path) -> object:
    return yaml.safe_load((folder / "metadata.yaml").read_text())


def test_finished_run_not_repeated(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    run = make_bag_process(write_rosbag2(tmp_path / "in"))
    output = tmp_path / "out"
    assert run.finish(output) == FRAMES
    times = {file: file.stat().st_mtime_ns for file in output.iterdir()}
    assert run.finish(output) == 0
    assert times == {file: file.stat().st_mtime_ns for file in output.iterdir()}
    process = run.start(output, "--mask.dilate_ratio", 0.2)
    _, told = process.communicate()
    assert process.returncode == 2
    assert "exists and is not overwritten" in told


def test_output_rejects_second_run(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    run = make_bag_process(write_rosbag2(tmp_path / "in"))
    output = tmp_path / "out"
    process = run.start_until(5, signal.SIGSTOP, output)
    process.wait_until_stopped()
    second = run.start(output)
    _, told = second.communicate()
    assert second.returncode == 2
    assert "another run is at work in" in told
    process.kill()
    process.communicate()
    for flags, word in (
        (("--mask.dilate_ratio", 0.2), "parameters"),
        (("--drop", "/odd"), "decisions"),
        (("--duration", 1), "log times"),
    ):
        other = run.start(output, *flags)
        _, told = other.communicate()
        assert other.returncode == 2
        assert f"differs in: {word};" in told
    # What decides about nothing but failures may change.
    assert run.finish(output, "--salvage") < FRAMES


def test_full_disk_fails_and_resumes(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    """A limit for the size of files stands for it: both make a write fail."""
    run = make_bag_process(write_rosbag2(tmp_path / "in", "sqlite3"))
    output = tmp_path / "out"

    run.assert_fails(output, "out.partial", "repeat the command", max_file_bytes=100_000)
    whole = tmp_path / "whole"
    assert run.finish(whole) == FRAMES
    assert run.finish(output) <= FRAMES
    assert read_content(output) == read_content(whole)


def test_unwritable_output_rejected(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    run = make_bag_process(write_rosbag2(tmp_path / "in"))
    (tmp_path / "file").write_text("no folder")
    run.assert_fails(tmp_path / "file" / "out", "file")
    run.assert_fails(Path("/proc") / "out", "/proc/out")
    assert run.count_searched() == 0


def test_missing_source_file_fails(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    run = make_bag_process(write_split_rosbag2(tmp_path / "in", "mcap"))
    output, last = tmp_path / "out", run.source / "in_2.mcap"
    process = run.start_until(3, signal.SIGSTOP, output)
    process.wait_until_stopped()
    shutil.move(last, tmp_path / "away.mcap")
    process.resume()
    _, told = process.communicate()
    assert process.returncode == 2
    (line,) = told.strip().splitlines()
    assert line.startswith("anon_ros: error: ")
    assert "in_2.mcap" in line
    assert not output.exists()
    shutil.move(tmp_path / "away.mcap", last)
    before = run.count_searched()
    assert run.finish(output) == FRAMES - before
    assert len(read_content(output)) == len(read_messages(run.source))


def test_interrupt_removes_scratch(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    run = make_bag_process(write_rosbag2(tmp_path / "in", "mcap", "file"))
    output = tmp_path / "out"
    process = run.interrupt_at(4, output)
    _, told = process.communicate(timeout=200)
    assert process.returncode == 130
    assert told.strip().endswith("anon_ros: interrupted")
    # The input, decompressed, does not stay behind.
    assert not (tmp_path / "out.partial" / "scratch").exists()
    run.finish(output)
    assert len(read_content(output)) == len(read_messages(run.source))


@pytest.mark.parametrize("while_writing", [False, True])
def test_resume_rejects_changed_input(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess], *, while_writing: bool
) -> None:
    """Same size and same time: neither masks nor pixels of before must get into another image."""
    run = make_bag_process(write_rosbag2(tmp_path / "in", "sqlite3"))
    output, file = tmp_path / "out", run.source / "in.db3"
    run.kill_at(FRAMES + 8 if while_writing else 8, output)
    with closing(Journal(tmp_path / "out.partial" / "journal.db")) as journal:
        assert (journal.count_done(0) > 0) == while_writing
    status = file.stat()
    with sqlite3.connect(file) as database:
        rows = database.execute("SELECT id, data FROM messages").fetchall()
        images = [(number, data) for number, data in rows if len(data) > 5000]
        number, data = images[0]
        database.execute(
            "UPDATE messages SET data = ? WHERE id = ?", (data[:-999] + bytes(999), number)
        )
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    run.assert_fails(output, "the input has changed")


def test_run_killed_at_start_restarts(
    tmp_path: Path, make_bag_process: Callable[[Path], BagProcess]
) -> None:
    run = make_bag_process(write_rosbag2(tmp_path / "in"))
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "lock").touch()
    assert run.finish(tmp_path / "out") == FRAMES


def test_warnings_survive_interruption(
    tmp_path: Path, run_bag: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later run decodes the image again whose size was worth a warning."""
    images = [make_raw_image(np.zeros((4, width, 3), np.uint8), 0) for width in (200, 40, 40)]
    messages = [
        BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS + index, image)
        for index, image in enumerate(images)
    ]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    flags = ("--detect.inference_px", 32)
    add, added = Journal.add, []

    def add_once(journal: Journal, records: list[ImageRecord]) -> None:
        if added:
            raise KeyboardInterrupt
        add(journal, records)
        added.extend(records)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", add_once)
        assert run_bag(source, output, *flags) == 130
    assert 0 < len(added) < len(images)
    assert run_bag(source, output, *flags) == 0
    (warning,) = json.loads((output / "report.json").read_text())["warnings"]
    assert "images of 200 x 4 px" in warning
