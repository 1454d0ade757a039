"""The frames that detectors are trained and tested with."""

from pathlib import Path

import numpy as np
import pytest

from anon_ros.errors import InputError
from anon_ros.evaluation.detection.training import YoloDataset
from anon_ros.evaluation.inputs.frames import InputFrame, read_image
from anon_ros.evaluation.labels.boxes import ground_truth_from_boxes, read_yolo_boxes
from anon_ros.metrics import GroundTruth

IMAGE = np.zeros((40, 80, 3), np.uint8)
SOMEBODY = ground_truth_from_boxes(np.array([[10.0, 10, 20, 30]]))


def filled(folder: Path, times_s: list[float | None], truth: GroundTruth = SOMEBODY) -> YoloDataset:
    dataset = YoloDataset(folder)
    for number, time_s in enumerate(times_s):
        frame = InputFrame(str(number), (), "", time_s, IMAGE)
        dataset.add(frame, {"original": IMAGE, "fill": IMAGE + 9}, truth)
    return dataset


def test_the_earliest_are_learnt_and_those_at_the_border_left_out(tmp_path: Path) -> None:
    learnt, tested = filled(tmp_path, [None] * 100).split(0.7)
    assert [kept.number for kept in learnt] == list(range(67))
    assert [kept.number for kept in tested] == list(range(70, 100))


def test_cameras_that_come_one_after_the_other_are_parted_at_one_time(tmp_path: Path) -> None:
    dataset = filled(tmp_path, [0.0, 1, 2, 3, 0, 1, 2, 3])
    learnt, tested = dataset.split(0.5)
    assert sorted(kept.number for kept in learnt) == [0, 1, 4, 5]
    assert sorted(kept.number for kept in tested) == [2, 3, 6, 7]


def test_labels_are_written_as_they_were_without_crowds(tmp_path: Path) -> None:
    boxes = np.array([[10.0, 10, 20, 30], [0, 0, 80, 40], [70, 30, 90, 50]])
    truth = GroundTruth(boxes, np.ones(3), np.array([False, True, False]))
    dataset = filled(tmp_path, [None], truth)
    read = read_yolo_boxes(tmp_path / "fill" / "labels" / "000000.txt", 40, 80)
    assert read.boxes_xyxy == pytest.approx(
        np.array([[10, 10, 20, 30], [70, 30, 80, 40]]), abs=1e-3
    )
    assert (read_image(dataset.image("fill", 0)) == 9).all()


def test_what_is_learnt_has_a_name_of_its_own(tmp_path: Path) -> None:
    dataset = filled(tmp_path, [None] * 5)
    learnt, tested = dataset.split(0.7)
    (path, first), (_, other) = (dataset.write_list("fill", part) for part in (learnt, tested))
    assert len(path.read_text().splitlines()) == len(tested)
    assert first != other
    again = filled(tmp_path, [None] * 5)
    assert again.write_list("fill", learnt)[1] == first
    changed = filled(tmp_path, [None] * 5, ground_truth_from_boxes(np.array([[10.0, 10, 21, 30]])))
    assert changed.write_list("fill", learnt)[1] != first


def test_too_few_frames_or_persons_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 labelled frames: too few"):
        filled(tmp_path, [None]).split(0.7)
    with pytest.raises(InputError, match="too few to train"):
        filled(tmp_path, [None] * 9, ground_truth_from_boxes(np.zeros((0, 4)))).split(0.7)
