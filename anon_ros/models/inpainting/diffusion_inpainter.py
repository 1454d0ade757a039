"""Drawing synthetic persons with Stable Diffusion XL or 2: batches of crops in and out."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import adaptive_max_pool2d, interpolate

from anon_ros.config import ComputeConfig, InpaintConfig
from anon_ros.core import CoverReason, Crop, InpaintFailure, RgbImage
from anon_ros.models.device import (
    free_memory_bytes,
    peak_memory_bytes,
    reset_peak_memory,
    resolve_device,
)
from anon_ros.models.inpainting.acceleration import optimize_networks, should_compile
from anon_ros.models.inpainting.buckets import BatchSizer, Bucket, Buckets, compiled_batch_size
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.noise_schedule import NoiseSchedule, plan_timesteps
from anon_ros.models.inpainting.pipeline_loader import encode_prompts, load_diffusion

_LOG = logging.getLogger(__name__)
_BATCH_ON_GPU = 8
_OUT_OF_MEMORY = "out of GPU memory"


@dataclass(frozen=True)
class _CropTask:
    """One crop on the device."""

    index: int
    image: torch.Tensor
    mask: torch.Tensor
    init_image: torch.Tensor | None
    seed: int


class DiffusionInpainter:
    """An Inpainter over a diffusion model.

    Takes 9-channel inpainting and 4-channel base UNets of SDXL and SD 2. The crop's own pixels
    under noise are where the diffusion starts: that keeps pose and viewing direction. Where a crop
    has a start, it is that instead; what surrounds the person is still told by the crop.

    When memory does not suffice, it tries fewer persons at once, then a smaller size, then refuses.

    Attributes:
        fallbacks: how often it had to, by reason.

    Args:
        diffusion: the networks; changed in place as ``compute`` asks.
        config: sizes.
        compute: batches, compilation, quantization.

    Raises:
        ModelError: if the device cannot do what ``compute`` asks for.
    """

    def __init__(self, diffusion: Diffusion, config: InpaintConfig, compute: ComputeConfig) -> None:
        device = diffusion.device
        self.fallbacks: Counter[str] = Counter()
        self.diffusion = diffusion
        self._log_chain(config)
        optimize_networks(self.diffusion.unet, self.diffusion.vae, device, compute)
        self._buckets = Buckets(config.generate_px, square=config.aspect == "square")
        most = compute.batch_size or (_BATCH_ON_GPU if device.type == "cuda" else 1)
        self._sizes = BatchSizer(most, lambda: free_memory_bytes(device))
        self._compiled = should_compile(device, compute)
        if self._compiled:
            self._warm_up(most)

    @classmethod
    def load(cls, config: InpaintConfig, compute: ComputeConfig) -> "DiffusionInpainter":
        """Load ``config.model`` on the device that ``compute`` names.

        Raises:
            ModelError: if the model is missing or damaged, its noise chain cannot start at
                ``config.beta_d``, or the device is not there.
        """
        diffusion = load_diffusion(config, resolve_device(compute.device))
        return cls(diffusion, config, compute)

    def reconfigure(self, before: InpaintConfig, after: InpaintConfig) -> bool:
        """Take over noise chain and prompts from ``after``; False if that needs loading anew.

        Raises:
            ModelError: if no chain can start at ``after.beta_d``, or the text encoders are gone.
        """
        prompts = [(c.prompt, c.negative_prompt) for c in (before, after)]
        if prompts[0] != prompts[1]:
            if after.lora:  # it may have changed the text encoders, which are not kept
                return False
            self.diffusion.prompt = encode_prompts(
                after, self.diffusion.device, self.diffusion.dtype
            )
        if (before.steps, before.beta_d) != (after.steps, after.beta_d):
            scheduler = self.diffusion.scheduler
            self.diffusion.noise_schedule = plan_timesteps(
                after.scheduler, scheduler, after.steps, after.beta_d
            )
            self._log_chain(after)
        return True

    @property
    def noise_schedule(self) -> NoiseSchedule:
        """At which timesteps the noise chain starts and runs."""
        return self.diffusion.noise_schedule

    @torch.no_grad()
    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        """One image per crop, of its shape, or why there is none."""
        waiting: dict[Bucket, list[_CropTask]] = {}
        for job in self._upload(crops):
            waiting.setdefault(self._buckets.choose(*job.mask.shape), []).append(job)
        drawn: dict[int, torch.Tensor] = {}
        for bucket, jobs in waiting.items():
            while jobs:
                count = self._sizes.next(bucket, len(jobs))
                drawn |= self._draw(bucket, jobs[:count])
                del jobs[:count]
        return _download(drawn, crops)

    def _log_chain(self, config: InpaintConfig) -> None:
        _LOG.info(
            "the noise chain starts at timestep %d (noise %.2f) and runs %d of %d steps",
            self.noise_schedule.timesteps[0],
            self.noise_schedule.noise_ratio,
            len(self.noise_schedule.timesteps),
            config.steps,
        )

    def _upload(self, crops: Sequence[Crop]) -> list[_CropTask]:
        """All crops that can be drawn, in one copy."""
        fit = {index: crop for index, crop in enumerate(crops) if not _reason_unfit(crop)}
        arrays = [part for crop in fit.values() for part in _parts(crop)]
        if not arrays:
            return []
        packed = torch.from_numpy(np.concatenate([array.reshape(-1) for array in arrays]))
        if self.diffusion.device.type == "cuda":
            packed = packed.pin_memory()
        flat = packed.to(self.diffusion.device, non_blocking=True).split_with_sizes(
            [a.size for a in arrays]
        )
        parts = (part.view(array.shape) for part, array in zip(flat, arrays, strict=True))
        jobs = []
        for index, crop in fit.items():
            image, mask = next(parts), next(parts)
            start = None if crop.init_image is None else next(parts)
            jobs.append(_CropTask(index, image, mask, start, crop.seed))
        return jobs

    def _draw(self, bucket: Bucket, jobs: list[_CropTask]) -> dict[int, torch.Tensor]:
        """Draw the jobs in as few calls as memory allows; what is missing did not fit at all."""
        if self._compiled:
            taken, padded = compiled_batch_size(len(jobs))
        else:
            taken = padded = len(jobs)
        now, later = jobs[:taken], jobs[taken:]
        try:
            before = reset_peak_memory(self.diffusion.device)
            drawn = self._generate(bucket, now, padded)
            self._sizes.record_success(
                bucket, padded, peak_memory_bytes(self.diffusion.device) - before
            )
        except torch.cuda.OutOfMemoryError:
            drawn = None  # leaving the handler frees what the failed call still holds
        if drawn is None:
            self._sizes.record_failure(bucket, padded)
            drawn = self._draw_less(bucket, now)
        return drawn | (self._draw(bucket, later) if later else {})

    def _draw_less(self, bucket: Bucket, jobs: list[_CropTask]) -> dict[int, torch.Tensor]:
        """After running out of memory: half as many at once, or a smaller bucket, or nothing."""
        if self.diffusion.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(jobs) // 2
        if half:
            self._count(f"{_OUT_OF_MEMORY} for {len(jobs)} persons at {bucket}: {half} at once")
            return self._draw(bucket, jobs[:half]) | self._draw(bucket, jobs[half:])
        smaller = self._buckets.smaller(bucket)
        if smaller is None:
            self._count(f"{_OUT_OF_MEMORY} at {bucket}: covered")
            return {}
        self._count(f"{_OUT_OF_MEMORY} at {bucket}: {smaller}")
        return self._draw(smaller, jobs)

    def _count(self, reason: str) -> None:
        if not self.fallbacks[reason]:
            _LOG.warning("%s", reason)
        self.fallbacks[reason] += 1

    def _generate(
        self, bucket: Bucket, jobs: list[_CropTask], padded: int
    ) -> dict[int, torch.Tensor]:
        cell_px = self.diffusion.vae_scale_factor
        cells_hw = bucket.height_px // cell_px, bucket.width_px // cell_px
        filled = jobs + jobs[-1:] * (padded - len(jobs))
        images = _stacked([job.image for job in filled], bucket)
        starts = None
        if any(job.init_image is not None for job in filled):
            either = [job.image if job.init_image is None else job.init_image for job in filled]
            starts = _stacked(either, bucket)
        # The network reads the mask once per cell. A cell on the person's border that it took for
        # background would keep the person's own pixels.
        cells = torch.stack(
            [adaptive_max_pool2d(job.mask[None].float(), cells_hw) for job in filled]
        )
        drawn = self.diffusion.inpaint_batch(images, cells, [job.seed for job in filled], starts)
        results = {}
        for job, image in zip(jobs, drawn, strict=False):
            back = _resize(image, Bucket(*job.mask.shape))
            finite = torch.isfinite(back).all().to(torch.uint8)
            pixels = (back * 255).round().to(torch.uint8).permute(1, 2, 0)
            results[job.index] = torch.cat([pixels.reshape(-1), finite[None]])
        return results

    def _warm_up(self, most: int) -> None:
        """Compile every shape before the first frame needs it; one step of the chain shows all."""
        counts = sorted({compiled_batch_size(count)[1] for count in range(1, most + 1)})
        shapes = [(bucket, count) for bucket in self._buckets for count in counts]
        chain, start_s = self.noise_schedule, time.monotonic()
        self.diffusion.noise_schedule = replace(chain, timesteps=chain.timesteps[:1])
        for number, (bucket, count) in enumerate(shapes, 1):
            if self._sizes.next(bucket, count) < min(count, most):
                _LOG.info("%d persons at %s do not fit into memory; not compiled", count, bucket)
                continue
            image = torch.zeros(
                bucket.height_px,
                bucket.width_px,
                3,
                dtype=torch.uint8,
                device=self.diffusion.device,
            )
            job = _CropTask(0, image, torch.ones_like(image[..., 0]), None, 0)
            for _ in range(2):  # CUDA graphs are recorded at the second call
                self._draw(bucket, [job] * count)
            passed_s = time.monotonic() - start_s
            _LOG.info("compiled shape %d of %d, %.0f s", number, len(shapes), passed_s)
        self.diffusion.noise_schedule = chain


def _reason_unfit(crop: Crop) -> str:
    """Why the crop cannot be drawn; empty if it can."""
    start, image = crop.init_image, crop.image
    if start is None or (start.shape == image.shape and start.dtype == image.dtype):
        return ""
    return f"the start is {start.dtype} {start.shape}, the crop {image.dtype} {image.shape}"


def _parts(crop: Crop) -> list[npt.NDArray[np.uint8]]:
    """What of the crop the device needs: image, mask, and the start if there is one."""
    parts = [crop.image, crop.mask.view(np.uint8)]
    return parts if crop.init_image is None else [*parts, crop.init_image]


def _stacked(images: Sequence[torch.Tensor], bucket: Bucket) -> torch.Tensor:
    """Images (H, W, 3) uint8 of any sizes to (B, 3, H, W) float in -1..1 of the bucket's."""
    channels = (image.permute(2, 0, 1).float() / 255 for image in images)
    return torch.stack([_resize(each, bucket) for each in channels]) * 2 - 1


