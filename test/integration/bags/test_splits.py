"""Recordings of several files, some of which cannot be opened or are not in metadata.yaml."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from anon_ros.cli import main
from helpers.bag_reading import ReadMessage, decode_image, deserialize, read_messages
from helpers.bags import IMAGE_TOPICS, generate_messages, write_rosbag2, write_split_rosbag2
from helpers.fake_models import find_sentinel_pixels

RunCommand = Callable[..., int]
SUFFIXES = {"mcap": ".mcap", "sqlite3": ".db3"}


def shows_nobody(messages: list[ReadMessage]) -> bool:
    images = [decode_image(deserialize(each)) for each in messages if each.topic in IMAGE_TOPICS]
    return bool(images) and not any(find_sentinel_pixels(image).any() for image in images)


def read_losses(output: Path) -> list[str]:
    report = json.loads((output / "report.json").read_text())
    return [f"{loss['file']}: {loss['problem']}" for loss in report["losses"]]


def read_topics(output: Path) -> list[tuple[str, int]]:
    return sorted((each.topic, each.time_ns) for each in read_messages(output))


def list_last_error(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("storage", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"garbage" * 99])
def test_salvage_keeps_other_splits(
    tmp_path: Path,
    run_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    content: bytes,
) -> None:
    source, output = write_split_rosbag2(tmp_path / "in", storage, 2), tmp_path / "out"
    expected = read_topics(source)
    (source / "metadata.yaml").unlink()
    (source / f"in_2{SUFFIXES[storage]}").write_bytes(content)
    assert run_bag(source, output) == 2
    capsys.readouterr()
    assert run_bag(source, output, "--salvage") == 0
    assert f"in_2{SUFFIXES[storage]}" in list_last_error(capsys)
    assert read_topics(output) == expected
    assert shows_nobody(read_messages(output))
    (loss,) = read_losses(output)
    assert loss.startswith(str(source / f"in_2{SUFFIXES[storage]}"))
    assert main.main(["verify", str(source), str(output), "--no-redetection"]) == 0


@pytest.mark.parametrize("storage", SUFFIXES)
def test_salvage_keeps_other_compressed_splits(
    tmp_path: Path, run_bag: RunCommand, storage: str
) -> None:
    source = write_split_rosbag2(tmp_path / "in", storage, 3, "file")
    file = source / f"in_1{SUFFIXES[storage]}.zstd"
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
    file.write_bytes(zstandard.compress(plain)[:60])
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    losses = read_losses(tmp_path / "out")
    assert losses
    assert all(loss.startswith(f"{file}: ") for loss in losses)
    assert not any("scratch" in loss or ".partial" in loss for loss in losses)
    assert shows_nobody(read_messages(tmp_path / "out"))


def test_damage_names_compressed_file(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name in the message is that of the input, not of its decompressed copy."""
    source = write_rosbag2(tmp_path / "in", "sqlite3", "file")
    file = source / "in.db3.zstd"
    file.write_bytes(zstandard.compress(b"no database"))
    assert run_bag(source, tmp_path / "out", "--salvage") == 2
    error = list_last_error(capsys)
    assert str(file) in error
    assert ".partial" not in error


def test_salvage_of_nothing_fails(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_split_rosbag2(tmp_path / "in", "mcap", 2)
    for file in source.glob("*.mcap"):
        file.write_bytes(b"")
    assert run_bag(source, tmp_path / "out", "--salvage") == 2
    assert "none of its 2 files can be opened" in list_last_error(capsys)
    assert not (tmp_path / "out").exists()


def test_missing_split_is_a_loss(tmp_path: Path, run_bag: RunCommand) -> None:
    source, output = write_split_rosbag2(tmp_path / "in", "mcap", 3), tmp_path / "out"
    (source / "in_1.mcap").unlink()
    assert run_bag(source, output) == 2
    assert run_bag(source, output, "--salvage") == 0
    (loss,) = read_losses(output)
    assert "in_1.mcap is missing" in loss
    assert 0 < len(read_messages(output)) < len(list(generate_messages()))
    assert "number 5" in (output / "metadata.yaml").read_text()  # as in the input


@pytest.mark.parametrize("storage", SUFFIXES)
@pytest.mark.parametrize("compression", ["none", "file"])
def test_unnamed_split_never_left_out(
    tmp_path: Path,
    run_bag: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    compression: str,
) -> None:
    source = write_split_rosbag2(tmp_path / "in", storage, 2, compression)
    output, suffix = tmp_path / "out", SUFFIXES[storage]
    suffix += ".zstd" if compression == "file" else ""
    expected = read_topics(source)
    more = write_rosbag2(tmp_path / "more", storage, compression)
    shutil.copy(more / f"more{suffix}", source / f"in_2{suffix}")
    (source / f"._in_2{suffix}").write_bytes(b"written by a file manager")
    assert run_bag(source, output) == 2
    assert f"in_2{suffix} is not named in metadata.yaml" in list_last_error(capsys)
    assert run_bag(source, output, "--salvage") == 0
    assert read_topics(output) == sorted([*expected, *read_topics(more)])
    assert shows_nobody(read_messages(output))
    assert not read_losses(output)
    assert "number 5" in (output / "metadata.yaml").read_text()  # as in the input


def edit_metadata(source: Path, change: Callable[[str], str]) -> None:
    path = source / "metadata.yaml"
    path.write_text(change(path.read_text()))


def test_file_named_twice_is_read_once(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    expected = read_topics(source)
    edit_metadata(source, lambda text: text.replace("  - in.mcap\n", "  - in.mcap\n  - in.mcap\n"))
    assert run_bag(source, output) == 2
    assert "names a file twice: in.mcap, in.mcap" in list_last_error(capsys)
    assert run_bag(source, output, "--salvage") == 0
    assert read_topics(output) == expected


@pytest.mark.parametrize("has_file", [True, False])
def test_no_file_named_is_no_empty_output(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], *, has_file: bool
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    edit_metadata(
        source,
        lambda text: re.sub(r"relative_file_paths:\n +- .*", "relative_file_paths: []", text),
    )
    if not has_file:
        (source / "in.mcap").unlink()
    assert run_bag(source, output) == 2
    assert "metadata.yaml" in list_last_error(capsys)
    assert run_bag(source, output, "--salvage") == (0 if has_file else 2)
    assert output.exists() == has_file


MERGES = "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "value", [".inf", "[" * 100_000, "-" * 3 + "{a: " * 100_000, f"1\na0: &a0 {{k: v}}\n{MERGES}"]
)
def test_hostile_metadata_gives_one_line(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    source = write_rosbag2(tmp_path / "in")
    edit_metadata(source, lambda text: re.sub(r"version: \d+", f"version: {value}", text, count=1))
    assert run_bag(source, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "metadata.yaml is damaged" in line
