"""Acceleration of the networks: memory layout, fused and 8-bit layers, compilation."""

import os
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import ComputeConfig
from anon_ros.errors import ModelError

_FP8_CAPABILITY = (8, 9)
# More than the shapes of three sizes, three aspects and five batch sizes; beyond torch's own limit
# of 8 it would silently run uncompiled.
_MAX_SHAPES = 128


def optimize_networks(unet: Any, vae: Any, device: torch.device, compute: ComputeConfig) -> None:
    """Change the networks in place; on the CPU only as ``compute.quantize`` asks.

    Raises:
        ModelError: if the GPU lacks what ``compute.quantize`` needs.
    """
    if device.type == "cuda":
        fuse_qkv(unet, vae)
    if compute.quantize != "none":
        quantize(unet, compute.quantize, device)
    if should_compile(device, compute):
        compile_networks(unet, vae, compute.compile_mode)


def should_compile(device: torch.device, compute: ComputeConfig) -> bool:
    """Return True on a GPU unless ``compute.compile_mode`` is off."""
    return device.type == "cuda" and compute.compile_mode != "off"


def fuse_qkv(unet: Any, vae: Any) -> None:
    """Fuse query, key and value into one product; store channels last, as tensor cores read."""
    for network in (unet, vae):
        if hasattr(network, "fuse_qkv_projections"):  # AutoencoderTiny has no attention
            network.fuse_qkv_projections()
        network.to(memory_format=torch.channels_last)


def quantize(unet: Any, precision: str, device: torch.device) -> None:
    """Make the transformer blocks 8-bit, weights and activations; leave the convolutions.

    Raises:
        ModelError: for fp8 on a GPU without it, or without torchao.
    """
    if precision == "fp8" and (
        device.type != "cuda" or torch.cuda.get_device_capability(device) < _FP8_CAPABILITY
    ):
        message = f"compute.quantize = fp8: {device} cannot; set int8 or none"
        raise ModelError(message)
    try:
        from torchao import quantization  # noqa: PLC0415 - optional
    except ImportError as error:
        message = f"compute.quantize = {precision} needs torchao: pip install torchao"
        raise ModelError(message) from error
    config = (
        quantization.Float8DynamicActivationFloat8WeightConfig()
        if precision == "fp8"
        else quantization.Int8DynamicActivationInt8WeightConfig()
    )
    quantization.quantize_(
        unet,
        config,
        # All further layers see one row per image, too few for 8-bit kernels.
        filter_fn=lambda module, name: (
            isinstance(module, torch.nn.Linear) and "transformer_blocks" in name
        ),
    )


def compile_networks(unet: Any, vae: Any, mode: str, backend: str = "inductor") -> None:
    """Let torch.compile compile each network at its first call with each shape."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(cache) / "anon_ros" / "inductor"))
    torch._dynamo.config.recompile_limit = _MAX_SHAPES  # noqa: SLF001 - its only home
    torch._dynamo.config.accumulated_recompile_limit = 4 * _MAX_SHAPES  # noqa: SLF001
    # Only inductor has modes.
    options = {"mode": mode} if backend == "inductor" else {}
    for network in (unet, vae.encoder, vae.decoder):
        network.compile(backend=backend, fullgraph=True, dynamic=False, **options)
