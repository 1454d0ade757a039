"""Checkpoints of a training that is resumed."""

from pathlib import Path
from typing import Any

import torch

from training.progress import Clock


def save_checkpoint(path: Path, clock: Clock, step: int, **parts: Any) -> None:
    """Write the state of all parts, whole or not at all."""
    states = {name: part.state_dict() for name, part in parts.items()}
    save_whole(path, {"step": step, "spent_s": clock.spent_s, **states})


def save_whole(path: Path, content: Any) -> None:
    """Write tensors, whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    partial.replace(path)


def load_checkpoint(path: Path, clock: Clock, **parts: Any) -> int:
    """Restore parts and time; return the steps that ran, 0 without a checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    clock.restore(state["spent_s"])
    return int(state["step"])


def read_num_steps(path: Path) -> int:
    """Return the steps that a checkpoint has behind it; 0 without one."""
    if not path.exists():
        return 0
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["step"])
