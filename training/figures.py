"""Rendered figures as the renderer writes them: materials, normals and heights per pixel."""

from enum import IntEnum
from pathlib import Path

import numpy as np
import torch

from training.errors import TrainingError

HEIGHT_PX = 192
WIDTH_PX = 128


class Material(IntEnum):
    """Values of a figure's first channel."""

    NOTHING = 0
    SKIN = 1
    HAIR = 2
    TOP = 3
    BOTTOM = 4
    SHOES = 5
    SECOND_CLOTH = 6
    BAG = 7
    HEADGEAR = 8
    VEHICLE = 9
    TYRE = 10
    LEGWEAR = 11
    BOOTS = 12


def load_figures(folder: Path) -> torch.Tensor:
    """Return all figures of a folder, (N, 4, 192, 128) uint8.

    The channels are material, normal to the right, normal upward (both 127.5 + 127 n), and height
    on the body at rest (0 sole to 255 crown).

    Raises:
        TrainingError: if there is none, or a file is not what the renderer writes.
    """
    shards = [_read_shard(path) for path in sorted(folder.glob("people_*.npz"))]
    if not shards:
        message = f"no people_*.npz in {folder}; run python -m training.people --out {folder}"
        raise TrainingError(message)
    return torch.from_numpy(np.concatenate(shards)).permute(0, 3, 1, 2).contiguous()


def _read_shard(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with np.load(path) as shard:
        figures = np.asarray(shard["figures"])
    if figures.dtype != np.uint8 or figures.shape[1:] != (HEIGHT_PX, WIDTH_PX, 4):
        message = (
            f"{path}: figures are {figures.dtype} {figures.shape}, "
            f"not uint8 (N, {HEIGHT_PX}, {WIDTH_PX}, 4)"
        )
        raise TrainingError(message)
    return figures


def measure_extents(figures: torch.Tensor) -> torch.Tensor:
    """Return the height and width that each figure covers, (N, 2) in pixels."""
    covered = figures[:, 0] > 0
    return torch.stack([covered.any(2).sum(1), covered.any(1).sum(1)], 1).float()
