"""Persons that somebody outlined by hand, or a model that is believed."""

import math
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.errors import LabelError

_LEAST_POINTS = 3
_NUMBER = re.compile(r"\d+$")


@dataclass(frozen=True)
class LabelIndex:
    """Which labels belong to which frame.

    Attributes:
        path: where they are from.
        names: of the labels, without suffix.
    """

    path: Path
    names: Collection[str]

    def find(self, *wanted: str, by_number: bool = True) -> str | None:
        """The labels that have one of these names; None if there are none.

        Args:
            wanted: names that the labels of this frame may have.
            by_number: if none has, and the first of them is a number, as that of a video's frame
                is: labels whose name ends with that number.

        Raises:
            LabelError: if several do.
        """
        found = [name for name in wanted if name in self.names]
        told = f"for one frame, {' and '.join(wanted)}"
        if not found and by_number and wanted[0].isdecimal():
            found, told = self._by_number.get(int(wanted[0]), []), f"end with {int(wanted[0])}"
        if len(found) > 1:
            message = f"{self.path}: several labels {told}, expected one per frame"
            raise LabelError(message)
        return found[0] if found else None

    @cached_property
    def _by_number(self) -> dict[int, list[str]]:
        known: dict[int, list[str]] = defaultdict(list)
        for name in self.names:
            if found := _NUMBER.search(name):
                known[int(found[0])].append(name)
        return known


def read_yolo_polygons(
    path: Path, height_px: int, width_px: int, class_ids: Collection[int] | None = None
) -> npt.NDArray[np.bool_]:
    """The labelled persons of one frame, in the file's order.

    The file is YOLO segmentation text: one instance per line, its class and then the corners of
    its outline as x and y relative to the image. Blank lines count for nothing, an empty file
    says that nobody is there. The outline belongs to the instance, so each has a pixel.

    Args:
        path: the label file.
        height_px: of the frame.
        width_px: of the frame.
        class_ids: the classes that are persons; None: all of them.

    Returns:
        (N, height_px, width_px) bool.

    Raises:
        LabelError: naming file, line and what is wrong, if a line is no such instance.
        OSError: if the file cannot be read.
    """
    masks = []
    # Bytes that are no text are no numbers either; the line that holds them is named below.
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            instance = _instance(line.split())
        except ValueError as error:
            message = f"{path}, line {number}: {error}"
            raise LabelError(message) from None
        if instance and (class_ids is None or instance[0] in class_ids):
            masks.append(_mask(instance[1], height_px, width_px))
    return np.array(masks, np.bool_).reshape(-1, height_px, width_px)


def _instance(words: list[str]) -> tuple[int, npt.NDArray[np.float64]] | None:
    """The class and the (P, 2) relative corners of one line; None for a blank one."""
    if not words:
        return None
    class_id, values = parse_numbers(words)
    return class_id, parse_polygon(values)


def parse_numbers(words: list[str]) -> tuple[int, list[float]]:
    """The class and the numbers in 0..1 of one line of YOLO text.

    Raises:
        ValueError: saying what is wrong.
    """
    class_id, *values = [_number(word) for word in words]
    if class_id < 0 or class_id % 1:
        message = f"the class {words[0]} is not a whole number from 0 on"
        raise ValueError(message)
    for word, value in zip(words[1:], values, strict=True):
        if not 0 <= value <= 1:
            message = f"{word} is outside 0..1, expected a share of the image's width or height"
            raise ValueError(message)
    return int(class_id), values


def parse_polygon(values: list[float]) -> npt.NDArray[np.float64]:
    """(P, 2) corners of an outline, from x and y in turn.

    Raises:
        ValueError: if they are no outline.
    """
    if len(values) % 2:
        message = f"{len(values)} numbers after the class, expected pairs of x and y"
        raise ValueError(message)
    if len(values) < 2 * _LEAST_POINTS:
        message = f"{len(values) // 2} points, an outline has at least {_LEAST_POINTS}"
        raise ValueError(message)
    return np.array(values).reshape(-1, 2)


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"{word!r} is not a number"
        raise ValueError(message)
    return value


def _mask(corners: npt.NDArray[np.float64], height_px: int, width_px: int) -> npt.NDArray[np.uint8]:
    limits = (width_px - 1, height_px - 1)
    corners_px = np.minimum(np.rint(corners * (width_px, height_px)), limits).astype(np.int32)
    mask = np.zeros((height_px, width_px), np.uint8)
    return np.asarray(cv2.fillPoly(mask, [corners_px], 1), np.uint8)
