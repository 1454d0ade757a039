"""The folder of the input is the same before and after every command, killed ones included."""

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from anon_ros.cli import main
from anon_ros.core import RgbImage
from helpers.bag_reading import read_messages
from helpers.bags import generate_messages, write_mcap, write_rosbag1, write_rosbag2

RunCommand = Callable[..., int]


def hash_folder(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return mode, size, time and hash of everything in a folder, by path."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_size if path.is_file() else 0,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }


def split_off_log(source: Path, *, keeps_database: bool) -> None:
    """Move all messages of a database into its write-ahead log, as a power cut may leave them."""
    file = source / f"{source.name}.db3"
    live = source.parent / "live.db3"
    with sqlite3.connect(file) as database:
        statements = list(database.iterdump())
    writer = sqlite3.connect(live, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_autocheckpoint=0")
    writer.executescript("\n".join(statements))
    shutil.copy(f"{live}-wal", f"{file}-wal")
    if keeps_database:
        shutil.copy(live, file)
    else:
        file.write_bytes(b"")
    writer.close()
    live.unlink()


def interrupt_transaction(source: Path) -> None:
    """Leave a rollback journal beside a database whose messages are half deleted."""
    file, live = source / f"{source.name}.db3", source.parent / "live.db3"
    shutil.copy(file, live)
    writer = sqlite3.connect(live, isolation_level=None)
    writer.execute("PRAGMA cache_size=1")
    writer.execute("BEGIN")
    writer.execute("DELETE FROM messages")
    shutil.copy(f"{live}-journal", f"{file}-journal")
    shutil.copy(live, file)
    writer.close()
    live.unlink()


def make_source(folder: Path, kind: str) -> Path:
    """Write a recording alone into ``folder``, and return its path."""
    storage, _, form = kind.partition(" ")
    if form == "file":
        write = {"mcap": write_mcap, "ros1": write_rosbag1}
        return write[storage](folder / ("in.mcap" if storage == "mcap" else "in.bag"))
    compression = form if form in {"zstd", "message"} else ""
    source = write_rosbag2(
        folder / "in", storage, {"zstd": "file", "message": "message"}.get(compression, "none")
    )
    if form in {"log", "log only"}:
        split_off_log(source, keeps_database=form == "log")
    if form == "journal":
        interrupt_transaction(source)
    return source


KINDS = (
    *("mcap", "mcap zstd", "mcap message", "mcap file", "ros1 file"),
    *("sqlite3", "sqlite3 zstd", "sqlite3 log", "sqlite3 log only", "sqlite3 journal"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_touches_input(
    tmp_path: Path, run_bag: RunCommand, demo_weights: Path, kind: str
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    source = make_source(folder, kind)
    output = tmp_path / f"out{source.suffix}"
    before = hash_folder(folder)
    assert run_bag(source, output, "--dry-run") == 0
    assert hash_folder(folder) == before
    assert run_bag(source, output) == 0
    assert hash_folder(folder) == before
    verify = ["verify", str(source), str(output), "--no-redetection"]
    assert main.main(verify) == 0
    assert hash_folder(folder) == before
    assert evaluate(source, tmp_path / "evaluation", demo_weights) == 0
    assert hash_folder(folder) == before
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"disk", "out", "evaluation"}


def evaluate(source: Path, output: Path, demo_weights: Path) -> int:
    words = ["evaluate", "temporal", source, "-o", output, "--max-frames", 2, "--methods", "fill"]
    flags = ["--detect.weights", demo_weights, "--detect.classes", "person", "fallen person"]
    return main.main([str(word) for word in (*words, *flags, "--detect.inference_px", 64)])


def test_image_command_touches_no_input(
    tmp_path: Path, demo_weights: Path, bus_rgb: RgbImage
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(folder / name), bus_rgb[::4, ::4, ::-1])
    before = hash_folder(folder)
    flags = ["--detect.weights", demo_weights, "--inpaint.method", "fill"]
    assert main.main([str(word) for word in ("image", folder, "-o", tmp_path / "o", *flags)]) == 0
    assert hash_folder(folder) == before


@pytest.mark.parametrize("kind", ["sqlite3 log", "sqlite3 log only", "sqlite3 journal"])
def test_logs_are_applied_to_a_copy(tmp_path: Path, run_bag: RunCommand, kind: str) -> None:
    source = make_source(tmp_path, kind)
    expected = [(each.topic, each.time_ns) for each in generate_messages()]
    assert run_bag(source, tmp_path / "out") == 0
    after = read_messages(tmp_path / "out")
    assert sorted((each.topic, each.time_ns) for each in after) == sorted(expected)


@pytest.mark.parametrize("kind", ["sqlite3 log only", "sqlite3 journal", "mcap zstd"])
def test_read_only_input(tmp_path: Path, run_bag: RunCommand, kind: str) -> None:
    """Nothing can be created beside the input, as on a mounted disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    source = make_source(folder, kind)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert run_bag(source, tmp_path / "out") == 0
    assert read_messages(tmp_path / "out")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


_KILL = """
import os, signal, sys
from importlib import import_module
from anon_ros.cli import image, main
from helpers import cli_driver

module, name, num_calls = sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
module, _, owner = module.partition(":")
module = import_module(module)
owner = getattr(module, owner) if owner else module
function, called = getattr(owner, name), []

def die(*arguments, **options):
    result = function(*arguments, **options)
    called.append(result)  # alive, as what is open in a run
    if len(called) == num_calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, die)
image.build_anonymizer = cli_driver.build_counting_anonymizer
cli_driver.run()
"""
OPEN = ("anon_ros.bags.storage.bag:Bag", "open_storage")
DETECT = ("anon_ros.bags.rewrite.detection_pass", "observe_frame")


def run_killed(
    tmp_path: Path, function: tuple[str, str], num_calls: int, words: tuple[object, ...]
) -> None:
    """Run a command that is killed behind a call of a function."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    environment |= {"SEEN": str(tmp_path / "seen")}
    process = subprocess.run(
        [sys.executable, "-c", _KILL, *function, str(num_calls), *map(str, words)],
        check=False,
        env=environment,
        capture_output=True,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()


@pytest.mark.parametrize("kind", ["sqlite3 log only", "sqlite3 journal", "mcap zstd", "mcap"])
def test_killed_command_leaves_input(tmp_path: Path, run_bag: RunCommand, kind: str) -> None:
    """In the plan, while persons are searched, while the output is written, and in ``verify``."""
    folder = tmp_path / "disk"
    folder.mkdir()
    source, output = make_source(folder, kind), tmp_path / "out"
    before = hash_folder(folder)
    bag = ("bag", source, output, "--inpaint.method", "fill")
    run_killed(tmp_path, OPEN, 1, (*bag, "--dry-run"))
    assert hash_folder(folder) == before
    for function, num_calls in ((OPEN, 1), (DETECT, 2), (OPEN, 3)):
        run_killed(tmp_path, function, num_calls, bag)
        assert hash_folder(folder) == before
    finished = tmp_path / "finished"
    assert run_bag(source, finished) == 0
    for num_calls in (1, 2):
        run_killed(tmp_path, OPEN, num_calls, ("verify", source, finished, "--no-redetection"))
        assert hash_folder(folder) == before


def test_killed_image_command_leaves_input(tmp_path: Path, bus_rgb: RgbImage) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(folder / name), bus_rgb[::4, ::4, ::-1])
    before = hash_folder(folder)
    words = ("image", folder, "-o", tmp_path / "out")
    for name in ("decode_compressed", "encode_compressed", "write_atomic"):
        run_killed(tmp_path, ("anon_ros.cli.image", name), 1, (*words, "--force"))
        assert hash_folder(folder) == before
