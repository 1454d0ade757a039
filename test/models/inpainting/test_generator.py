"""The shipped generator in our own loop: sizes, prediction types, batches."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anon_ros.config import Config, find_profile, load_config
from anon_ros.core import Crop, RgbImage, Roi
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from anon_ros.models.inpainting.pipeline_loader import load_diffusion
from anon_ros.models.weights.generator import find_generator
from helpers.diffusion import CPU, make_reference, run_denoising

SIZES_WH = [(12, 25), (30, 61), (40, 90), (70, 140), (150, 300), (40, 40), (100, 50), (20, 20)]


def load_street(**overrides: object) -> Config:
    values = {f"inpaint.{name}": value for name, value in overrides.items()}
    return load_config(
        find_profile("street"), {"inpaint.steps": 4, "compute.device": "cpu"} | values
    )


def load_generator(**overrides: object) -> DiffusionInpainter:
    config = load_street(**overrides)
    return DiffusionInpainter.load(config.inpaint, config.compute)


def make_crop(street: RgbImage, size_wh: tuple[int, int], seed: int) -> Crop:
    """A window of a street whose middle is masked."""
    width_px, height_px = size_wh
    image = np.ascontiguousarray(street[100 : 100 + height_px, 300 : 300 + width_px])
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[height_px // 6 : -height_px // 6, width_px // 3 : -width_px // 3] = True
    return Crop(image, mask, mask, Roi(300, 100, 300 + width_px, 100 + height_px), seed)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("scheduler", ["dpm", "euler", "lcm"])
def test_latents_equal_diffusers(scheduler: str, prediction_type: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(find_generator(), folder, copy_function=shutil.copyfile)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"prediction_type": prediction_type}))
    power = 1 if scheduler == "lcm" else 1.5
    options = {"scheduler": scheduler, "steps": 5, "timestep_power": power}
    config = load_street(model=str(folder), **options).inpaint
    config = replace(config, dtype="float32")
    ours = load_diffusion(config, CPU)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, 64, 32, generator=generator) * 2 - 1
    cells = torch.zeros(2, 1, 16, 8)
    cells[:, :, 3:13, 2:6] = 1
    with torch.inference_mode():
        expected = make_reference(folder, config, ours)(images, cells, [1, 2], "latent")
    actual = run_denoising(ours, images, cells, [1, 2])
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() < 1e-3
    assert (actual - ours.encode(images)).abs().max() > 0.1  # something was drawn


def test_crops_of_any_size_drawn(vtest_rgb: dict[str, RgbImage]) -> None:
    inpainter = load_generator()
    street = vtest_rgb[min(vtest_rgb)]
    crops = [make_crop(street, size_wh, seed) for seed, size_wh in enumerate(SIZES_WH)]
    drawn = inpainter.inpaint(crops)
    for crop, image in zip(crops, drawn, strict=True):
        assert isinstance(image, np.ndarray)
        assert image.shape == crop.image.shape
        assert (image[crop.mask] != crop.image[crop.mask]).mean() > 0.5


def test_batch_changes_rounding_alone(vtest_rgb: dict[str, RgbImage]) -> None:
    inpainter = load_generator()
    street = vtest_rgb[min(vtest_rgb)]
    crops = [make_crop(street, (30, 60), seed) for seed in range(3)]
    together = inpainter.inpaint(crops)
    for crop, image in zip(crops, together, strict=True):
        (alone,) = inpainter.inpaint([crop])
        assert np.abs(alone.astype(int) - np.asarray(image, int)).max() <= 1


def test_time_ids_are_height_and_width() -> None:
    inpainter = load_generator()
    seen: list[list[float]] = []
    inpainter.diffusion.unet.register_forward_pre_hook(
        lambda _, __, named: seen.append(named["added_cond_kwargs"]["time_ids"][0].tolist()),
        with_kwargs=True,
    )
    image = np.full((60, 30, 3), 90, np.uint8)
    mask = np.ones((60, 30), np.bool_)
    inpainter.inpaint([Crop(image, mask, mask, Roi(0, 0, 30, 60), 0)])
    assert seen[0] == [64, 32, 0, 0, 64, 32]


def test_surroundings_are_reproduced(vtest_rgb: dict[str, RgbImage]) -> None:
    """The feather shows what is drawn around the mask."""
    inpainter = load_generator(steps=17)
    crop = make_crop(vtest_rgb[min(vtest_rgb)], (64, 128), 0)
    (drawn,) = inpainter.inpaint([crop])
    error = np.abs(np.asarray(drawn, int) - crop.image)[~crop.mask].mean()
    assert error < 12
