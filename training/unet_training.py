"""Training of the UNet: v-prediction on noisy latents, weighted by min-SNR (arXiv 2303.09556)."""

import copy
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from anon_ros.models.device import has_bfloat16
from training.checkpoint import load_checkpoint, save_checkpoint
from training.crops import CropBatch, CropMaker
from training.gradients import GradientStep, choose_recorder
from training.networks import LATENT_CHANNELS, TEXT_WIDTH, load_weights, make_unet
from training.progress import Clock, LossLog
from training.random_values import RandomValues
from training.vae_training import choose_rate

TRAIN_TIMESTEPS = 1000
# SDXL's noise schedule (scaled_linear).
BETA_START, BETA_END = 0.00085, 0.012
# Height, width and how often: most persons stand, and most are small.
_SIZES = (
    (128, 64, 9), (96, 48, 3), (64, 32, 2), (128, 128, 2), (96, 96, 1), (64, 64, 1), (64, 128, 1),
    (256, 128, 1),
)  # fmt: skip
_MAX_RATE = 5e-4
_FURTHER_RATE = 2e-4  # of a network that is trained already
_MAX_EMA = 0.999
_MAX_SNR = 5.0
_INSIDE_WEIGHT = 4.0
_LIKELY_TIMESTEPS = 700
_LIKELY_RATIO = 0.8


def train_unet(  # noqa: PLR0913, PLR0917 - data, budget and place of one training
    vae: Any,
    crops: CropMaker,
    random: RandomValues,
    clock: Clock,
    batch_size: int,
    path: Path,
    report_s: float,
    start: Path | None = None,
) -> Any:
    """Train, or go on from ``path``; return the UNet of the mean weights.

    Without a checkpoint it begins with the weights in the folder ``start``, if there is one.
    """
    unet: Any = make_unet()
    max_rate = _MAX_RATE
    if start is not None:
        load_weights(unet, start)
        max_rate = _FURTHER_RATE
    # cuDNN is faster channels-last, oneDNN is not.
    is_cuda = random.device.type == "cuda"
    layout = torch.channels_last if is_cuda else torch.contiguous_format
    unet = unet.to(random.device, memory_format=layout)
    mean_unet = copy.deepcopy(unet).requires_grad_(False)
    optimizer = torch.optim.AdamW(unet.parameters(), max_rate, betas=(0.9, 0.99), fused=is_cuda)
    parts = {"unet": unet, "mean_unet": mean_unet, "optimizer": optimizer}
    step = load_checkpoint(path, clock, **parts)

    def save() -> None:
        save_checkpoint(path, clock, step, **parts)

    log = LossLog("unet", clock, save, report_s)
    compute = partial(compute_loss, unet, vae, make_alphas(random.device))
    compute_gradients = GradientStep(compute, optimizer, choose_recorder(random.device))
    # The fused attention of CPUs is slower for so few pixels (0.88 of a step's time without it).
    attention = nullcontext if is_cuda else partial(sdpa_kernel, SDPBackend.MATH)
    sizes = [(height, width) for height, width, share in _SIZES for _ in range(share)]
    while clock.advance():
        for group in optimizer.param_groups:
            group["lr"] = choose_rate(max_rate, step, clock.ratio, warm_up=200)
        height, width = sizes[(step * 7) % len(sizes)]
        count = max(1, batch_size * 128 * 64 // (height * width))
        count = min(count, 2 * batch_size)
        batch = crops.make_batch(count, height, width)
        timesteps, noise = draw_noise(batch, random)
        with attention():
            loss = compute_gradients(batch.images, batch.cells, timesteps, noise)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        step += 1
        _update_mean(mean_unet, unet, step)
        log.add(loss, step)
    log.print(step)
    save()
    return mean_unet.eval()


def make_alphas(device: torch.device) -> torch.Tensor:
    """Return SDXL's alpha bar of each timestep, (1000,)."""
    roots = torch.linspace(BETA_START**0.5, BETA_END**0.5, TRAIN_TIMESTEPS, device=device)
    return torch.cumprod(1 - roots.square(), 0)


def draw_noise(batch: CropBatch, random: RandomValues) -> tuple[torch.Tensor, torch.Tensor]:
    """Return timesteps (B,), most of them where beta_d = 0.6 lets the chain run, and noise."""
    count, _, height, width = batch.cells.shape
    timesteps = torch.where(
        random.happens(_LIKELY_RATIO, count),
        random.choose(_LIKELY_TIMESTEPS, count),
        random.choose(TRAIN_TIMESTEPS, count),
    )
    return timesteps, random.normal(count, LATENT_CHANNELS, height, width)


def compute_loss(  # noqa: PLR0913, PLR0917 - networks, and the inputs of a graph one by one
    unet: Any,
    vae: Any,
    alphas: torch.Tensor,
    images: torch.Tensor,
    cells: torch.Tensor,
    timesteps: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Return the weighted squared error of the predicted v, more of it where persons are drawn.

    Args:
        unet: from ``make_unet``.
        vae: from ``train_vae``.
        alphas: from ``make_alphas``.
        images: see CropBatch.
        cells: see CropBatch.
        timesteps: from ``draw_noise``.
        noise: from ``draw_noise``.
    """
    device = images.device
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))
    with torch.no_grad(), autocast:
        latents = vae.encode(images).latents.float()
        masked_latents = vae.encode(CropBatch(images, cells).masked_images).latents.float()
    alpha = alphas[timesteps][:, None, None, None]
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    target = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    with autocast:
        predicted = unet(
            torch.cat([noisy, cells, masked_latents], 1),
            timesteps,
            return_dict=False,
            **_make_conditions(images),
        )[0].float()
    snr = alpha / (1 - alpha)
    weight = snr.clamp(max=_MAX_SNR) / (snr + 1) * (1 + (_INSIDE_WEIGHT - 1) * cells)
    return (weight * (predicted - target).square()).mean()


def _make_conditions(images: torch.Tensor) -> dict[str, Any]:
    """Return SDXL's sizes, and the text embeddings of the exported encoders, which are zero."""
    count, _, height, width = images.shape
    sizes = images.new_zeros(count, 6)  # height, width, top, left, height, width
    sizes[:, 0::4].fill_(height)
    sizes[:, 1::4].fill_(width)
    return {
        "encoder_hidden_states": images.new_zeros(count, 1, TEXT_WIDTH),
        "added_cond_kwargs": {
            "text_embeds": images.new_zeros(count, TEXT_WIDTH),
            "time_ids": sizes,
        },
    }


@torch.no_grad()
def _update_mean(mean_unet: Any, unet: Any, step: int) -> None:
    decay = min(_MAX_EMA, (1 + step) / (20 + step))
    torch._foreach_lerp_(list(mean_unet.parameters()), list(unet.parameters()), 1 - decay)
