"""Which processor the models run on."""

import torch

from anon_ros.errors import ModelError


def resolve_device(name: str) -> torch.device:
    """The device that ``compute.device`` names; "auto" is the first GPU, or else the CPU.

    Raises:
        ModelError: if this machine has no such device.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    wanted = {"auto": gpus[0] if gpus else "cpu", "cuda": "cuda:0"}.get(name, name)
    if wanted not in ["cpu", *gpus]:
        there = ", ".join(["cpu", *gpus])
        message = f"compute.device: {name} is not on this machine; set auto or one of: {there}"
        raise ModelError(message)
    return torch.device(wanted)
