"""Real architectures with random weights: their speed does not depend on the values."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import diffusers
import numpy as np
import torch

# Now, not at their first use: inside ``with device`` their constants would land on the device.
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from start_timesteps import make_published_scheduler
from torch.utils.flop_counter import FlopCounterMode

from anon_ros.config import Config
from anon_ros.models.detection.backends.yolo import YoloNetwork
from anon_ros.models.detection.backends.yolo_backend import YoloBackend
from anon_ros.models.detection.segmenter import PersonSegmenter
from anon_ros.models.inpainting.cuda_graphs import GraphRecorder
from anon_ros.models.inpainting.diffusion import Diffusion, Prompt
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from anon_ros.models.inpainting.noise_schedule import make_scheduler
from anon_ros.models.inpainting.pipeline_loader import plan_schedule

# stabilityai/stable-diffusion-xl-base-1.0, with 9 input channels as the inpainting model has.
UNET: dict[str, Any] = {
    "in_channels": 9,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
    "sample_size": 128,
}
_TINY_UNET = UNET | {
    "block_out_channels": (16, 32, 32),
    "transformer_layers_per_block": (1, 1, 1),
    "attention_head_dim": (2, 4, 4),
    "cross_attention_dim": 64,
    "norm_num_groups": 8,
    "layers_per_block": 1,
}
_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "force_upcast": True,
}
_TINY_VAE = _VAE | {"block_out_channels": (8, 8, 16, 16), "norm_num_groups": 8}
_TOKENS = 77
# Of the full UNet, by longer and shorter side of an image in px; a test counts one of them.
_TFLOP_PER_IMAGE = {
    (512, 256): 0.8089698304,
    (512, 512): 1.58889672704,
    (768, 384): 1.7875484672,
    (1024, 512): 3.21921482752,
    (768, 768): 3.64147441664,
    (1024, 1024): 6.76170825728,
}


def choose_dtype(device: torch.device) -> torch.dtype:
    return torch.bfloat16 if device.type == "cuda" else torch.float32


@contextmanager
def _create_on(device: torch.device) -> Iterator[None]:
    """Create parameters on the device and in its dtype, without a copy in float32."""
    torch.manual_seed(0)
    torch.set_default_dtype(choose_dtype(device))
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(torch.float32)


@cache
def make_unet(device: torch.device, *, tiny: bool) -> Any:
    """Make the UNet that the whole process shares."""
    with _create_on(device):
        unet = UNet2DConditionModel(**(_TINY_UNET if tiny else UNET))
    return unet.eval().requires_grad_(requires_grad=False)


@cache
def make_vae(kind: str, device: torch.device, *, tiny: bool) -> Any:
    """Make AutoencoderKL, or AutoencoderTiny for ``kind`` "tiny"; the whole process shares it."""
    with _create_on(device):
        vae = (
            AutoencoderTiny() if kind == "tiny" else AutoencoderKL(**(_TINY_VAE if tiny else _VAE))
        )
    return vae.eval().requires_grad_(requires_grad=False)


def make_prompt(device: torch.device, rows: int, width: int) -> Prompt:
    generator = torch.Generator(device).manual_seed(0)
    options: dict[str, Any] = {"generator": generator, "device": device}
    tokens = torch.randn(rows, _TOKENS, width, **options)
    pooled = torch.randn(rows, 1280, **options)
    return Prompt(tokens.to(choose_dtype(device)), pooled.to(choose_dtype(device)))


def make_diffusion(config: Config, device: torch.device, *, tiny: bool) -> Diffusion:
    """Make a Diffusion as ``load_diffusion`` does. A fused LoRA keeps the UNet's shape."""
    inpaint = config.inpaint
    scheduler = make_scheduler(inpaint.scheduler, make_published_scheduler())
    schedule = plan_schedule(inpaint, scheduler, inpaint.style)
    unet = make_unet(device, tiny=tiny)
    return Diffusion(
        unet,
        make_vae("tiny" if inpaint.vae else "full", device, tiny=tiny),
        scheduler,
        schedule,
        make_prompt(
            device, 2 if inpaint.guidance_scale > 1 else 1, unet.config.cross_attention_dim
        ),
        inpaint.guidance_scale,
        inpaint.guidance_until,
    )


