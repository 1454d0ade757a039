"""Inpainting of synthetic persons with Stable Diffusion XL or 2, in batches of crops."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn.functional import adaptive_max_pool2d

from anon_ros.config import ComputeConfig, InpaintConfig
from anon_ros.core import Crop, InpaintFailure, RgbImage
from anon_ros.models.device import (
    free_memory_bytes,
    peak_memory_bytes,
    reset_peak_memory,
    resolve_device,
)
from anon_ros.models.inpainting.acceleration import graph_unet, make_recorder, optimize_networks
from anon_ros.models.inpainting.buckets import BatchSizer, Bucket, Buckets, split_recorded_batch
from anon_ros.models.inpainting.crop_transfer import (
    OUT_OF_MEMORY,
    CropTask,
    download_results,
    restore_sizes,
    stack_images,
    upload_crops,
)
from anon_ros.models.inpainting.cuda_graphs import GraphedUnet, GraphRecorder
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.noise_schedule import NoiseSchedule, plan_timesteps
from anon_ros.models.inpainting.pipeline_loader import encode_prompts, load_diffusion

_LOG = logging.getLogger(__name__)
_BATCH_ON_GPU = 8
_MAX_FRAMES = 8


class DiffusionInpainter:
    """An Inpainter over a diffusion model.

    Takes 9-channel inpainting and 4-channel base UNets of SDXL and SD 2. The diffusion starts from
    the crop's own pixels under noise, which preserves pose and viewing direction, or from the
    crop's ``init_image``; the surroundings always come from the crop.

    When memory does not suffice, it tries fewer persons at once, then a smaller size, then returns
    an InpaintFailure.

    Attributes:
        fallbacks: number of times that memory did not suffice, by reason.

    Args:
        diffusion: the networks; changed in place as ``compute`` asks.
        config: sizes and noise schedule.
        compute: batches, compilation, quantization.
        recorder: makes the graphs that ``compute.compile_mode`` asks for; None for the device's.

    Raises:
        ModelError: if the device cannot do what ``compute`` asks for.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        config: InpaintConfig,
        compute: ComputeConfig,
        recorder: GraphRecorder | None = None,
    ) -> None:
        device = diffusion.device
        self.fallbacks: Counter[str] = Counter()
        self.diffusion = diffusion
        self._log_schedule(config)
        optimize_networks(self.diffusion.unet, self.diffusion.vae, device, compute)
        self._buckets = Buckets(config.generate_px, square=config.aspect == "square")
        max_batch = compute.batch_size or (_BATCH_ON_GPU if device.type == "cuda" else 1)
        self._batch_sizer = BatchSizer(max_batch, lambda: free_memory_bytes(device))
        self._graphed: GraphedUnet | None = None
        recorder = recorder or make_recorder(device)
        if recorder is not None and compute.compile_mode != "off":
            self._graphed = graph_unet(diffusion.unet, compute.compile_mode, recorder)
            diffusion.unet = self._graphed
            if compute.compile_mode == "blocks":
                self._warm_up(max_batch)

    @classmethod
    def load(cls, config: InpaintConfig, compute: ComputeConfig) -> "DiffusionInpainter":
        """Load ``config.model`` on the device that ``compute`` names.

        Raises:
            ModelError: if the model is missing or damaged, its noise schedule cannot start at
                ``config.beta_d``, or the device is missing.
        """
        diffusion = load_diffusion(config, resolve_device(compute.device))
        return cls(diffusion, config, compute)

    def reconfigure(self, before: InpaintConfig, after: InpaintConfig) -> bool:
        """Adopt noise schedule and prompts of ``after``; return False if that needs a reload.

        Raises:
            ModelError: if no schedule can start at ``after.beta_d``, or the text encoders are
                missing.
        """
        prompts = [(c.prompt, c.negative_prompt) for c in (before, after)]
        if prompts[0] != prompts[1]:
            if after.lora:  # it may have changed the text encoders, which are freed after loading
                return False
            self.diffusion.prompt = encode_prompts(
                after, self.diffusion.device, self.diffusion.dtype
            )
        schedules = [(c.steps, c.beta_d, c.timestep_power) for c in (before, after)]
        if schedules[0] != schedules[1]:
            self.diffusion.noise_schedule = plan_timesteps(
                after.scheduler, self.diffusion.scheduler, *schedules[1]
            )
            self._log_schedule(after)
        return True

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call."""
        return _MAX_FRAMES

    @property
    def draws_persons(self) -> bool:
        """True: every result shows a synthetic person."""
        return True

    @property
    def keeps_grid(self) -> bool:
        """True: a person's size in a crop changes the result, so crop windows should be stable."""
        return True

    @property
    def noise_schedule(self) -> NoiseSchedule:
        """The timesteps that run."""
        return self.diffusion.noise_schedule

    @torch.no_grad()
    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        """Return one image per crop, of its shape, or the failure."""
        self.run_idle_work()  # where nobody calls it between the frames
        waiting: dict[Bucket, list[CropTask]] = {}
        for task in upload_crops(crops, self.diffusion.device):
            waiting.setdefault(self._buckets.choose(*task.mask.shape), []).append(task)
        inpainted: dict[int, torch.Tensor] = {}
        for bucket, tasks in waiting.items():
            while tasks:
                count = self._batch_sizer.choose_size(bucket, len(tasks))
                inpainted |= self._inpaint_tasks(bucket, tasks[:count])
                del tasks[:count]
        return download_results(inpainted, crops)

    def run_idle_work(self) -> None:
        """Record graphs of the sizes that came up: work to do while no frame waits."""
        if self._graphed is not None:
            self._graphed.record_waiting()

    def release(self) -> None:
        """Drop graphs and compiled code, which must not outlive the networks."""
        if self._graphed is not None:
            self._graphed.release()

    def _log_schedule(self, config: InpaintConfig) -> None:
        _LOG.info(
            "the noise chain starts at timestep %d (noise %.2f) and runs %d of %d steps",
            self.noise_schedule.timesteps[0],
            self.noise_schedule.noise_ratio,
            len(self.noise_schedule.timesteps),
            config.steps,
        )

    def _inpaint_tasks(self, bucket: Bucket, tasks: list[CropTask]) -> dict[int, torch.Tensor]:
        """Return results by index, from as few calls as memory allows; failed tasks are missing."""
        if self._graphed is not None and self._graphed.is_recording:
            count, padded_count = split_recorded_batch(len(tasks))
        else:
            count = padded_count = len(tasks)
        batch, rest = tasks[:count], tasks[count:]
        if self._graphed is not None:
            self._graphed.has_replayed = False
        try:
            allocated = reset_peak_memory(self.diffusion.device)
            inpainted = self._generate(bucket, batch, padded_count)
            if self._graphed is None or not self._graphed.has_replayed:  # else it took no memory
                self._batch_sizer.record_success(
                    bucket, padded_count, peak_memory_bytes(self.diffusion.device) - allocated
                )
        except torch.cuda.OutOfMemoryError:
            inpainted = None  # leaving the handler frees the memory of the failed call
        if inpainted is None and self._graphed is not None and self._graphed.has_graphs:
            self._count_fallback(f"{OUT_OF_MEMORY} for CUDA graphs: uncompiled from now on")
            self._graphed.stop_recording()
            self._empty_cache()
            inpainted = self._inpaint_tasks(bucket, batch)
        if inpainted is None:
            self._batch_sizer.record_failure(bucket, padded_count)
            inpainted = self._inpaint_with_less_memory(bucket, batch)
        return inpainted | (self._inpaint_tasks(bucket, rest) if rest else {})

    def _inpaint_with_less_memory(
        self, bucket: Bucket, tasks: list[CropTask]
    ) -> dict[int, torch.Tensor]:
        """Retry with half as many persons, or a smaller bucket, or give up."""
        self._empty_cache()
        half = len(tasks) // 2
        if half:
            self._count_fallback(
                f"{OUT_OF_MEMORY} for {len(tasks)} persons at {bucket}: {half} at once"
            )
            return self._inpaint_tasks(bucket, tasks[:half]) | self._inpaint_tasks(
                bucket, tasks[half:]
            )
        smaller = self._buckets.find_smaller(bucket)
        if smaller is None:
            self._count_fallback(f"{OUT_OF_MEMORY} at {bucket}: covered")
            return {}
        self._count_fallback(f"{OUT_OF_MEMORY} at {bucket}: {smaller}")
        return self._inpaint_tasks(smaller, tasks)

    def _empty_cache(self) -> None:
        if self.diffusion.device.type == "cuda":
            torch.cuda.empty_cache()

    def _count_fallback(self, reason: str) -> None:
        if not self.fallbacks[reason]:
            _LOG.warning("%s", reason)
        self.fallbacks[reason] += 1

    def _generate(
        self, bucket: Bucket, tasks: list[CropTask], padded_count: int
    ) -> dict[int, torch.Tensor]:
        """Return the results by index; see ``restore_sizes``."""
        factor = self.diffusion.vae_scale_factor
        latent_hw = bucket.height_px // factor, bucket.width_px // factor
        filled = tasks + tasks[-1:] * (padded_count - len(tasks))
        images = stack_images([task.image for task in filled], bucket)
        init_images = None
        if any(task.init_image is not None for task in filled):
            sources = [
                task.image if task.init_image is None else task.init_image for task in filled
            ]
            init_images = stack_images(sources, bucket)
        # The network reads the mask once per latent pixel. One on the person's border that counted
        # as background would preserve the person's own pixels.
        latent_masks = torch.stack(
            [adaptive_max_pool2d(task.mask[None].float(), latent_hw) for task in filled]
        )
        generated = self.diffusion.inpaint_batch(
            images, latent_masks, [task.seed for task in filled], init_images
        )
        shapes_hw = [(task.mask.shape[0], task.mask.shape[1]) for task in tasks]
        restored = restore_sizes(generated[: len(tasks)], shapes_hw)
        return {task.index: result for task, result in zip(tasks, restored, strict=True)}

    def _warm_up(self, max_batch: int) -> None:
        """Compile before the first frame, for one person and for several: the rest is dynamic."""
        bucket = next(iter(self._buckets))
        schedule, start_s = self.noise_schedule, time.monotonic()
        self.diffusion.noise_schedule = replace(schedule, timesteps=schedule.timesteps[:1])
        sides = bucket.height_px, bucket.width_px
        image = torch.zeros(*sides, 3, dtype=torch.uint8, device=self.diffusion.device)
        task = CropTask(0, image, torch.ones_like(image[..., 0]), None, 0)
        for count in range(1, min(max_batch, 2) + 1):
            self._inpaint_tasks(bucket, [task] * count)
        self.diffusion.noise_schedule = schedule
        self.run_idle_work()
        _LOG.info("compiled in %.0f s", time.monotonic() - start_s)
