"""Training of the VAE: what it decodes must look like what it encoded."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import avg_pool2d

from anon_ros.models.device import has_bfloat16
from training.checkpoint import load_checkpoint, save_checkpoint
from training.crops import VAE_FACTOR, CropMaker
from training.gradients import GradientStep, choose_recorder
from training.networks import LATENT_CHANNELS, make_vae
from training.progress import Clock, LossLog
from training.random_values import RandomValues

_SIZES = ((128, 64), (64, 128), (96, 96), (128, 128))
_MAX_RATE = 2e-3
_LATENT_NOISE = 0.05


def train_vae(  # noqa: PLR0913, PLR0917 - data, budget and place of one training
    crops: CropMaker,
    random: RandomValues,
    clock: Clock,
    batch_size: int,
    path: Path,
    report_s: float,
) -> Any:
    """Train, or go on from ``path``; return the VAE with latents of about unit variance."""
    vae: Any = make_vae().to(random.device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), _MAX_RATE, betas=(0.9, 0.99))
    step = load_checkpoint(path, clock, vae=vae, optimizer=optimizer)

    def save() -> None:
        save_checkpoint(path, clock, step, vae=vae, optimizer=optimizer)

    log = LossLog("vae", clock, save, report_s)
    compute = partial(_compute_loss, vae)
    compute_gradients = GradientStep(compute, optimizer, choose_recorder(random.device))
    while clock.advance():
        for group in optimizer.param_groups:
            group["lr"] = choose_rate(_MAX_RATE, step, clock.ratio)
        size = _SIZES[step % len(_SIZES)]
        images = crops.make_batch(batch_size, *size).images
        noise = random.normal(batch_size, LATENT_CHANNELS, *(side // VAE_FACTOR for side in size))
        loss = compute_gradients(images.contiguous(memory_format=torch.channels_last), noise)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        log.add(loss, step)
    log.print(step)
    save()
    return vae.eval().requires_grad_(False)


def choose_rate(max_rate: float, step: int, ratio: float, warm_up: int = 100) -> float:
    """Return the learning rate: up over the first steps, down on a cosine over the budget."""
    return max_rate * min(1, (step + 1) / warm_up) * (0.5 + 0.5 * math.cos(math.pi * ratio) + 0.005)


def _compute_loss(vae: Any, images: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    device = images.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
        latents = vae.encode(images).latents
        decoded = vae.decode(latents + _LATENT_NOISE * noise).sample.float()
    latents = latents.float()
    spread = latents.std((0, 2, 3)) - 1
    outliers = torch.relu(latents.abs() - 3).square().mean()
    regular = latents.mean((0, 2, 3)).square().mean() + spread.square().mean() + 0.05 * outliers
    loss = (decoded - images).abs().mean() + 0.1 * regular
    # Edges at two scales: the eye sees them first.
    for scale in (1, 2):
        small, target = avg_pool2d(decoded, scale), avg_pool2d(images, scale)
        loss = loss + sum(
            (a - b).abs().mean()
            for a, b in zip(_differentiate(small), _differentiate(target), strict=True)
        )
    return loss


def _differentiate(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images.diff(dim=2), images.diff(dim=3)
