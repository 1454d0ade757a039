"""Labels of frames in a bag."""

import shutil
from pathlib import Path

import pytest

from anon_ros.errors import LabelError
from anon_ros.evaluation.inputs.frames import iter_all_frames
from anon_ros.evaluation.inputs.mask_labels import load_mask_labels
from anon_ros.evaluation.labels.boxes import read_box_labels
from helpers.bags import (
    RAW_TOPIC,
    generate_messages,
    write_rosbag2,
)
from helpers.paths import MASKS

LABELS = MASKS / "vtest0120.txt"


def test_bag_labels_match_frames(tmp_path: Path) -> None:
    messages = [each for each in generate_messages(3) if each.topic == RAW_TOPIC]
    source = write_rosbag2(tmp_path / "in", messages=messages)
    frames = list(iter_all_frames(source, []))
    folder = tmp_path / "labels" / RAW_TOPIC.strip("/")
    folder.mkdir(parents=True)
    for name in ("000001", str(messages[2].time_ns)):
        shutil.copy(LABELS, folder / f"{name}.txt")
    masks = load_mask_labels(tmp_path / "labels")
    assert [masks(frame) is not None for frame in frames] == [False, True, True]
    boxes = read_box_labels(tmp_path / "labels", ["person"], None)
    assert [boxes.find(*frame.names) is not None for frame in frames] == [False, True, True]
    shutil.copy(LABELS, folder / "000002.txt")  # beside the one named by its time
    with pytest.raises(LabelError, match="several labels for one frame"):
        load_mask_labels(tmp_path / "labels")(frames[2])
    with pytest.raises(LabelError, match="several labels for one frame"):
        read_box_labels(tmp_path / "labels", ["person"], None).find(*frames[2].names)
