"""Storage of a UNet's weights between its calls, for GPUs that they hardly fit into."""

from typing import Any

import torch

# Kept as they are: each step or each pixel passes through these, and they take little memory.
_UNCHANGED = ("norm", "conv_in", "conv_out", "time_emb", "add_emb")


def place_unet(unet: Any, device: torch.device, storage: str) -> None:
    """Bring a UNet to its device, stored as ``compute.weight_storage`` asks."""
    if storage == "host":
        unet.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            # Sends the next layer while one computes.
            use_stream=device.type == "cuda",
            record_stream=device.type == "cuda",
        )
        return
    if storage == "float8":
        unet.enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn,
            compute_dtype=unet.dtype,
            skip_modules_pattern=_UNCHANGED,
        )
    unet.to(device)
