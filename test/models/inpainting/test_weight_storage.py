"""Storage of the UNet's weights on small GPUs: in 8 bits, or in the host's memory."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from diffusers.hooks.group_offloading import _is_group_offload_enabled

from anon_ros.config import ComputeConfig, Config, find_profile, load_config, with_overrides
from anon_ros.errors import ConfigError
from anon_ros.models.inpainting import weight_storage
from anon_ros.models.inpainting.acceleration import optimize_networks
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from anon_ros.models.inpainting.pipeline_loader import load_diffusion
from helpers.diffusion import CONFIG, CPU, inpaint_random


def load(folder: Path, storage: str) -> Diffusion:
    return load_diffusion(replace(CONFIG, model=str(folder)), CPU, weight_storage=storage)


def count_float8(network: Diffusion) -> tuple[int, int]:
    """Return the numbers of the UNet's weights in 8 bits, and of all."""
    parameters = list(network.unet.parameters())
    stored = [p.numel() for p in parameters if p.dtype == torch.float8_e4m3fn]
    return sum(stored), sum(p.numel() for p in parameters)


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_float8_stores_weights_in_8_bits(model: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(model)
    plain, stored = load(folder, "gpu"), load(folder, "float8")
    difference = (inpaint_random(stored) - inpaint_random(plain)).abs()
    assert 0 < difference.mean() < 0.05  # as for int8, of networks of random weights
    eight_bit, total = count_float8(stored)  # after the call, too
    assert eight_bit > 0.8 * total
    # What each step or each pixel passes through stays as it is.
    for name, parameter in stored.unet.named_parameters():
        if name.startswith(("conv_in", "conv_out", "time_emb", "add_emb")) or "norm" in name:
            assert parameter.dtype == torch.float32


def test_float8_keeps_pictures_of_trained_model() -> None:
    config = load_config(find_profile("street")).inpaint
    plain, stored = (
        load_diffusion(config, CPU, weight_storage=storage) for storage in ("gpu", "float8")
    )
    images = torch.linspace(-1, 1, 96).expand(2, 3, 96, 96)
    factor = plain.vae_scale_factor
    mask = torch.zeros(2, 1, 96 // factor, 96 // factor)
    mask[..., 8 // factor : 88 // factor, 24 // factor : 72 // factor] = 1
    before, after = (network.inpaint_batch(images, mask, [1, 2]) for network in (plain, stored))
    difference = (after - before).abs()
    assert 0 < difference.mean() < 0.01  # 2.5 gray levels of 255
    assert difference.max() < 0.1


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sd2"])
def test_host_storage_gives_same_pictures(model: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(model)
    plain, stored = load(folder, "gpu"), load(folder, "host")
    assert _is_group_offload_enabled(stored.unet)
    assert torch.equal(inpaint_random(stored), inpaint_random(plain))
    assert torch.equal(inpaint_random(stored), inpaint_random(plain))


def test_host_storage_sends_ahead_on_gpu(tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    unet = load(tiny_sdxl, "gpu").unet
    monkeypatch.setattr(unet, "enable_group_offload", lambda **options: asked.update(options))
    monkeypatch.setattr(unet, "to", lambda *_: pytest.fail("all weights sent"))
    weight_storage.place_unet(unet, torch.device("cuda:0"), "host")
    assert asked["onload_device"] == torch.device("cuda:0")
    assert asked["offload_type"] == "leaf_level"
    assert asked["use_stream"]
    assert asked["record_stream"]


def test_text_encoders_leave_before_unet_comes(
    tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[weakref.ref[Any]] = []
    alive: list[Any] = []
    send = transformers.CLIPTextModel.to

    def send_encoder(encoder: Any, *arguments: Any) -> Any:
        sent.append(weakref.ref(encoder))
        return send(encoder, *arguments)

    def place_unet(*_: object) -> None:
        gc.collect()
        alive.extend(encoder() for encoder in sent)

    for encoder_class in (transformers.CLIPTextModel, transformers.CLIPTextModelWithProjection):
        monkeypatch.setattr(encoder_class, "to", send_encoder)
    monkeypatch.setattr("anon_ros.models.inpainting.pipeline_loader.place_unet", place_unet)
    load(tiny_sdxl, "float8")
    assert len(alive) >= 2
    assert set(alive) == {None}


@pytest.mark.parametrize("storage", ["float8", "host"])
def test_stored_unet_not_fused(tiny_sdxl: Path, storage: str) -> None:
    """Fusing keeps the single projections beside the fused ones: 1 GB more of SDXL."""
    network = load(tiny_sdxl, storage)
    optimize_networks(
        network.unet, network.vae, torch.device("cuda:0"), ComputeConfig(weight_storage=storage)
    )
    names = [name for name, _ in network.unet.named_parameters()]
    assert not [name for name in names if "to_qkv" in name]


@pytest.mark.parametrize("storage", ["float8", "host"])
@pytest.mark.parametrize(
    "other",
    [
        {"compute.compile_mode": "graphs"},
        {"compute.compile_mode": "blocks"},
        {"compute.quantize": "int8"},
    ],
)
def test_storage_refused_with_acceleration(storage: str, other: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"compute\.weight_storage: \w+ is not allowed") as caught:
        with_overrides(Config(), {"compute.weight_storage": storage, **other})
    assert "\n" not in str(caught.value)
    assert next(iter(other)) in str(caught.value)


def test_inpainter_loads_as_stored(tiny_sdxl: Path) -> None:
    compute = ComputeConfig(device="cpu", weight_storage="float8")
    inpainter = DiffusionInpainter.load(replace(CONFIG, model=str(tiny_sdxl)), compute)
    assert count_float8(inpainter.diffusion)[0] > 0
