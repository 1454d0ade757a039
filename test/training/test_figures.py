from pathlib import Path

import numpy as np
import pytest
import torch

from training.errors import TrainingError
from training.figures import load_figures, measure_extents


def test_load_figures(figure_folder: Path, figures: torch.Tensor) -> None:
    assert torch.equal(load_figures(figure_folder), figures)


def test_missing_figures(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"run python -m training.people"):
        load_figures(tmp_path)


def test_foreign_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "people_00000.npz", figures=np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(TrainingError, match=r"not uint8 \(N, 192, 128, 4\)"):
        load_figures(tmp_path)


def test_extents(figures: torch.Tensor) -> None:
    height, width = measure_extents(figures)[0].tolist()
    assert 180 <= height <= 186
    assert 42 <= width <= 48
