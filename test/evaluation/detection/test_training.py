"""The frames that detectors are trained and tested with."""

from pathlib import Path

import numpy as np
import pytest

from anon_ros.errors import InputError
from anon_ros.evaluation.detection.training import YoloDataset
from anon_ros.evaluation.inputs.frames import InputFrame, read_image
from anon_ros.evaluation.labels.boxes import make_ground_truth, read_yolo_boxes
from anon_ros.metrics import GroundTruth

IMAGE = np.zeros((40, 80, 3), np.uint8)
ONE_PERSON = make_ground_truth(np.array([[10.0, 10, 20, 30]]))


def make_dataset(
    folder: Path, times_s: list[float | None], truth: GroundTruth = ONE_PERSON
) -> YoloDataset:
    dataset = YoloDataset(folder)
    for number, time_s in enumerate(times_s):
        frame = InputFrame(str(number), (), "", time_s, IMAGE)
        dataset.add(frame, {"original": IMAGE, "fill": IMAGE + 9}, truth)
    return dataset


def test_frames_are_private(tmp_path: Path) -> None:
    """The originals are among them."""
    make_dataset(tmp_path / "new" / "dataset", [None])
    assert (tmp_path / "new" / "dataset").stat().st_mode & 0o777 == 0o700


def test_split_leaves_gap_between_parts(tmp_path: Path) -> None:
    learnt, tested = make_dataset(tmp_path, [None] * 100).split(0.7)
    assert [kept.number for kept in learnt] == list(range(67))
    assert [kept.number for kept in tested] == list(range(70, 100))


def test_split_cuts_cameras_at_one_time(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, [0.0, 1, 2, 3, 0, 1, 2, 3])
    learnt, tested = dataset.split(0.5)
    assert sorted(kept.number for kept in learnt) == [0, 1, 4, 5]
    assert sorted(kept.number for kept in tested) == [2, 3, 6, 7]


def test_labels_written_without_crowds(tmp_path: Path) -> None:
    boxes = np.array([[10.0, 10, 20, 30], [0, 0, 80, 40], [70, 30, 90, 50]])
    truth = GroundTruth(boxes, np.ones(3), np.array([False, True, False]))
    dataset = make_dataset(tmp_path, [None], truth)
    read = read_yolo_boxes(tmp_path / "fill" / "labels" / "000000.txt", 40, 80)
    assert read.boxes_xyxy == pytest.approx(
        np.array([[10, 10, 20, 30], [70, 30, 80, 40]]), abs=1e-3
    )
    assert (read_image(dataset.get_image_path("fill", 0)) == 9).all()


def test_split_list_has_content_hash(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, [None] * 5)
    learnt, tested = dataset.split(0.7)
    (path, first), (_, other) = (dataset.write_list("fill", part) for part in (learnt, tested))
    assert len(path.read_text().splitlines()) == len(tested)
    assert first != other
    again = make_dataset(tmp_path, [None] * 5)
    assert again.write_list("fill", learnt)[1] == first
    changed = make_dataset(tmp_path, [None] * 5, make_ground_truth(np.array([[10.0, 10, 21, 30]])))
    assert changed.write_list("fill", learnt)[1] != first


def test_split_rejects_too_few_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 labelled frames: too few"):
        make_dataset(tmp_path, [None]).split(0.7)
    with pytest.raises(InputError, match="too few to train"):
        make_dataset(tmp_path, [None] * 9, make_ground_truth(np.zeros((0, 4)))).split(0.7)
