"""Labels of persons as boxes: YOLO text files, or COCO annotations."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from anon_ros.errors import LabelError
from anon_ros.evaluation.labels.coco import read_coco_boxes, read_label_text
from anon_ros.evaluation.labels.polygons import LabelIndex
from anon_ros.evaluation.labels.yolo import parse_polygon, parse_yolo_text
from anon_ros.metrics import GroundTruth

_NUMBERS_OF_BOX = 4

LabelReader = Callable[[int, int], GroundTruth]
"""A function of height and width in px that returns the persons."""


@dataclass(frozen=True)
class BoxLabels:
    """The labels of some frames.

    Attributes:
        path: of the labels, for error texts.
        readers: by the frame's key.
    """

    path: Path
    readers: Mapping[str, LabelReader]

    def find(self, *names: str) -> str | None:
        """Return the key of the labels that have one of these names; see ``LabelIndex``.

        Raises:
            LabelError: if there are several.
        """
        return self._index.find(*names)

    @cached_property
    def _index(self) -> LabelIndex:
        return LabelIndex(self.path, self.readers)

    def read(self, key: str, height_px: int, width_px: int) -> GroundTruth:
        """Return the persons of the frame with a key that ``find`` returned.

        Raises:
            LabelError: if they cannot be read.
        """
        return self.readers[key](height_px, width_px)

    @property
    def example(self) -> str:
        """Any key, as an example in error texts."""
        return next(iter(self.readers), "nothing")


def read_box_labels(
    path: Path, names: Collection[str], class_ids: Collection[int] | None
) -> BoxLabels:
    """Read the labels of a folder of YOLO text files, or of a file of COCO annotations.

    Args:
        path: folder or .json file.
        names: COCO categories that are persons.
        class_ids: YOLO classes that are persons; None: all of them.

    Raises:
        LabelError: if there are none, or the file is no COCO file.
    """
    readers = _list_yolo_readers(path, class_ids) if path.is_dir() else _make_readers(path, names)
    if not readers:
        message = f"{path}: no labels, expected a folder of .txt files or COCO annotations (.json)"
        raise LabelError(message)
    return BoxLabels(path, readers)


def read_yolo_boxes(
    path: Path, height_px: int, width_px: int, class_ids: Collection[int] | None = None
) -> GroundTruth:
    """Read the labelled persons of a frame, in the file's order.

    The file is YOLO text: one instance per line, its class, and then center, width and height of
    its box, or three and more corners of its outline, all relative to the image.

    Args:
        path: the label file.
        height_px: of the frame.
        width_px: of the frame.
        class_ids: the classes that are persons; None: all of them.

    Raises:
        LabelError: names file and line, if a line is not valid or the file cannot be read.
    """
    boxes = parse_yolo_text(read_label_text(path), path, _parse_box, class_ids)
    scaled = np.array(boxes, np.float64).reshape(-1, 4) * ([width_px, height_px] * 2)
    return make_ground_truth(scaled)


def make_ground_truth(boxes_xyxy: np.ndarray[Any, np.dtype[np.float64]]) -> GroundTruth:
    """Return persons of (N, 4) boxes, with the boxes' areas and without crowds."""
    areas_px = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    return GroundTruth(boxes_xyxy, areas_px, np.zeros(len(boxes_xyxy), np.bool_))


def _parse_box(values: list[float]) -> list[float]:
    """Return x0, y0, x1, y1 of a box or an outline; raise ValueError if it is neither."""
    if len(values) == _NUMBERS_OF_BOX:
        x, y, width, height = values
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    corners = parse_polygon(values)
    return [*corners.min(axis=0), *corners.max(axis=0)]


def _list_yolo_readers(folder: Path, class_ids: Collection[int] | None) -> dict[str, LabelReader]:
    return {
        path.relative_to(folder).with_suffix("").as_posix(): partial(
            read_yolo_boxes, path, class_ids=class_ids
        )
        for path in sorted(folder.rglob("*.txt"))
    }


def _make_readers(path: Path, names: Collection[str]) -> dict[str, LabelReader]:
    def make_reader(truth: GroundTruth) -> LabelReader:
        return lambda _height_px, _width_px: truth

    return {key: make_reader(truth) for key, truth in read_coco_boxes(path, names).items()}
