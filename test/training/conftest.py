"""Simple figures, so that composing and training are tested without the renderer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.crops import CropMaker
from training.figures import HEIGHT_PX, WIDTH_PX, Material
from training.random_values import RandomValues
from training.streets import draw_streets

_PARTS = (  # center y, center x, radius y, radius x
    (Material.HAIR, 20, 64, 14, 10),
    (Material.SKIN, 25, 64, 10, 8),
    (Material.TOP, 70, 64, 42, 22),
    (Material.BOTTOM, 140, 56, 48, 10),
    (Material.BOTTOM, 140, 72, 48, 10),
    (Material.SHOES, 184, 56, 6, 12),
)


@pytest.fixture(scope="session")
def figures() -> torch.Tensor:
    """Eight figures of ellipses, (8, 4, 192, 128) uint8."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    figure = np.zeros((4, HEIGHT_PX, WIDTH_PX), np.uint8)
    for material, center_y, center_x, radius_y, radius_x in _PARTS:
        down, right = (y - center_y) / radius_y, (x - center_x) / radius_x
        inside = down**2 + right**2 < 1
        figure[0, inside] = material
        figure[1, inside] = np.round(127.5 + 126 * right[inside])
        figure[2, inside] = np.round(127.5 - 126 * down[inside])
        figure[3, inside] = (255 * (HEIGHT_PX - 1 - y) / HEIGHT_PX)[inside]
    return torch.from_numpy(figure)[None].repeat(8, 1, 1, 1)


@pytest.fixture
def random() -> RandomValues:
    return RandomValues.seed(3, torch.device("cpu"))


@pytest.fixture(scope="session")
def streets() -> torch.Tensor:
    return draw_streets(4, seed=0, workers=1)


@pytest.fixture
def crop_maker(figures: torch.Tensor, streets: torch.Tensor, random: RandomValues) -> CropMaker:
    return CropMaker(figures, streets, random)


@pytest.fixture
def figure_folder(figures: torch.Tensor, tmp_path: Path) -> Path:
    """A folder as the renderer writes it."""
    folder = tmp_path / "figures"
    folder.mkdir()
    np.savez_compressed(folder / "people_00000.npz", figures=figures.permute(0, 2, 3, 1).numpy())
    return folder
