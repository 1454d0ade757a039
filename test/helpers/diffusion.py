"""Tiny diffusion models."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import InpaintConfig
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.noise_schedule import make_scheduler
from anon_ros.models.inpainting.pipeline_loader import load_diffusion

# In float32, for results that are equal.
CONFIG = InpaintConfig(prompt="a person", negative_prompt="blurry", steps=10, dtype="float32")


CPU = torch.device("cpu")


def load_tiny_diffusion(folder: Path, **options: Any) -> Diffusion:
    return load_diffusion(replace(CONFIG, model=str(folder), **options), CPU)


def inpaint_random(network: Diffusion, height_px: int = 64, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, height_px, 32, generator=generator) * 2 - 1
    return network.inpaint_batch(
        images, torch.ones(count, 1, height_px // 8, 4), list(range(count))
    )


def make_reference(folder: Path, config: InpaintConfig, ours: Diffusion) -> Any:
    """Return a function that has diffusers' pipeline draw."""
    diffusers = import_module("diffusers")
    base = diffusers.DiffusionPipeline.from_pretrained(folder)
    kind = (
        diffusers.StableDiffusionXLInpaintPipeline
        if hasattr(base, "text_encoder_2")
        else diffusers.StableDiffusionInpaintPipeline
    )
    options = {"add_watermarker": False} if hasattr(base, "text_encoder_2") else {}
    parts = {k: v for k, v in base.components.items() if k in kind.__init__.__annotations__}
    if not options:
        parts["requires_safety_checker"] = False
    pipeline = kind(**parts, **options)
    pipeline.scheduler = make_scheduler(config.scheduler, base.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(ours.dtype)
    timesteps = list(ours.noise_schedule.timesteps)
    factor = ours.vae_scale_factor

    def draw(images: torch.Tensor, cells: torch.Tensor, seeds: list[int], kind: str) -> Any:
        count = len(images)
        # diffusers cuts a share off the timesteps' front: the first of ours is only there for it.
        whole = timesteps if ours.noise_schedule.from_noise else [999, *timesteps]
        strength = 1.0 if ours.noise_schedule.from_noise else (len(timesteps) + 0.5) / len(whole)
        mask = torch.nn.functional.interpolate(cells, scale_factor=factor)
        return pipeline(
            prompt=[config.prompt] * count,
            negative_prompt=[config.negative_prompt] * count,
            image=ours.encode(images),
            mask_image=mask,
            masked_image_latents=ours.encode(images * (1 - mask)),
            height=images.shape[2],
            width=images.shape[3],
            timesteps=whole,
            strength=strength,
            guidance_scale=config.guidance_scale,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type=kind,
        ).images

    return draw


def run_denoising(
    ours: Diffusion, images: torch.Tensor, cells: torch.Tensor, seeds: list[int]
) -> Any:
    """Return the latents that our own loop makes of the same inputs."""
    masked = None
    if ours.unet.config.in_channels == 9:
        mask = torch.nn.functional.interpolate(cells, scale_factor=ours.vae_scale_factor)
        masked = ours.encode(images * (1 - mask))
    return ours.denoise(ours.encode(images), masked, cells.to(ours.dtype), seeds)
