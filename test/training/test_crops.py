import sys
from typing import Any

import cv2
import pytest
import torch

from training.crops import VAE_FACTOR, CropMaker
from training.random_values import RandomValues
from training.streets import draw_streets


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 32), (96, 96), (64, 128)])
def test_shapes(crop_maker: CropMaker, height: int, width: int) -> None:
    batch = crop_maker.make_batch(6, height, width)
    assert batch.images.shape == (6, 3, height, width)
    assert batch.cells.shape == (6, 1, height // VAE_FACTOR, width // VAE_FACTOR)
    assert set(batch.cells.unique().tolist()) == {0.0, 1.0}
    assert -1 <= batch.images.min() < batch.images.max() <= 1


def test_masked_images_are_gray_in_all_cells(crop_maker: CropMaker) -> None:
    batch = crop_maker.make_batch(8, 128, 64)
    pixels = batch.cells.repeat_interleave(VAE_FACTOR, 2).repeat_interleave(VAE_FACTOR, 3)
    masked = batch.masked_images
    assert not masked[pixels.expand_as(masked) > 0].any()
    assert torch.equal(masked[pixels.expand_as(masked) == 0],
                       batch.images[pixels.expand_as(masked) == 0])  # fmt: skip


def test_cells_cover_the_figure(crop_maker: CropMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a bright figure before a dark street is left outside of the cells."""
    monkeypatch.setattr("training.crops.photograph", lambda images, _: images)
    monkeypatch.setattr("training.crops.dress", lambda figures, _: torch.cat(
        [(figures[:, :1] > 0).float()] * 4, 1))  # fmt: skip
    for name in ("_add_neighbors", "_cast_shadow"):
        monkeypatch.setattr(CropMaker, name, lambda _self, images, *_rest: images)
    monkeypatch.setattr(
        CropMaker, "_add_occluder", lambda _self, images, _layers, _at, alpha: (images, alpha)
    )
    monkeypatch.setattr(
        CropMaker, "_cut_streets", lambda _self, count, height, width: torch.zeros(
            count, 3, height, width))  # fmt: skip
    masked = crop_maker.make_batch(32, 128, 64).masked_images
    assert (masked > -0.2).logical_and(masked != 0).sum() == 0


def test_persons_take_the_products_share(crop_maker: CropMaker) -> None:
    """The product's crops are 1.5 times a person, up to 3 times for a tracked one."""
    cells = crop_maker.make_batch(64, 128, 64).cells
    rows = cells.amax(3).sum(2).flatten() * VAE_FACTOR / 128
    assert 0.4 < rows.median() < 0.85


def test_same_seed_same_crops(figures: torch.Tensor, streets: torch.Tensor) -> None:
    batches = [
        CropMaker(figures, streets, RandomValues.seed(1, torch.device("cpu"))).make_batch(4, 64, 32)
        for _ in range(2)
    ]
    assert torch.equal(batches[0].images, batches[1].images)


_WATCHED: list[str] = []


def _watch_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _WATCHED:
        _WATCHED.append(str(arguments[0]))


def test_no_image_file_is_opened(
    figures: torch.Tensor, random: RandomValues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No real person is in the data: streets are drawn, figures come as arrays."""
    for name in ("imread", "imdecode", "VideoCapture"):
        monkeypatch.delattr(cv2, name)
    sys.addaudithook(_watch_open)
    _WATCHED.append("started")
    CropMaker(figures, draw_streets(6, 5, 1), random).make_batch(8, 128, 64)
    opened, _WATCHED[:] = _WATCHED[1:], []
    suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".npy", ".avi", ".mp4")
    assert not [path for path in opened if path.endswith(suffixes)]
