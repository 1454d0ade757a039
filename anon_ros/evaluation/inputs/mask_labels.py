"""Labelled masks of the persons of a frame."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame
from anon_ros.evaluation.labels.polygons import LabelIndex, read_yolo_polygons
from anon_ros.evaluation.options import LABEL_NAMING_HELP

MaskSource = Callable[[InputFrame], npt.NDArray[np.bool_] | None]
"""(N, H, W) bool, the labelled persons of a frame; None for a frame without labels."""


def load_mask_labels(folder: Path) -> MaskSource:
    """Find outlines as YOLO segmentation text: one file per frame.

    A file belongs to the frame that has its name (see ``InputFrame.names``); or to the frame of a
    video whose number (from 0) its name ends with.

    Raises:
        InputError: if there are none.
    """
    paths = sorted(folder.rglob("*.txt"))
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
    if not files:
        message = f"--labels: no .txt file in {folder}"
        raise InputError(message)
    index = LabelIndex(folder, files)

    def read_masks(frame: InputFrame) -> npt.NDArray[np.bool_] | None:
        name = index.find(*frame.names, by_number=frame.is_numbered)
        if name is None:
            return None
        masks = read_yolo_polygons(files[name], *frame.image.shape[:2])
        return np.asarray(masks[masks.any(axis=(1, 2))])

    return read_masks


def no_labels_error(labels: Path, frames: Path) -> InputError:
    """Return the error for labels none of which belongs to a frame.

    Args:
        labels: folder of the labels.
        frames: path of the frames.
    """
    return InputError(
        f"--labels {labels}: none of its files belongs to a frame of {frames}; "
        f"labels are {LABEL_NAMING_HELP}"
    )
