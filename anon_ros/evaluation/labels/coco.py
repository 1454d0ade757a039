"""Reader of COCO annotations."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from anon_ros.errors import LabelError, format_error
from anon_ros.metrics import GroundTruth
from anon_ros.utils.files import require_regular

_MALFORMED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


def read_coco_boxes(path: Path, names: Collection[str]) -> dict[str, GroundTruth]:
    """Read the persons of every image, by its file name without suffix.

    Args:
        path: .json file.
        names: categories that are persons.

    Raises:
        LabelError: if it is no file of COCO annotations, or lacks the categories.
    """
    try:
        return _read_images(path, json.loads(read_label_text(path)), names)
    except _MALFORMED as error:
        message = f"{path} is no file of COCO annotations: {format_error(error)}"
        raise LabelError(message) from error


def read_label_text(path: Path) -> str:
    """Read a label file as text; bytes that are no text are replaced.

    Raises:
        LabelError: if it cannot be read.
    """
    try:
        require_regular(path)
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        message = f"{path} cannot be read: {format_error(error)}"
        raise LabelError(message) from error


def _read_images(path: Path, data: Any, names: Collection[str]) -> dict[str, GroundTruth]:
    person_categories = {entry["id"] for entry in data["categories"] if entry["name"] in names}
    if not person_categories:
        existing = ", ".join(str(entry["name"]) for entry in data["categories"])
        message = f"{path} has no category {' or '.join(names)}; it has {existing}"
        raise LabelError(message)
    persons: dict[Any, list[tuple[float, ...]]] = {entry["id"]: [] for entry in data["images"]}
    keys = [_strip_suffix(entry["file_name"]) for entry in data["images"]]
    if min(len(persons), len(set(keys))) < len(keys):
        message = f"{path}: two images have the same id, or the same name but for the suffix"
        raise LabelError(message)
    for entry in data["annotations"]:
        if entry["category_id"] in person_categories:
            persons[entry["image_id"]].append(_parse_person(entry))
    return {
        key: _make_ground_truth(persons[entry["id"]])
        for key, entry in zip(keys, data["images"], strict=True)
    }


def _strip_suffix(file_name: str) -> str:
    return PurePosixPath(file_name).with_suffix("").as_posix()


def _parse_person(entry: Mapping[str, Any]) -> tuple[float, ...]:
    """Return x0, y0, x1, y1 in px, the area in square pixels, and 1 for a crowd, else 0."""
    x, y, width, height = (float(value) for value in entry["bbox"])
    area_px = float(entry.get("area", width * height))
    values = (x, y, x + width, y + height, area_px)
    if not np.isfinite(values).all() or min(width, height, area_px) < 0:
        message = f"bbox {entry['bbox']}, area {area_px} of annotation {entry.get('id')} is no box"
        raise ValueError(message)
    return *values, float(bool(entry.get("iscrowd", 0)))


def _make_ground_truth(persons: list[tuple[float, ...]]) -> GroundTruth:
    values = np.array(persons, np.float64).reshape(-1, 6)
    return GroundTruth(values[:, :4], values[:, 4], values[:, 5].astype(np.bool_))
