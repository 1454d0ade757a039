import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anon_ros.config import InpaintConfig
from anon_ros.core import Crop, Mask, RgbImage, Roi
from anon_ros.errors import ModelError
from anon_ros.models.sdxl import SdxlInpainter, latent_cells


def load(folder: Path, **options: Any) -> SdxlInpainter:
    config = InpaintConfig(model=str(folder), generate_px=64, prompt="a person", steps=10)
    config = replace(config, negative_prompt="blurry", **options)
    return SdxlInpainter(config, "cpu")


def crop_of(image: RgbImage, side_px: int = 90, seed: int = 1) -> Crop:
    square = np.ascontiguousarray(image[400 : 400 + side_px, 60 : 60 + side_px])
    mask = np.zeros((side_px, side_px), np.bool_)
    mask[side_px // 4 : -side_px // 4, side_px // 3 : -side_px // 3] = True
    return Crop(square, mask, mask, Roi(60, 400, 60 + side_px, 400 + side_px), seed)


def unet_of(inpainter: SdxlInpainter) -> torch.nn.Module:
    unet = inpainter._pipeline.unet  # noqa: SLF001 - the real network, to watch and to break it
    assert isinstance(unet, torch.nn.Module)
    return unet


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_every_kind_of_pipeline_draws(
    model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage
) -> None:
    crop = crop_of(bus_rgb)
    (drawn,) = load(request.getfixturevalue(model)).inpaint([crop])
    assert drawn.shape == crop.image.shape
    assert drawn.dtype == np.uint8
    assert (drawn[crop.mask] != crop.image[crop.mask]).mean() > 0.9


@pytest.mark.parametrize(("beta_d", "calls"), [(0.6, 30), (0.3, 15), (1.0, 50)])
@pytest.mark.parametrize("guidance", [7.0, 1.0])
def test_exactly_steps_times_beta_d_run(
    tiny_sdxl: Path, bus_rgb: RgbImage, beta_d: float, calls: int, guidance: float
) -> None:
    inpainter = load(tiny_sdxl, steps=50, beta_d=beta_d, guidance=guidance)
    timesteps: list[float] = []
    unet_of(inpainter).register_forward_pre_hook(
        lambda _, positional: timesteps.append(float(positional[1]))
    )
    inpainter.inpaint([crop_of(bus_rgb)])
    assert len(timesteps) == calls
    assert abs(timesteps[0] / 1000 - beta_d) <= 0.02


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_more_noise_changes_more(
    model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage
) -> None:
    crop = crop_of(bus_rgb)
    folder = request.getfixturevalue(model)
    # Against the same pipeline with hardly any noise: a random VAE changes all pixels by itself.
    base, little, much = (
        load(folder, steps=20, beta_d=beta_d).inpaint([crop])[0].astype(int)
        for beta_d in (0.05, 0.3, 0.6)
    )
    assert np.abs(much - base)[crop.mask].mean() > np.abs(little - base)[crop.mask].mean() > 0


def test_the_same_seed_gives_the_same_bytes_in_any_company(
    tiny_sdxl: Path, bus_rgb: RgbImage
) -> None:
    inpainter = load(tiny_sdxl)
    crop, other = crop_of(bus_rgb, seed=5), crop_of(bus_rgb, side_px=70, seed=6)
    (alone,) = inpainter.inpaint([crop])
    _, together = inpainter.inpaint([other, crop])
    (reseeded,) = inpainter.inpaint([replace(crop, seed=7)])
    assert np.array_equal(alone, together)
    assert not np.array_equal(alone, reseeded)


@pytest.mark.parametrize("side_px", [1, 7, 64, 200])
def test_crops_of_any_size(tiny_sdxl: Path, side_px: int) -> None:
    image = np.full((side_px, side_px, 3), 90, np.uint8)
    mask = np.ones((side_px, side_px), np.bool_)
    crop = Crop(image, mask, mask, Roi(0, 0, side_px, side_px), 0)
    (drawn,) = load(tiny_sdxl).inpaint([crop])
    assert drawn.shape == image.shape


def test_the_mask_is_grown_to_whole_latent_cells() -> None:
    mask: Mask = np.zeros((100, 100), np.bool_)
    mask[47, 21] = True
    cells = latent_cells(mask, 64, 8)
    assert cells.shape == (64, 64)
    assert cells[30, 13]
    assert {
        int(cells[y : y + 8, x : x + 8].sum()) for y in range(0, 64, 8) for x in range(0, 64, 8)
    } <= {0, 64}
    assert cells.sum() == 64


def test_nan_is_an_error(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load(tiny_sdxl)
    with torch.no_grad():
        next(unet_of(inpainter).parameters()).fill_(torch.nan)
    with pytest.raises(ModelError, match="NaN"):
        inpainter.inpaint([crop_of(bus_rgb)])


def test_out_of_gpu_memory_is_an_error_with_a_remedy(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load(tiny_sdxl)

    def fail(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    hook = unet_of(inpainter).register_forward_pre_hook(fail)
    with pytest.raises(ModelError, match=r"out of GPU memory; lower inpaint\.generate_px = 64"):
        inpainter.inpaint([crop_of(bus_rgb)])
    hook.remove()
    inpainter.inpaint([crop_of(bus_rgb)])


def test_a_chain_that_would_start_too_low_is_refused(tiny_sdxl: Path) -> None:
    with pytest.raises(ModelError, match="would start at timestep 251"):
        load(tiny_sdxl, steps=4)


def test_the_start_of_the_chain_is_logged(
    tiny_sdxl: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="anon_ros"):
        load(tiny_sdxl, steps=50)
    assert "timestep 581 (noise 0.91) and runs 30 of 50 steps" in caplog.text


def test_what_is_cut_from_a_prompt_is_logged(
    tiny_sdxl: Path, caplog: pytest.LogCaptureFixture, bus_rgb: RgbImage
) -> None:
    with caplog.at_level(logging.WARNING):
        inpainter = load(tiny_sdxl, prompt="x" * 75 + "unseen")
    (record,) = caplog.records
    assert record.getMessage() == "inpaint.prompt is cut after 77 tokens; left out: unseen"
    inpainter.inpaint([crop_of(bus_rgb)])
    assert len(caplog.records) == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_other_precisions_run(tiny_sdxl: Path, bus_rgb: RgbImage, dtype: str) -> None:
    inpainter = load(tiny_sdxl, dtype=dtype)
    assert next(unet_of(inpainter).parameters()).dtype == getattr(torch, dtype)
    (drawn,) = inpainter.inpaint([crop_of(bus_rgb)])
    assert drawn.any()


def test_half_precision_files_alone_suffice(tiny_sdxl: Path, tmp_path: Path) -> None:
    for path in tiny_sdxl.rglob("*"):
        copy = tmp_path / path.relative_to(tiny_sdxl)
        copy = copy.with_suffix(".fp16.safetensors") if path.suffix == ".safetensors" else copy
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            copy.write_bytes(path.read_bytes())
    load(tmp_path)


def test_another_kind_of_pipeline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ModelError, match="is none of StableDiffusionXL"):
        load(tmp_path)


def test_damaged_weights_are_named(tiny_sd2: Path, tmp_path: Path) -> None:
    for path in tiny_sd2.rglob("*"):
        copy = tmp_path / path.relative_to(tiny_sd2)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            copy.write_bytes(b"" if path.parent.name == "unet" else path.read_bytes())
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_model_is_told_at_once() -> None:
    start_s = time.monotonic()
    with pytest.raises(ModelError, match="hf download"):
        SdxlInpainter(InpaintConfig(), "cpu")
    assert time.monotonic() - start_s < 1
