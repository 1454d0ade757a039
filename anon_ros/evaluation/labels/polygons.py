"""Labels of persons as polygons, in YOLO segmentation text."""

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
from anon_ros.evaluation.labels.yolo import parse_polygon, parse_yolo_text
from anon_ros.utils.files import require_regular

_NUMBER = re.compile(r"\d+$")


@dataclass(frozen=True)
class LabelIndex:
    """The labels of frames by name.

    Attributes:
        path: of the labels, for error texts.
        names: of the labels, without suffix.
    """

    path: Path
    names: Collection[str]

    def find(self, *wanted: str, by_number: bool = True) -> str | None:
        """Return the labels that have one of these names; None if there are none.

        Args:
            wanted: possible names of the labels of this frame.
            by_number: if no name fits, and the first name is a number, as that of a video's frame
                is: return labels whose name ends with that number.

        Raises:
            LabelError: if there are several.
        """
        matches = [name for name in wanted if name in self.names]
        description = f"for one frame, {' and '.join(wanted)}"
        if not matches and by_number and wanted[0].isdecimal():
            matches = self._by_number.get(int(wanted[0]), [])
            description = f"end with {int(wanted[0])}"
        if len(matches) > 1:
            message = f"{self.path}: several labels {description}, expected one per frame"
            raise LabelError(message)
        return matches[0] if matches else None

    @cached_property
    def _by_number(self) -> dict[int, list[str]]:
        names: dict[int, list[str]] = defaultdict(list)
        for name in self.names:
            if digits := _NUMBER.search(name):
                names[int(digits[0])].append(name)
        return names


def read_yolo_polygons(
    path: Path, height_px: int, width_px: int, class_ids: Collection[int] | None = None
) -> npt.NDArray[np.bool_]:
    """Read the instance polygons of a frame as masks, in the file's order.

    The file is YOLO segmentation text: one instance per line, its class and then the corners of
    its outline as x and y relative to the image. Blank lines are skipped; an empty file is a frame
    without persons. The outline belongs to the instance, so every mask has a pixel.

    Args:
        path: the label file.
        height_px: of the frame.
        width_px: of the frame.
        class_ids: the classes that are persons; None: all of them.

    Returns:
        (N, height_px, width_px) bool.

    Raises:
        LabelError: names file, line and problem, if a line is not valid.
        OSError: if the file cannot be read.
    """
    # Bytes that are no text are no numbers either: the error names their line.
    require_regular(path)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    polygons = parse_yolo_text(text, path, parse_polygon, class_ids)
    masks = [_fill_polygon(corners, height_px, width_px) for corners in polygons]
    return np.array(masks, np.bool_).reshape(-1, height_px, width_px)


def _fill_polygon(
    corners: npt.NDArray[np.float64], height_px: int, width_px: int
) -> npt.NDArray[np.uint8]:
    limits = (width_px - 1, height_px - 1)
    corners_px = np.minimum(np.rint(corners * (width_px, height_px)), limits).astype(np.int32)
    mask = np.zeros((height_px, width_px), np.uint8)
    return np.asarray(cv2.fillPoly(mask, [corners_px], 1), np.uint8)