def make_inpainter(
    config: Config,
    device: torch.device,
    *,
    tiny: bool,
    recorder: GraphRecorder | None = None,
) -> DiffusionInpainter:
    """Make an inpainter as ``DiffusionInpainter.load`` does."""
    compute = replace(config.compute, device=str(device))
    diffusion = make_diffusion(config, device, tiny=tiny)
    return DiffusionInpainter(diffusion, config.inpaint, compute, recorder)


class SceneNetwork(YoloNetwork):
    """Network that runs in full and then returns the boxes of the scene."""

    boxes_xyxy: np.ndarray

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return candidates of certain persons, with random masks; see ``DetectorNetwork``."""
        candidates, prototypes = super().__call__(batch)
        gain = batch.shape[-1] / 1920
        boxes = torch.from_numpy(self.boxes_xyxy).to(candidates) * gain
        offset = (batch.shape[-2] - 1080 * gain) / 2
        boxes[:, 1::2] += offset
        persons = candidates[:, :, : len(boxes)].clone()
        persons[:, :4] = torch.cat(
            [(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1
        ).T
        persons[:, 4] = 1
        return persons, prototypes


@cache
def make_yolo(device: torch.device, *, tiny: bool) -> torch.nn.Module:
    """Make the detector's network, in float32; the whole process shares it."""
    from ultralytics.nn.tasks import SegmentationModel  # noqa: PLC0415 - after the switches

    torch.manual_seed(0)
    model: torch.nn.Module = SegmentationModel(
        f"yolov8{'n' if tiny else 'x'}-seg.yaml", nc=80, verbose=False
    )
    model.model[-1].export = True  # type: ignore[index, union-attr]
    return model.eval().requires_grad_(requires_grad=False).to(device)


def make_segmenter(
    config: Config, device: torch.device, boxes_xyxy: np.ndarray, *, tiny: bool
) -> PersonSegmenter:
    model = make_yolo(device, tiny=tiny)
    names = {index: str(index) for index in range(80)}
    network = SceneNetwork(model, names, int(model.stride.max()))  # type: ignore[operator]
    object.__setattr__(network, "boxes_xyxy", boxes_xyxy)
    return PersonSegmenter(YoloBackend(network, [0], device), config.detect)


def get_unet_tflop(height_px: int, width_px: int, images: int, *, tiny: bool) -> float:
    """Return the TFLOP of a call, which grow with the number of images."""
    if tiny:
        return images * count_unet_tflop(height_px, width_px, tiny=True)
    return images * _TFLOP_PER_IMAGE[max(height_px, width_px), min(height_px, width_px)]


@cache
def count_unet_tflop(height_px: int, width_px: int, *, tiny: bool) -> float:
    """Count the TFLOP of an image on the architecture, without running it; takes seconds."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**(_TINY_UNET if tiny else UNET))
        latents = torch.empty(1, 9, height_px // 8, width_px // 8)
        tokens = torch.empty(1, _TOKENS, unet.config.cross_attention_dim)
        conditions = {"text_embeds": torch.empty(1, 1280), "time_ids": torch.empty(1, 6)}
        with FlopCounterMode(display=False) as counter:
            unet(latents, torch.tensor(1.0), tokens, added_cond_kwargs=conditions)
    return float(counter.get_total_flops()) / 1e12


def make_pipeline(diffusion: Diffusion) -> Any:
    """Make diffusers' own pipeline over the same networks, for an encoded prompt."""
    pipeline = diffusers.StableDiffusionXLInpaintPipeline(
        vae=diffusion.vae,
        text_encoder=None,
        text_encoder_2=None,
        tokenizer=None,
        tokenizer_2=None,
        unet=diffusion.unet,
        scheduler=make_published_scheduler(),
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_prompt_options(prompt: Prompt, count: int) -> dict[str, torch.Tensor]:
    assert prompt.pooled is not None  # noqa: S101 - narrows the type
    rows: Sequence[tuple[str, torch.Tensor]] = (
        ("negative_prompt_embeds", prompt.tokens[:1]),
        ("prompt_embeds", prompt.tokens[-1:]),
        ("negative_pooled_prompt_embeds", prompt.pooled[:1]),
        ("pooled_prompt_embeds", prompt.pooled[-1:]),
    )
    return {name: row.repeat_interleave(count, dim=0) for name, row in rows}
