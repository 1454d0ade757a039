"""Inpainting of synthetic persons with Stable Diffusion XL or 2, in batches of crops."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch.nn.functional import adaptive_max_pool2d

from anon_ros.config import ComputeConfig, InpaintConfig, Style
from anon_ros.core import Crop, InpaintFailure, RgbImage
from anon_ros.errors import format_error
from anon_ros.models.device import (
    free_memory_bytes,
    peak_memory_bytes,
    reset_peak_memory,
    resolve_device,
)
from anon_ros.models.inpainting.acceleration import graph_unet, make_recorder, optimize_networks
from anon_ros.models.inpainting.attention import (
    AttentionTimer,
    choose_backends,
    list_attention_shapes,
    make_attention_timer,
    prefer_backends,
)
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
from anon_ros.models.inpainting.noise_schedule import NoiseSchedule
from anon_ros.models.inpainting.pipeline_loader import (
    encode_prompts,
    load_diffusion,
    plan_schedule,
)

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
        attention_timer: measures the kernels of attention; None for the device's.

    Raises:
        ModelError: if the device cannot do what ``compute`` asks for.
    """

    def __init__(
        self,
        diffusion: Diffusion,
        config: InpaintConfig,
        compute: ComputeConfig,
        recorder: GraphRecorder | None = None,
        attention_timer: AttentionTimer | None = None,
    ) -> None:
        device = diffusion.device
        self.fallbacks: Counter[str] = Counter()
        self.diffusion = diffusion
        self._log_schedule(config)
        optimize_networks(self.diffusion.unet, self.diffusion.vae, device, compute)
        self._buckets = Buckets(config.generate_px, square=config.aspect == "square")
        max_batch = compute.batch_size or (_BATCH_ON_GPU if device.type == "cuda" else 1)
        self._batch_sizer = BatchSizer(max_batch, lambda: free_memory_bytes(device))
        self._undo_attention: Callable[[], None] | None = None
        attention_timer = attention_timer or make_attention_timer(device, diffusion.dtype)
        if attention_timer is not None:
            self._choose_attention(max_batch, attention_timer)
        self._graphed: GraphedUnet | None = None
        recorder = recorder or make_recorder(device)
        if recorder is not None and compute.compile_mode != "off":
            self._graphed = graph_unet(diffusion.unet, compute.compile_mode, recorder)
            diffusion.unet = self._graphed
            if compute.compile_mode == "blocks":
                self._warm_up(max_batch)

    @classmethod
    def load(
        cls, config: InpaintConfig, compute: ComputeConfig, styles: Sequence[Style] = ()
    ) -> "DiffusionInpainter":
        """Load ``config.model`` on the device that ``compute`` names.

        Args:
            config: the model, and the style of persons.
            compute: the device, and how it works.
            styles: those that crops may ask for.

        Raises:
            ModelError: if the model is missing or damaged, its noise schedule cannot start at a
                ``beta_d``, or the device is missing.
        """
        device = resolve_device(compute.device)
        diffusion = load_diffusion(config, device, styles, compute.weight_storage)
        return cls(diffusion, config, compute)

    def reconfigure(
        self, before: InpaintConfig, after: InpaintConfig, styles: Sequence[Style] = ()
    ) -> bool:
        """Adopt noise schedules and prompts; return False if that needs a reload.

        Args:
            before: adopted so far.
            after: to adopt.
            styles: those that crops may ask for, from now on.

        Raises:
            ModelError: if no schedule can start at a ``beta_d``, or the text encoders are missing.
        """
        diffusion = self.diffusion
        prompts = {style.prompts: prompt for style, (prompt, _) in diffusion.styles.items()}
        prompts[before.style.prompts] = diffusion.prompt
        wanted = (after.style, *styles)
        missing = {s.prompts: s for s in wanted if s.prompts not in prompts}
        if missing:
            if after.lora:  # it may have changed the text encoders, which are freed after loading
                return False
            styles_to_encode = list(missing.values())
            try:
                encoded = encode_prompts(after, styles_to_encode, diffusion.device, diffusion.dtype)
            except torch.cuda.OutOfMemoryError:  # beside the UNet
                return False
            prompts |= zip(missing, encoded, strict=True)
        drawings = {
            style: (prompts[style.prompts], plan_schedule(after, diffusion.scheduler, style))
            for style in wanted
        }
        previous = diffusion.noise_schedule
        diffusion.prompt, diffusion.noise_schedule = drawings.pop(after.style)
        diffusion.styles = drawings
        if diffusion.noise_schedule != previous:
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
        waiting: dict[tuple[Bucket, Style | None], list[CropTask]] = {}
        for task in upload_crops(crops, self.diffusion.device):
            bucket = self._buckets.choose(*task.mask.shape)
            waiting.setdefault((bucket, task.style), []).append(task)
        inpainted: dict[int, torch.Tensor] = {}
        for (bucket, style), tasks in waiting.items():
            with self._use_style(style):
                while tasks:
                    count = self._batch_sizer.choose_size(bucket, len(tasks))
                    inpainted |= self._inpaint_tasks(bucket, tasks[:count])
                    del tasks[:count]
        return download_results(inpainted, crops)

    def run_idle_work(self) -> None:
        """Record graphs of the sizes that came up: work to do once frames are published."""
        if self._graphed is not None:
            self._graphed.record_waiting()

    def release(self) -> None:
        """Drop graphs and compiled code, which must not outlive the networks."""
        self._reset_attention()
        if self._graphed is not None:
            self._graphed.release()

    @contextmanager
    def _use_style(self, style: Style | None) -> Iterator[None]:
        """Draw in that style, None for that of persons, until the block ends."""
        diffusion = self.diffusion
        main = diffusion.prompt, diffusion.noise_schedule
        if style is not None:
            diffusion.prompt, diffusion.noise_schedule = diffusion.styles[style]
        try:
            yield
        finally:
            diffusion.prompt, diffusion.noise_schedule = main

    def _choose_attention(self, max_batch: int, timer: AttentionTimer) -> None:
        """Measure the kernels of attention at the first size; ask a faster one first."""
        bucket, factor = next(iter(self._buckets)), self.diffusion.vae_scale_factor
        latent_hw = bucket.height_px // factor, bucket.width_px // factor
        unet, count = self.diffusion.unet, max_batch * (1 + self.diffusion.is_guided)
        shapes = list_attention_shapes(unet.config, latent_hw, count)
        backends = choose_backends(shapes, timer)
        if backends is not None:
            self._undo_attention = prefer_backends(unet, backends)

    def _reset_attention(self) -> bool:
        """Leave the choice of the kernels to torch; return True if it was not."""
        undo, self._undo_attention = self._undo_attention, None
        if undo is not None:
            undo()
        return undo is not None

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
        count, padded_count = self._choose_padding(bucket, len(tasks))
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
        except RuntimeError as error:
            if not self._reset_attention():
                raise
            # A kernel that was measured at another size may fail at this one.
            self._count_fallback(f"torch's own choice of attention after {format_error(error)}")
            inpainted = self._inpaint_tasks(bucket, batch)
        if inpainted is None and self._graphed is not None and self._graphed.has_graphs:
            self._count_fallback(f"{OUT_OF_MEMORY} for CUDA graphs: uncompiled from now on")
            self._graphed.stop_recording()
            self._empty_cache()
            inpainted = self._inpaint_tasks(bucket, batch)
        if inpainted is None:
            self._batch_sizer.record_failure(bucket, padded_count)
            inpainted = self._inpaint_with_less_memory(bucket, batch)
        return inpainted | (self._inpaint_tasks(bucket, rest) if rest else {})

    def _choose_padding(self, bucket: Bucket, count: int) -> tuple[int, int]:
        """Return the persons to run now, out of ``count``, and the number to pad them to."""
        if self._graphed is None or not self._graphed.is_recording:
            return count, count
        person_pixels = bucket.height_px * bucket.width_px * (1 + self.diffusion.is_guided)
        return split_recorded_batch(
            count, person_pixels, self._batch_sizer.choose_size(bucket, 2 * count)
        )

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
        bucket, diffusion, start_s = next(iter(self._buckets)), self.diffusion, time.monotonic()
        schedule, guidance_until = diffusion.noise_schedule, diffusion.guidance_until
        diffusion.noise_schedule = replace(schedule, timesteps=schedule.timesteps[:1])
        # With guidance there is no batch of one image, at the end of the chain there may be.
        shares = [1.0] if guidance_until == 1 else [0.0, 1.0]
        sides = bucket.height_px, bucket.width_px
        image = torch.zeros(*sides, 3, dtype=torch.uint8, device=diffusion.device)
        task = CropTask(0, image, torch.ones_like(image[..., 0]), None, 0)
        for count in range(1, min(max_batch, 2) + 1):
            for share in shares:
                diffusion.guidance_until = share
                self._inpaint_tasks(bucket, [task] * count)
        diffusion.noise_schedule, diffusion.guidance_until = schedule, guidance_until
        self.run_idle_work()
        _LOG.info("compiled in %.0f s", time.monotonic() - start_s)
