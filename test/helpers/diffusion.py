"""Tiny diffusion models."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import InpaintConfig
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.pipeline_loader import load_diffusion

CONFIG = InpaintConfig(prompt="a person", negative_prompt="blurry", steps=10)


CPU = torch.device("cpu")


def load_tiny_diffusion(folder: Path, **options: Any) -> Diffusion:
    return load_diffusion(replace(CONFIG, model=str(folder), **options), CPU)


def inpaint_random(network: Diffusion, height_px: int = 64, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, height_px, 32, generator=generator) * 2 - 1
    return network.inpaint_batch(
        images, torch.ones(count, 1, height_px // 8, 4), list(range(count))
    )
