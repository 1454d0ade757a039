"""Labels as boxes: YOLO text and COCO annotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anon_ros.errors import LabelError
from anon_ros.evaluation.labels.boxes import read_box_labels, read_yolo_boxes
from anon_ros.evaluation.labels.polygons import read_yolo_polygons
from helpers.paths import MASKS


def write_coco(folder: Path, **changed: Any) -> Path:
    data: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "left/a.b.png"}, {"id": 9, "file_name": "empty.jpg"}],
        "categories": [{"id": 3, "name": "person"}, {"id": 4, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40], "area": 600},
            {"id": 2, "image_id": 7, "category_id": 4, "bbox": [0, 0, 5, 5], "area": 25},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
        **changed,
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(data))
    return path


def test_boxes_and_polygons_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.5 0.2\n\n1 0.25 0.4 0.75 0.4 0.75 0.6 0.25 0.6\n")
    truth = read_yolo_boxes(path, 100, 200)
    assert truth.boxes_xyxy == pytest.approx(np.array([[50, 40, 150, 60]] * 2))
    assert truth.areas_px == pytest.approx([2000, 2000])
    assert len(read_yolo_boxes(path, 100, 200, class_ids=[1]).boxes_xyxy) == 1


def test_polygon_boxes_match_masks() -> None:
    path = MASKS / "vtest0240.txt"
    truth = read_yolo_boxes(path, 576, 768)
    for box, mask in zip(truth.boxes_xyxy, read_yolo_polygons(path, 576, 768), strict=True):
        rows, columns = np.nonzero(mask)
        around = [columns.min(), rows.min(), columns.max(), rows.max()]
        assert np.minimum(box, [767, 575] * 2) == pytest.approx(around, abs=0.51)


def test_labels_match_name_or_number() -> None:
    labels = read_box_labels(MASKS, ["person"], None)
    assert labels.find("vtest0008") == "vtest0008"
    assert labels.find("000008") == "vtest0008"
    assert labels.find("000009") is None
    assert labels.find("other0008") is None
    assert len(labels.read("vtest0008", 576, 768).boxes_xyxy) > 0


def test_ambiguous_number_rejected(tmp_path: Path) -> None:
    for name in ("a008", "b008", "b009"):
        (tmp_path / f"{name}.txt").touch()
    labels = read_box_labels(tmp_path, [], None)
    assert labels.find("000009") == "b009"
    with pytest.raises(LabelError, match="several labels end with 8"):
        labels.find("000008")


def test_coco_annotations_read(tmp_path: Path) -> None:
    labels = read_box_labels(write_coco(tmp_path), ["person"], None)
    assert labels.find("left/a.b") == "left/a.b"
    truth = labels.read("left/a.b", 100, 100)
    assert truth.boxes_xyxy.tolist() == [[10, 20, 40, 60], [0, 0, 9, 9]]
    assert truth.areas_px.tolist() == [600, 81]
    assert truth.is_crowd.tolist() == [False, True]
    assert labels.read("empty", 100, 100).boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"categories": [{"id": 1, "name": "cat"}]}, "no category person; it has cat"),
        ({"annotations": [{"category_id": 3, "image_id": 99, "bbox": [0, 0, 1, 1]}]}, "KeyError"),
        ({"annotations": [{"category_id": 3, "image_id": 7, "bbox": [0, 0, 1]}]}, "ValueError"),
        ({"annotations": [{"category_id": 3, "image_id": 7, "bbox": [0, 0, -1, 1]}]}, "is no box"),
        ({"annotations": [{"category_id": 3, "image_id": 7}]}, "'bbox'"),
        (
            {"annotations": [{"category_id": 3, "image_id": 7, "bbox": [0, 0, 1, 1], "area": -1}]},
            "area -1.0",
        ),
        (
            {"annotations": [{"category_id": 3, "image_id": 7, "bbox": [0, 0, 1, 10**400]}]},
            "OverflowError",
        ),
        ({"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "a.png"}]}, "same id"),
        ({"images": [{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}]}, "same id"),
        ({"images": 3}, "TypeError"),
        ({"images": [{"id": 7, "file_name": ""}]}, "ValueError"),
        ({"images": []}, "KeyError"),
    ],
)
def test_damaged_annotations_named(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(LabelError, match=r"labels\.json") as caught:
        read_box_labels(write_coco(tmp_path, **changed), ["person"], None)
    assert problem in str(caught.value)


def test_bom_and_line_separators_read(tmp_path: Path) -> None:
    path = write_coco(tmp_path, info={"description": "a\u2028b"})
    text = json.dumps(json.loads(path.read_text("utf-8")), ensure_ascii=False)
    path.write_text(text, encoding="utf-8-sig")
    assert read_box_labels(path, ["person"], None).find("empty") == "empty"
    outline = tmp_path / "a.txt"
    outline.write_text("0 0.1 0.1 0.9 0.1 0.9 0.9", encoding="utf-8-sig")
    assert len(read_yolo_boxes(outline, 100, 100).boxes_xyxy) == 1
    assert len(read_yolo_polygons(outline, 100, 100)) == 1


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "3", '"x"', "null", "{}"])
def test_other_json_rejected(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(LabelError, match="is no file of COCO annotations"):
        read_box_labels(path, ["person"], None)


def test_missing_labels_rejected(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="cannot be read: FileNotFoundError"):
        read_box_labels(tmp_path / "none.json", ["person"], None)
    with pytest.raises(LabelError, match="no labels"):
        read_box_labels(tmp_path, ["person"], None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.5 0.5 0.5", "3 numbers after the class"),
        ("0 0.5 0.5 1.5 0.5", "1.5 is outside 0..1"),
        ("0 x 0.5 0.5 0.5", "'x' is not a number"),
        ("person 0.5 0.5 0.5 0.5", "'person' is not a number"),
        ("0 0.5 0.5 0.5 0.5 0.9", "5 numbers after the class"),
    ],
)
def test_damaged_box_line_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"\n{line}\n")
    with pytest.raises(LabelError, match=r"a\.txt, line 2: ") as caught:
        read_yolo_boxes(path, 10, 10)
    assert problem in str(caught.value)
