"""Resizing of several crops at once against each alone."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from anon_ros.core import Crop, InpaintFailure, Roi
from anon_ros.models.inpainting.buckets import Bucket
from anon_ros.models.inpainting.crop_transfer import (
    download_results,
    restore_sizes,
    stack_images,
    upload_crops,
)

SHAPES_HW = [(30, 20), (64, 32), (5, 90)]


def resize_alone(image: torch.Tensor, height_px: int, width_px: int) -> torch.Tensor:
    size = height_px, width_px
    return interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)


def make_crops() -> list[Crop]:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES_HW]
    masks = [np.ones(shape, np.bool_) for shape in SHAPES_HW]
    return [Crop(i, m, m, Roi(0, 0, *m.shape[::-1]), 0) for i, m in zip(images, masks, strict=True)]


def test_crops_are_resized_as_each_alone() -> None:
    crops = make_crops()
    tasks = upload_crops(crops, torch.device("cpu"))
    stacked = stack_images([task.image for task in tasks], Bucket(64, 32))
    for crop, image in zip(crops, stacked, strict=True):
        pixels = torch.from_numpy(crop.image).permute(2, 0, 1).float() / 255
        assert torch.equal(image, resize_alone(pixels, 64, 32) * 2 - 1)


def test_results_are_resized_as_each_alone() -> None:
    generated = torch.rand(3, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    results = download_results(dict(enumerate(restore_sizes(generated, SHAPES_HW))), make_crops())
    for image, shape, result in zip(generated, SHAPES_HW, results, strict=True):
        expected = (resize_alone(image, *shape) * 255).round().to(torch.uint8).permute(1, 2, 0)
        assert np.array_equal(result, expected.numpy())  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_wrong_value_fails_its_person_alone(value: float) -> None:
    """Infinity, too, which the clip to 0..1 would hide."""
    generated = torch.rand(3, 3, 64, 32)
    generated[1, 2, 63, 0] = value
    results = download_results(dict(enumerate(restore_sizes(generated, SHAPES_HW))), make_crops())
    assert [isinstance(result, InpaintFailure) for result in results] == [False, True, False]
