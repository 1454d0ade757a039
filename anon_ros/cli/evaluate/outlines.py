"""Which file of labels belongs to which frame."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.shared import NAMES
from anon_ros.cli.evaluate.sources import Frame, SourceError
from anon_ros.evaluate import LabelNames, read_polygons

MasksOf = Callable[[Frame], npt.NDArray[np.bool_] | None]
"""(N, H, W) bool, the labelled persons of a frame; None for a frame without labels."""


def labelled_masks(folder: Path) -> MasksOf:
    """Outlines as YOLO segmentation text: one file per frame.

    A file belongs to the frame one of whose names it has (see Frame); or to the frame of a video
    whose number (from 0) its name ends with.

    Raises:
        SourceError: if there are none.
    """
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in _texts(folder)}
    if not files:
        message = f"--labels: no .txt file in {folder}"
        raise SourceError(message)

    names = LabelNames(folder, files)

    def masks(frame: Frame) -> npt.NDArray[np.bool_] | None:
        name = names.find(*frame.names, by_number=frame.is_numbered)
        if name is None:
            return None
        found = read_polygons(files[name], *frame.image.shape[:2])
        return np.asarray(found[found.any(axis=(1, 2))])

    return masks


def unlabelled(arguments: Namespace) -> SourceError:
    """What to raise if no file of --labels belongs to a frame."""
    return SourceError(
        f"--labels {arguments.labels}: none of its files belongs to a frame of {arguments.input}; "
        f"labels are {NAMES}"
    )


def _texts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.txt"))
