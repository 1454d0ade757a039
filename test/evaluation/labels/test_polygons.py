"""Label files."""

from pathlib import Path

import numpy as np
import pytest

from anon_ros.errors import AnonRosError, LabelError
from anon_ros.evaluation.labels.polygons import read_yolo_polygons
from helpers.paths import MASKS

DATA = MASKS
SQUARE = "0 0.25 0.25 0.5 0.25 0.5 0.5 0.25 0.5"


def write_labels(folder: Path, text: str | bytes) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_polygon_fills_its_mask(tmp_path: Path) -> None:
    masks = read_yolo_polygons(write_labels(tmp_path, SQUARE), 20, 40)
    assert masks.shape == (1, 20, 40)
    assert masks.dtype == np.bool_
    rows, columns = np.nonzero(masks[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 10, 10, 20)
    assert masks.sum() == 6 * 11


def test_polygons_keep_line_order(tmp_path: Path) -> None:
    path = write_labels(tmp_path, f"1 0 0 0.1 0 0.1 0.1\n\n{SQUARE}\r\n  \n")
    first, second = read_yolo_polygons(path, 100, 100)
    assert (first[5, 8], first[30, 30]) == (True, False)
    assert (second[5, 8], second[30, 30]) == (False, True)


def test_polygons_filter_by_class(tmp_path: Path) -> None:
    path = write_labels(tmp_path, f"1 0 0 0.1 0 0.1 0.1\n{SQUARE}")
    assert [len(read_yolo_polygons(path, 50, 50, ids)) for ids in (None, [0], [0, 1], [2])] == [
        2,
        1,
        2,
        0,
    ]


@pytest.mark.parametrize("text", ["", "\n", " \n\n"])
def test_empty_file_has_no_persons(tmp_path: Path, text: str) -> None:
    assert read_yolo_polygons(write_labels(tmp_path, text), 30, 40).shape == (0, 30, 40)


def test_corner_polygon_has_a_pixel(tmp_path: Path) -> None:
    masks = read_yolo_polygons(write_labels(tmp_path, "0 1 1 1 1 1 1"), 30, 40)
    assert np.argwhere(masks).tolist() == [[0, 29, 39]]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "7 numbers after the class, expected pairs"),
        ("0 0.1 0.2 0.3 0.4", "2 points, an outline has at least 3"),
        ("0", "0 points"),
        ("0 0.1 0.2 0.3 x 0.5 0.6", "'x' is not a number"),
        ("0 0.1 0.2 0.3 nan 0.5 0.6", "'nan' is not a number"),
        ("person 0.1 0.2 0.3 0.4 0.5 0.6", "'person' is not a number"),
        ("0.1 0.2 0.3 0.4 0.5 0.6 0.7", "class 0.1 is not a whole number"),
        ("-1 0.2 0.3 0.4 0.5 0.6 0.7", "class -1 is not a whole number"),
        ("0 0.1 0.2 0.3 1.01 0.5 0.6", "1.01 is outside 0..1"),
        ("0 -0.1 0.2 0.3 0.4 0.5 0.6", "-0.1 is outside 0..1"),
        (b"0 \xff\xfe 0.2 0.3 0.4 0.5 0.6", "is not a number"),
    ],
)
def test_damaged_line_named(tmp_path: Path, line: str | bytes, problem: str) -> None:
    damaged = line if isinstance(line, bytes) else line.encode()
    path = write_labels(tmp_path, SQUARE.encode() + b"\n" + damaged)
    with pytest.raises(LabelError) as caught:
        read_yolo_polygons(path, 20, 40, class_ids=[5])
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert problem in str(caught.value)
    assert isinstance(caught.value, AnonRosError)


def test_real_labels_are_plausible() -> None:
    paths = sorted(DATA.glob("*.txt"))
    frames = [read_yolo_polygons(path, 576, 768) for path in paths]
    lines = [len(path.read_text().splitlines()) for path in paths]
    assert [len(masks) for masks in frames] == lines
    areas_px = np.concatenate([masks.sum(axis=(1, 2)) for masks in frames])
    assert (len(frames), len(areas_px)) == (80, 514)
    assert (areas_px > 200).all()
    assert (areas_px < 10000).all()
