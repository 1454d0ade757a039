"""Which file of labels belongs to which frame."""

import re
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from anon_ros.cli.evaluate.shared import NAMES
from anon_ros.cli.evaluate.sources import Frame, SourceError
from anon_ros.evaluate import read_polygons

MasksOf = Callable[[Frame], npt.NDArray[np.bool_] | None]
"""(N, H, W) bool, the labelled persons of a frame; None for a frame without labels."""
_NUMBER = re.compile(r"\d+$")


def labelled_masks(folder: Path) -> MasksOf:
    """Outlines as YOLO segmentation text: one file per frame.

    A file belongs to the frame one of whose names it has (see Frame); or to the frame of a video
    whose number (from 0) its name ends with.

    Raises:
        SourceError: if there are none, or two are of one frame.
    """
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in _texts(folder)}
    numbered: dict[str, list[Path]] = defaultdict(list)
    for name, path in files.items():
        if found := _NUMBER.search(name):
            numbered[f"{int(found[0]):06d}"].append(path)
    if not files:
        message = f"--labels: no .txt file in {folder}"
        raise SourceError(message)

    def masks(frame: Frame) -> npt.NDArray[np.bool_] | None:
        exact = [files[name] for name in frame.names if name in files]
        paths = exact or (numbered.get(frame.key, []) if frame.is_numbered else [])
        if not paths:
            return None
        if len(paths) > 1:
            message = f"--labels: {paths[0]} and {paths[1]} belong to the same frame, expected one"
            raise SourceError(message)
        found = read_polygons(paths[0], *frame.image.shape[:2])
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
