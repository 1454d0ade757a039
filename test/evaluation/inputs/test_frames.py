"""Frames of folders, videos and recordings, alone and in pairs."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame, iter_frame_pairs, iter_frames
from anon_ros.evaluation.options import Comparison, FrameSelection
from helpers.bags import (
    BAYER_TOPIC,
    RAW_TOPIC,
    BagMessage,
    generate_messages,
    write_mcap,
    write_rosbag2,
)


def pair_frames(
    original: Path, anonymized: Path, prefix: str = "", **selection: Any
) -> list[tuple[InputFrame, InputFrame]]:
    comparison = Comparison(anonymized=anonymized, prefix=prefix)
    return list(iter_frame_pairs(FrameSelection(path=original, **selection), comparison))


def write_folder(path: Path, names: list[str], size_wh: tuple[int, int] = (40, 30)) -> Path:
    for index, name in enumerate(names):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((size_wh[1], size_wh[0], 3), 10 + index, np.uint8)
        image[0, 0] = (200, 100, 0)  # blue, green, red
        cv2.imwrite(str(file), image)
    return path


def write_video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 8, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()
    return path


def test_folder_frames_sorted_by_name(tmp_path: Path) -> None:
    path = write_folder(tmp_path, ["b.png", "a.png", "left/10.png", "left/9.png"])
    (tmp_path / "notes.txt").touch()
    frames = list(iter_frames(FrameSelection(path=path)))
    assert [frame.key for frame in frames] == ["a", "b", "left/9", "left/10"]
    assert [frame.camera for frame in frames] == ["", "", "left", "left"]
    assert frames[0].time_s is None
    assert frames[0].image[0, 0].tolist() == [0, 100, 200]  # RGB


def test_video_frames_have_times(tmp_path: Path) -> None:
    frames = list(
        iter_frames(FrameSelection(path=write_video(tmp_path / "v.avi", 6), stride=2, max_frames=2))
    )
    assert [(frame.key, frame.time_s) for frame in frames] == [("000000", 0), ("000002", 0.25)]
    assert all(frame.is_numbered for frame in frames)


def test_bag_topics_are_cameras(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "in.mcap")
    frames = list(iter_frames(FrameSelection(path=path, topics=(RAW_TOPIC,), max_frames=3)))
    assert {frame.camera for frame in frames} == {RAW_TOPIC}
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize("name", ["nothing", "empty", "text.avi", "broken.png"])
def test_source_without_frames_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for file in ("text.avi", "broken.png"):
        (tmp_path / file).write_text("no frame", "utf-8")
    with pytest.raises(InputError, match=name):
        list(iter_frames(FrameSelection(path=tmp_path / name)))


def test_files_pair_by_path(tmp_path: Path) -> None:
    original = write_folder(tmp_path / "in", [f"{i:02d}.png" for i in range(30)])
    some = [f"{i:02d}.png" for i in range(30) if i % 3]  # every third was not published
    anonymized = write_folder(tmp_path / "out", some)
    pairs = pair_frames(original, anonymized)
    assert [one.key for one, _ in pairs] == [name.removesuffix(".png") for name in some]
    assert all(one.key == other.key for one, other in pairs)
    chosen = pair_frames(original, anonymized, stride=4, max_frames=3)
    assert [one.key for one, _ in chosen] == ["01", "07", "13"]


def test_bags_pair_by_topic_and_time(tmp_path: Path) -> None:
    messages = [each for each in generate_messages(6) if each.topic == RAW_TOPIC]
    original = write_rosbag2(tmp_path / "in", "sqlite3", messages=messages)
    moved = [
        BagMessage(f"/anon{each.topic}", *each[1:])
        for index, each in enumerate(messages)
        if index != 2
    ]
    anonymized = write_rosbag2(tmp_path / "out", "mcap", messages=moved)
    pairs = pair_frames(original, anonymized, prefix="/anon")
    assert len(pairs) == 5
    for one, other in pairs:
        assert one.time_s == other.time_s
        np.testing.assert_array_equal(one.image, other.image)
    with pytest.raises(InputError, match=r"no counterpart|has its counterpart"):
        pair_frames(original, anonymized)


def test_unpaired_frames_rejected(tmp_path: Path) -> None:
    original = write_folder(tmp_path / "in", ["a.png", "b.png"])
    with pytest.raises(InputError, match=r"a: \(30, 41\), but \(30, 40\)"):
        pair_frames(original, write_folder(tmp_path / "wide", ["a.png"], (41, 30)))
    with pytest.raises(InputError, match=r"c of .*extra has no counterpart"):
        pair_frames(original, write_folder(tmp_path / "extra", ["a.png", "c.png"]))
    at_the_end = write_folder(tmp_path / "longer", ["a.png", "b.png", "c.png"])
    with pytest.raises(InputError, match=r"c of .*longer has no counterpart"):
        pair_frames(original, at_the_end)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no frame of .*in has its counterpart"):
        pair_frames(original, tmp_path / "empty")


@pytest.mark.parametrize("prefix", ["", "/anon"])
def test_selected_topics_pair(tmp_path: Path, prefix: str) -> None:
    original = write_rosbag2(tmp_path / "in")
    moved = [BagMessage(f"{prefix}{each.topic}", *each[1:]) for each in generate_messages()]
    anonymized = write_rosbag2(tmp_path / "out", messages=moved)
    pairs = pair_frames(original, anonymized, topics=(BAYER_TOPIC,), prefix=prefix)
    assert [one.camera for one, _ in pairs] == [BAYER_TOPIC] * 6
    assert {other.camera for _, other in pairs} == {f"{prefix}{BAYER_TOPIC}"}