def _resize(image: torch.Tensor, bucket: Bucket) -> torch.Tensor:
    resized = interpolate(
        image[None], (bucket.height_px, bucket.width_px), mode="bicubic", antialias=True
    )
    return resized[0].clamp(0, 1)


def _download(
    drawn: dict[int, torch.Tensor], crops: Sequence[Crop]
) -> list[RgbImage | InpaintFailure]:
    """All results in one copy."""
    no_memory = (
        f"{_OUT_OF_MEMORY}, even for one person at the smallest size; lower inpaint.generate_px"
    )
    results: list[RgbImage | InpaintFailure] = [
        InpaintFailure(problem)
        if (problem := _reason_unfit(crop))
        else InpaintFailure(no_memory, CoverReason.OUT_OF_MEMORY)
        for crop in crops
    ]
    if not drawn:
        return results
    flat = (
        torch.cat(list(drawn.values()))
        .cpu()
        .split_with_sizes([len(part) for part in drawn.values()])
    )
    for index, part in zip(drawn, flat, strict=True):
        if part[-1]:
            results[index] = part[:-1].numpy().reshape(crops[index].image.shape)
        else:
            results[index] = InpaintFailure(
                "the diffusion returned NaN; set inpaint.dtype to bfloat16 or float32",
                CoverReason.INVALID_RESULT,
            )
    return results
