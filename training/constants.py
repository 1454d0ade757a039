"""Constants on the device of a training."""

import functools

import torch


@functools.cache
def keep_constants(
    values: tuple[int, ...] | tuple[tuple[int, ...], ...], device: torch.device
) -> torch.Tensor:
    """Return the values as float32 on the device, where they stay.

    To copy them anew for each batch would wait for all work of the device.
    """
    return torch.tensor(values, dtype=torch.float32, device=device)
