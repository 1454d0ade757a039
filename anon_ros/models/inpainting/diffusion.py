"""The diffusion loop over diffusers' UNet, VAE and schedulers: a batch of images in, one out.

It computes the same as ``StableDiffusionXLInpaintPipeline`` (a test compares them), without the
work which that repeats at every call: prompt encoding, a second VAE encode for a UNet that takes
none, a VAE moved to float32 and back, images encoded one by one, arrays sent through PIL.
"""

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from anon_ros.config import Style
from anon_ros.models.inpainting.noise_schedule import NoiseSchedule

_INPAINTING_CHANNELS = 9
# A full call of eight persons at 384 x 768 px. Its memory is part of what BatchSizer measures.
_MAX_VAE_PIXELS = 8 * 384 * 768


@dataclass(frozen=True)
class Prompt:
    """Text embeddings; with guidance those of the negative prompt come first.

    Attributes:
        tokens: (1 or 2, tokens, width).
        pooled: (1 or 2, width), which SDXL takes in addition; None for SD 2.
    """

    tokens: torch.Tensor
    pooled: torch.Tensor | None

    def without_negative(self) -> "Prompt":
        """Return the prompt alone."""
        return Prompt(self.tokens[-1:], None if self.pooled is None else self.pooled[-1:])


class Diffusion:
    """Inpainting of the masked part of images, starting from images under noise.

    It avoids inference_mode, for whose tensors torch.compile would compile a network again.

    Attributes:
        styles: prompt and noise schedule of what is drawn in other styles.

    Args:
        unet: UNet2DConditionModel of 9 (inpainting) or 4 input channels.
        vae: AutoencoderKL or AutoencoderTiny.
        scheduler: from ``make_scheduler``.
        noise_schedule: the steps to run.
        prompt: on the UNet's device and in its dtype.
        guidance_scale: of classifier-free guidance; above 1 the prompt must hold a negative one.
        guidance_until: share of the steps, from the first, that are guided (arXiv 2404.07724).
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a pipeline
        self,
        unet: Any,
        vae: Any,
        scheduler: Any,
        noise_schedule: NoiseSchedule,
        prompt: Prompt,
        guidance_scale: float,
        guidance_until: float = 1.0,
    ) -> None:
        self.unet = unet
        self.vae = vae
        self.noise_schedule = noise_schedule
        self.vae_scale_factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.scheduler = scheduler
        self.prompt = prompt
        self.styles: dict[Style, tuple[Prompt, NoiseSchedule]] = {}
        self.guidance_until = guidance_until
        self._guidance_scale = guidance_scale
        self._takes_masked_image = unet.config.in_channels == _INPAINTING_CHANNELS
        self._step_options = _make_step_options(scheduler)

    @property
    def device(self) -> torch.device:
        return self.prompt.tokens.device

    @property
    def dtype(self) -> torch.dtype:
        return self.prompt.tokens.dtype

    @property
    def is_guided(self) -> bool:
        """True if the UNet sees each image twice: with the prompt, and with the negative one."""
        return self._guidance_scale > 1

    @torch.no_grad()
    def inpaint_batch(
        self,
        images: torch.Tensor,
        latent_mask: torch.Tensor,
        seeds: Sequence[int],
        init_images: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Inpaint a batch. An image's result does not depend on the batch, but for rounding.

        Args:
            images: (B, 3, H, W) float in -1..1, sides multiples of ``vae_scale_factor``.
            latent_mask: (B, 1, H / vae_scale_factor, W / vae_scale_factor), 1 to inpaint.
            seeds: one per image.
            init_images: (B, 3, H, W) float in -1..1 to start from in ``latent_mask``; around it
                the start is always ``images``. None for ``images`` everywhere.

        Returns:
            (B, 3, H, W) float32 in 0..1, not finite if the networks failed.
        """
        pixels = latent_mask.repeat_interleave(self.vae_scale_factor, 2).repeat_interleave(
            self.vae_scale_factor, 3
        )
        # Joined before the VAE: it spreads pixels, so that latents of ``images`` would contain the
        # persons even around them.
        started = images if init_images is None else torch.where(pixels > 0, init_images, images)
        masked_latents = self.encode(images * (1 - pixels)) if self._takes_masked_image else None
        return self.decode(
            self.denoise(self.encode(started), masked_latents, latent_mask.to(self.dtype), seeds)
        )

    @torch.no_grad()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Encode (B, 3, H, W) in -1..1 as latents (B, 4, h, w): the VAE's mean, without noise."""
        return torch.cat(
            [self._encode(part) for part in _split_for_vae(images, images[0, 0].numel())]
        )

    @torch.no_grad()
    def denoise(
        self,
        latents: torch.Tensor,
        masked_latents: torch.Tensor | None,
        latent_mask: torch.Tensor,
        seeds: Sequence[int],
    ) -> torch.Tensor:
        """Run the noise schedule.

        Args:
            latents: (B, 4, h, w) of the images.
            masked_latents: (B, 4, h, w) of the images without the masked part, for a UNet of 9
                channels; None for a UNet of 4.
            latent_mask: (B, 1, h, w), 1 to inpaint.
            seeds: one per image.

        Returns:
            (B, 4, h, w), outside ``latent_mask`` equal to ``latents`` for a UNet of 4 channels.
        """
        from diffusers.utils.torch_utils import randn_tensor  # noqa: PLC0415 - slow to import

        scheduler = self.scheduler
        scheduler.set_timesteps(timesteps=list(self.noise_schedule.timesteps))
        scheduler.set_begin_index(0)
        generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        noise = randn_tensor(latents.shape, generators, self.device, self.dtype)
        # The scheduler's timesteps stay on the CPU: it branches on them.
        on_device = scheduler.timesteps.to(self.device)
        num_guided = self._count_guided_steps()
        guided = self._make_conditions(latents, self.prompt)
        plain = self._make_conditions(latents, self.prompt.without_negative())
        originals, latents = latents, self._add_initial_noise(latents, noise)
        for index, timestep in enumerate(scheduler.timesteps):
            model_input = scheduler.scale_model_input(latents, timestep)
            if masked_latents is not None:
                model_input = torch.cat([model_input, latent_mask, masked_latents], dim=1)
            predicted = (
                self._predict_guided(model_input, on_device[index], guided)
                if index < num_guided
                else self._predict(model_input, on_device[index], plain)
            )
            stepped = scheduler.step(
                predicted, timestep, latents, generator=generators, **self._step_options
            )
            latents = stepped[0]
            if masked_latents is None:
                background = originals
                if index + 1 < len(scheduler.timesteps):
                    following = scheduler.timesteps[index + 1 : index + 2]
                    background = scheduler.add_noise(originals, noise, following)
                latents = (1 - latent_mask) * background + latent_mask * latents
        return latents

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode latents (B, 4, h, w) to images (B, 3, H, W) float32 in 0..1, or NaN."""
        pixels = latents[0, 0].numel() * self.vae_scale_factor**2
        return torch.cat([self._decode(part) for part in _split_for_vae(latents, pixels)])

    def _encode(self, images: torch.Tensor) -> torch.Tensor:
        encoded = self.vae.encode(images.to(self.vae.dtype))
        # AutoencoderTiny has no distribution.
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: torch.Tensor = (latents * self.vae.config.scaling_factor).to(self.dtype)
        return scaled

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        scaled = (latents / self.vae.config.scaling_factor).to(self.vae.dtype)
        decoded: torch.Tensor = self.vae.decode(scaled, return_dict=False)[0]
        # Limited to 0..1, infinity would look like a color.
        return (decoded.float() / 2 + 0.5).clamp(0, 1).where(decoded.isfinite(), torch.nan)

    def _add_initial_noise(self, latents: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        scheduler = self.scheduler
        if self.noise_schedule.from_noise:
            started: torch.Tensor = noise * scheduler.init_noise_sigma
        else:
            started = scheduler.add_noise(latents, noise, scheduler.timesteps[:1])
        return started

    def _count_guided_steps(self) -> int:
        if not self.is_guided:
            return 0
        # Rounded up, but for the error of the product.
        return math.ceil(self.guidance_until * len(self.noise_schedule.timesteps) - 1e-6)

    def _predict_guided(
        self, model_input: torch.Tensor, timestep: torch.Tensor, conditions: dict[str, Any]
    ) -> torch.Tensor:
        predicted = self._predict(torch.cat([model_input] * 2), timestep, conditions)
        negative, positive = predicted.chunk(2)
        return negative + self._guidance_scale * (positive - negative)

    def _predict(
        self, model_input: torch.Tensor, timestep: torch.Tensor, conditions: dict[str, Any]
    ) -> torch.Tensor:
        """Return the UNet's output."""
        predicted: torch.Tensor = self.unet(model_input, timestep, return_dict=False, **conditions)[
            0
        ]
        return predicted

    def _make_conditions(self, latents: torch.Tensor, prompt: Prompt) -> dict[str, Any]:
        """Return the UNet's inputs besides the latents, repeated for the batch."""
        count, _, height, width = latents.shape
        conditions: dict[str, Any] = {
            "encoder_hidden_states": prompt.tokens.repeat_interleave(count, dim=0)
        }
        if prompt.pooled is not None:
            # Original size, offset of the crop, target size: those of an uncropped image.
            height_px, width_px = height * self.vae_scale_factor, width * self.vae_scale_factor
            ids = [height_px, width_px, 0, 0, height_px, width_px]
            pooled = prompt.pooled.repeat_interleave(count, dim=0)
            time_ids = torch.tensor([ids], dtype=self.dtype).to(self.device, non_blocking=True)
            conditions["added_cond_kwargs"] = {
                "text_embeds": pooled,
                "time_ids": time_ids.repeat(len(pooled), 1),
            }
        return conditions


def _split_for_vae(images: torch.Tensor, pixels: int) -> tuple[torch.Tensor, ...]:
    """Split a batch for the VAE, which needs more memory than the UNet and gains less by it."""
    return torch.split(images, max(1, _MAX_VAE_PIXELS // pixels))


def _make_step_options(scheduler: Any) -> dict[str, float]:
    # TCD adds noise between the steps by default; diffusers' pipeline leaves that out, too.
    return {"eta": 0.0} if "eta" in inspect.signature(scheduler.step).parameters else {}
