"""Acceleration of the networks: memory layout, fused and 8-bit layers, graphs, compilation."""

import os
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import ComputeConfig
from anon_ros.errors import ModelError
from anon_ros.models.inpainting.cuda_graphs import CudaGraphRecorder, GraphedUnet, GraphRecorder

_FP8_CAPABILITY = (8, 9)
_BLOCK = "BasicTransformerBlock"


def optimize_networks(unet: Any, vae: Any, device: torch.device, compute: ComputeConfig) -> None:
    """Change the networks in place; on the CPU only as ``compute.quantize`` asks.

    Raises:
        ModelError: if the GPU lacks what ``compute.quantize`` needs.
    """
    if device.type == "cuda":
        if compute.weight_storage == "gpu":  # fused layers take 1 GB more
            fuse_qkv(unet, vae)
        vae.to(memory_format=torch.channels_last)
        if compute.compile_mode == "blocks":  # an uncompiled UNet is slower that way
            unet.to(memory_format=torch.channels_last)
    if compute.quantize != "none":
        quantize(unet, compute.quantize, device)


def graph_unet(unet: Any, compile_mode: str, recorder: GraphRecorder) -> GraphedUnet:
    """Put a UNet behind graphs, with compiled blocks if ``compile_mode`` is blocks."""
    is_compiled = compile_mode == "blocks"
    if is_compiled:
        compile_blocks(unet, recorder.backend)
    return GraphedUnet(unet, recorder, is_compiled=is_compiled)


def make_recorder(device: torch.device) -> GraphRecorder | None:
    """Return the recorder of a GPU; None on the CPU, which has no graphs."""
    return CudaGraphRecorder(device) if device.type == "cuda" else None


def fuse_qkv(unet: Any, vae: Any) -> None:
    """Fuse query, key and value of each attention into one product."""
    for network in (unet, vae):
        if hasattr(network, "fuse_qkv_projections"):  # AutoencoderTiny has no attention
            network.fuse_qkv_projections()


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


def compile_blocks(unet: Any, backend: str, kind: str = _BLOCK) -> None:
    """Let torch.compile compile the blocks of a class at their first call.

    Dynamic: once for all sizes, in seconds, instead of minutes for each size of the whole UNet.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(cache) / "anon_ros" / "inductor"))
    for module in unet.modules():
        if type(module).__name__ == kind:
            module.compile(backend=backend, dynamic=True)
