"""Which file of labels belongs to which frame."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.flags import LABEL_NAMING_HELP
from anon_ros.errors import InputError
from anon_ros.evaluation.inputs.frames import InputFrame
from anon_ros.evaluation.labels.polygons import LabelIndex, read_yolo_polygons

MaskSource = Callable[[InputFrame], npt.NDArray[np.bool_] | None]
"""(N, H, W) bool, the labelled persons of a frame; None for a frame without labels."""


def load_mask_labels(folder: Path) -> MaskSource:
    """Outlines as YOLO segmentation text: one file per frame.

    A file belongs to the frame one of whose names it has (see Frame); or to the frame of a video
    whose number (from 0) its name ends with.

    Raises:
        InputError: if there are none.
    """
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in _texts(folder)}
    if not files:
        message = f"--labels: no .txt file in {folder}"
        raise InputError(message)

    names = LabelIndex(folder, files)

    def masks(frame: InputFrame) -> npt.NDArray[np.bool_] | None:
        name = names.find(*frame.names, by_number=frame.is_numbered)
        if name is None:
            return None
        found = read_yolo_polygons(files[name], *frame.image.shape[:2])
        return np.asarray(found[found.any(axis=(1, 2))])

    return masks


def no_labels_error(arguments: Namespace) -> InputError:
    """What to raise if no file of --labels belongs to a frame."""
    return InputError(
        f"--labels {arguments.labels}: none of its files belongs to a frame of {arguments.input}; "
        f"labels are {LABEL_NAMING_HELP}"
    )


def _texts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.txt"))
