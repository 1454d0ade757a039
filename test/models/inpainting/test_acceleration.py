"""Compilation and quantization, which must not change the result."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from anon_ros.config import ComputeConfig
from anon_ros.errors import ModelError
from anon_ros.models.inpainting.acceleration import (
    compile_networks,
    fuse_qkv,
    optimize_networks,
    quantize,
    should_compile,
)
from anon_ros.models.inpainting.diffusion import Diffusion
from helpers.diffusion import CPU, inpaint_random, load_tiny_diffusion


def fuse_all(network: Diffusion) -> None:
    fuse_qkv(network.unet, network.vae)


def compile_all(network: Diffusion) -> None:
    # Inductor needs a GPU or a C++ compiler; what precedes it does not.
    compile_networks(network.unet, network.vae, "default", backend="eager")


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


def test_each_shape_compiled_once(tiny_sdxl: Path, tiny_vae: Path) -> None:
    """Beyond its limit of 8 shapes torch would go on uncompiled without a word."""
    network = load_tiny_diffusion(tiny_sdxl, vae=str(tiny_vae), guidance_scale=1.0)
    compile_all(network)
    torch._dynamo.reset()  # noqa: SLF001 - the counters are nowhere else
    torch._dynamo.utils.counters.clear()  # noqa: SLF001
    shapes = [(height_px, count) for height_px in (16, 32, 48) for count in (1, 2, 3)]
    for height_px, count in shapes * 2:
        inpaint_random(network, height_px, count)
    counters = torch._dynamo.utils.counters  # noqa: SLF001
    assert counters["stats"]["unique_graphs"] == 3 * len(shapes)  # UNet, encoder, decoder
    assert not counters["graph_break"]


def test_int8_result_is_similar(tiny_sdxl: Path) -> None:
    plain, quantized = load_tiny_diffusion(tiny_sdxl), load_tiny_diffusion(tiny_sdxl)
    quantize(quantized.unet, "int8", CPU)
    difference = (inpaint_random(quantized) - inpaint_random(plain)).abs()
    assert 0 < difference.mean() < 0.05


def test_fp8_rejected_without_hardware(tiny_sdxl: Path) -> None:
    with pytest.raises(ModelError, match=r"compute\.quantize = fp8: cpu cannot; set int8"):
        quantize(load_tiny_diffusion(tiny_sdxl).unet, "fp8", CPU)


def test_nothing_compiled_on_cpu(tiny_sdxl: Path) -> None:
    compute = ComputeConfig(compile_mode="max-autotune")
    assert not should_compile(CPU, compute)
    network = load_tiny_diffusion(tiny_sdxl)
    expected = inpaint_random(network)
    optimize_networks(network.unet, network.vae, CPU, compute)
    assert torch.equal(inpaint_random(network), expected)
