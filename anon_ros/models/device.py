"""The processor that the models run on, and its memory."""

import torch

from anon_ros.errors import ModelError


def resolve_device(name: str) -> torch.device:
    """Return the device that ``compute.device`` names; "auto" is the first GPU, or else the CPU.

    Raises:
        ModelError: if this machine has no such device.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    wanted = {"auto": gpus[0] if gpus else "cpu", "cuda": "cuda:0"}.get(name, name)
    if wanted not in ["cpu", *gpus]:
        available = ", ".join(["cpu", *gpus])
        message = f"compute.device: {name} is not on this machine; set auto or one of: {available}"
        raise ModelError(message)
    return torch.device(wanted)


def has_bfloat16(device: torch.device) -> bool:
    """Return True if the device computes in bfloat16: a CPU if faster than in float32, any GPU.

    GPUs before Ampere emulate it, in half of the memory of float32.
    """
    if device.type != "cpu":
        return True
    # JetPack's torch may be older than this function.
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def free_memory_bytes(device: torch.device) -> int | None:
    """Return the bytes that PyTorch can still allocate; None on the CPU, where nothing limits."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def reset_peak_memory(device: torch.device) -> int:
    """Restart the count of ``peak_memory_bytes``; return the allocated bytes, 0 on the CPU."""
    if device.type != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def peak_memory_bytes(device: torch.device) -> int:
    """Return the maximum of allocated bytes since ``reset_peak_memory``; 0 on the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
