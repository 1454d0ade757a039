"""Parser of YOLO label text: a class and numbers per line."""

import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from anon_ros.errors import LabelError

T = TypeVar("T")
_MIN_POINTS = 3


def parse_yolo_text(
    text: str,
    path: Path,
    parse_instance: Callable[[list[float]], T],
    class_ids: Collection[int] | None,
) -> list[T]:
    """Parse the instances of some classes, in the order of the lines; blank lines are skipped.

    Args:
        text: of the label file.
        path: of the label file, for error texts.
        parse_instance: takes the numbers behind the class, in 0..1; raises ValueError.
        class_ids: of the instances to return; None: all of them.

    Raises:
        LabelError: names file and line, if a line is not valid.
    """
    instances = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            class_id, values = _parse_numbers(words)
            instance = parse_instance(values)
        except ValueError as error:
            message = f"{path}, line {number}: {error}"
            raise LabelError(message) from None
        if class_ids is None or class_id in class_ids:
            instances.append(instance)
    return instances


def parse_polygon(values: list[float]) -> npt.NDArray[np.float64]:
    """Return the (P, 2) corners of an outline, from alternating x and y.

    Raises:
        ValueError: if they are no outline.
    """
    if len(values) % 2:
        message = f"{len(values)} numbers after the class, expected pairs of x and y"
        raise ValueError(message)
    if len(values) < 2 * _MIN_POINTS:
        message = f"{len(values) // 2} points, an outline has at least {_MIN_POINTS}"
        raise ValueError(message)
    return np.array(values).reshape(-1, 2)


def _parse_numbers(words: list[str]) -> tuple[int, list[float]]:
    """Return the class and the numbers in 0..1 of a line; raise ValueError."""
    class_id, *values = [_parse_number(word) for word in words]
    if class_id < 0 or class_id % 1:
        message = f"the class {words[0]} is not a whole number from 0 on"
        raise ValueError(message)
    for word, value in zip(words[1:], values, strict=True):
        if not 0 <= value <= 1:
            message = f"{word} is outside 0..1, expected a share of the image's width or height"
            raise ValueError(message)
    return int(class_id), values


def _parse_number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"{word!r} is not a number"
        raise ValueError(message)
    return value
