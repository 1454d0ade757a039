"""Fusion, compilation and quantization, which must not change the result."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from anon_ros.config import ComputeConfig
from anon_ros.errors import ModelError
from anon_ros.models.inpainting.acceleration import (
    compile_blocks,
    fuse_qkv,
    make_recorder,
    optimize_networks,
    quantize,
)
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.diffusion import CONFIG, CPU, inpaint_random, load_tiny_diffusion


def fuse_all(network: Diffusion) -> None:
    fuse_qkv(network.unet, network.vae)
    for part in (network.unet, network.vae):
        part.to(memory_format=torch.channels_last)


def compile_all(network: Diffusion) -> None:
    # Inductor needs a GPU or a C++ compiler; what precedes it does not.
    compile_blocks(network.unet, "eager")


@pytest.mark.parametrize("change", [fuse_all, compile_all])
@pytest.mark.parametrize("vae", ["", "tiny_vae"])
def test_optimizing_keeps_result(
    tiny_sdxl: Path, change: Callable[[Diffusion], None], vae: str, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(vae)) if vae else ""
    # Guidance would multiply the rounding of a network of random weights.
    plain, changed = (
        load_tiny_diffusion(tiny_sdxl, vae=folder, guidance_scale=1.0) for _ in range(2)
    )
    change(changed)
    difference = (inpaint_random(changed) - inpaint_random(plain)).abs()
    # On the CPU, group normalisation of channels that come last is less exact.
    assert difference.max() < 2e-2
    assert difference.mean() < 1e-3


def test_int8_result_is_similar(tiny_sdxl: Path) -> None:
    plain, quantized = load_tiny_diffusion(tiny_sdxl), load_tiny_diffusion(tiny_sdxl)
    quantize(quantized.unet, "int8", CPU)
    difference = (inpaint_random(quantized) - inpaint_random(plain)).abs()
    assert 0 < difference.mean() < 0.05


def test_fp8_rejected_without_hardware(tiny_sdxl: Path) -> None:
    with pytest.raises(ModelError, match=r"compute\.quantize = fp8: cpu cannot; set int8"):
        quantize(load_tiny_diffusion(tiny_sdxl).unet, "fp8", CPU)


@pytest.mark.parametrize("compile_mode", ["graphs", "blocks"])
def test_nothing_compiled_on_cpu(tiny_sdxl: Path, compile_mode: str) -> None:
    compute = ComputeConfig(compile_mode=compile_mode)
    assert make_recorder(CPU) is None
    network = load_tiny_diffusion(tiny_sdxl)
    unet, expected = network.unet, inpaint_random(network)
    optimize_networks(network.unet, network.vae, CPU, compute)
    inpainter = DiffusionInpainter(network, CONFIG, compute)
    assert inpainter.diffusion.unet is unet
    assert torch.equal(inpaint_random(network), expected)
