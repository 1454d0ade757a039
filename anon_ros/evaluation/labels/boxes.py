"""Labelled persons as boxes: YOLO text files, or COCO annotations."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from anon_ros.errors import LabelError, format_error
from anon_ros.evaluation.labels.polygons import LabelIndex, parse_numbers, parse_polygon
from anon_ros.metrics.average_precision import GroundTruth

_BOX_NUMBERS = 4
_MALFORMED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)

LabelReader = Callable[[int, int], GroundTruth]
"""From height and width in px to the persons."""


@dataclass(frozen=True)
class BoxLabels:
    """The labels of some frames.

    Attributes:
        path: where they are from.
        readers: by the frame's key.
    """

    path: Path
    readers: Mapping[str, LabelReader]

    def find(self, *names: str) -> str | None:
        """Under which key the labels of this frame are; see ``LabelIndex``.

        Raises:
            LabelError: if there are several.
        """
        return self._names.find(*names)

    @cached_property
    def _names(self) -> LabelIndex:
        return LabelIndex(self.path, self.readers)

    def read(self, key: str, height_px: int, width_px: int) -> GroundTruth:
        """The persons of the frame with a key that ``find`` told.

        Raises:
            LabelError: if they cannot be read.
        """
        return self.readers[key](height_px, width_px)

    @property
    def example(self) -> str:
        """Some key, to tell what they look like."""
        return next(iter(self.readers), "nothing")


def read_box_labels(
    path: Path, names: Collection[str], class_ids: Collection[int] | None
) -> BoxLabels:
    """Labels of a folder of YOLO text files, or of one file of COCO annotations.

    Args:
        path: folder or .json file.
        names: COCO categories that are persons.
        class_ids: YOLO classes that are persons; None: all of them.

    Raises:
        LabelError: if there are none, or the file is no COCO file.
    """
    readers = _of_folder(path, class_ids) if path.is_dir() else _of_coco(path, names)
    if not readers:
        message = f"{path}: no labels, expected a folder of .txt files or COCO annotations (.json)"
        raise LabelError(message)
    return BoxLabels(path, readers)


def read_yolo_boxes(
    path: Path, height_px: int, width_px: int, class_ids: Collection[int] | None = None
) -> GroundTruth:
    """The labelled persons of one frame, in the file's order.

    The file is YOLO text: one instance per line, its class, and then centre, width and height of
    its box, or three and more corners of its outline, all relative to the image.

    Args:
        path: the label file.
        height_px: of the frame.
        width_px: of the frame.
        class_ids: the classes that are persons; None: all of them.

    Raises:
        LabelError: naming file and line, if a line is no such instance, or the file is not
            there.
    """
    boxes = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            instance = _instance(line.split())
        except ValueError as error:
            message = f"{path}, line {number}: {error}"
            raise LabelError(message) from None
        if instance and (class_ids is None or instance[0] in class_ids):
            boxes.append(instance[1])
    scaled = np.array(boxes, np.float64).reshape(-1, 4) * ([width_px, height_px] * 2)
    return ground_truth_from_boxes(scaled)


def ground_truth_from_boxes(boxes_xyxy: np.ndarray[Any, np.dtype[np.float64]]) -> GroundTruth:
    """Persons of whom nothing but the (N, 4) boxes is known."""
    areas_px = np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1)
    return GroundTruth(boxes_xyxy, areas_px, np.zeros(len(boxes_xyxy), np.bool_))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        message = f"{path} cannot be read: {format_error(error)}"
        raise LabelError(message) from error


def _instance(words: list[str]) -> tuple[int, list[float]] | None:
    """The class and the relative box (x0, y0, x1, y1) of one line; None for a blank one."""
    if not words:
        return None
    class_id, values = parse_numbers(words)
    if len(values) == _BOX_NUMBERS:
        x, y, width, height = values
        return class_id, [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    corners = parse_polygon(values)
    return class_id, [*corners.min(axis=0), *corners.max(axis=0)]


def _of_folder(folder: Path, class_ids: Collection[int] | None) -> dict[str, LabelReader]:
    return {
        path.relative_to(folder).with_suffix("").as_posix(): partial(
            read_yolo_boxes, path, class_ids=class_ids
        )
        for path in sorted(folder.rglob("*.txt"))
    }


def _of_coco(path: Path, names: Collection[str]) -> dict[str, LabelReader]:
    try:
        data = json.loads(_text(path))
        persons = {entry["id"] for entry in data["categories"] if entry["name"] in names}
        if not persons:
            known = ", ".join(str(entry["name"]) for entry in data["categories"])
            message = f"{path} has no category {' or '.join(names)}; it has {known}"
            raise LabelError(message)
        of_image: dict[Any, list[Any]] = {entry["id"]: [] for entry in data["images"]}
        keys = [_key(entry["file_name"]) for entry in data["images"]]
        if min(len(of_image), len(set(keys))) < len(keys):
            message = f"{path}: two images have the same id, or the same name but for the suffix"
            raise LabelError(message)
        for entry in data["annotations"]:
            if entry["category_id"] in persons:
                of_image[entry["image_id"]].append(_person(entry))
        return {
            key: partial(_coco_truth, of_image[entry["id"]])
            for key, entry in zip(keys, data["images"], strict=True)
        }
    except _MALFORMED as error:
        message = f"{path} is no file of COCO annotations: {format_error(error)}"
        raise LabelError(message) from error


def _key(file_name: str) -> str:
    return PurePosixPath(file_name).with_suffix("").as_posix()


def _person(entry: Mapping[str, Any]) -> tuple[float, ...]:
    """Box, area and whether it is a crowd."""
    x, y, width, height = (float(value) for value in entry["bbox"])
    area_px = float(entry.get("area", width * height))
    values = (x, y, x + width, y + height, area_px)
    if not np.isfinite(values).all() or min(width, height, area_px) < 0:
        message = f"bbox {entry['bbox']}, area {area_px} of annotation {entry.get('id')} is no box"
        raise ValueError(message)
    return *values, float(bool(entry.get("iscrowd", 0)))


def _coco_truth(
    persons: Sequence[tuple[float, ...]], _height_px: int, _width_px: int
) -> GroundTruth:
    values = np.array(persons, np.float64).reshape(-1, 6)
    return GroundTruth(values[:, :4], values[:, 4], values[:, 5].astype(np.bool_))
