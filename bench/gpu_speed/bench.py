"""Measurements on a device: calls, frames, batches, and diffusers' own pipeline."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import random_networks as networks
import torch
from gpu_speed.graphs import RerunRecorder, record_graphs
from gpu_speed.report import STAGES
from PIL import Image
from street_scene import BOXES_XYXY, make_image

from anon_ros.config import Config, load_config
from anon_ros.core import Anonymizer, OutcomeKind

ROOT = Path(__file__).resolve().parents[2]
Shape = tuple[int, int, int]
# Sides of tiny networks' images are that much smaller.
_TINY_SCALE = 16
_DEFAULT_TFLOP_PER_S = 790.0
_STEPS = 50
_TINY_STEPS = 10
_WARM_UP = 2
_STAGED_PASSES = 3


class _HostEvent:
    """Stand-in for a CUDA event where there is no GPU."""

    at_s: float

    def record(self) -> None:
        self.at_s = time.perf_counter()

    def elapsed_time(self, end: "_HostEvent") -> float:
        """Return the milliseconds until ``end``."""
        return (end.at_s - self.at_s) * 1e3


class Bench:
    """Networks, sizes and ceiling of a run.

    Attributes:
        ceiling: TFLOP per second of a large matrix product.

    Args:
        device: to measure.
        repeat: frames that are timed.
        tiny: take tiny networks and images, to check the script.
    """

    def __init__(self, device: torch.device, repeat: int, *, tiny: bool) -> None:
        self.device = device
        self.tiny = tiny
        self.ceiling = _DEFAULT_TFLOP_PER_S
        self._repeat = repeat

    @property
    def unet(self) -> Any:
        return networks.make_unet(self.device, tiny=self.tiny)

    def get_vae(self, kind: str) -> Any:
        """Return the "full" or the "tiny" VAE."""
        return networks.make_vae(kind, self.device, tiny=self.tiny)

    def scale(self, shape: Shape) -> Shape:
        """Return height, width and images of a call, smaller for tiny networks."""
        height, width, count = shape
        factor = _TINY_SCALE if self.tiny else 1
        return height // factor, width // factor, count

    def make_config(self, profile: str, compile_mode: str = "off") -> Config:
        """Read a profile; uncompiled unless asked for."""
        overrides: dict[str, object] = {"inpaint.dtype": "auto"}
        overrides["compute.compile_mode"] = compile_mode
        if self.tiny:
            overrides |= {"inpaint.generate_px": 64, "detect.inference_px": 320}
            overrides["detect.tiles"] = "off"  # as at full size
            overrides["inpaint.steps"] = _TINY_STEPS
        return load_config(ROOT / "config" / "profiles" / f"{profile}.yaml", overrides)

    def make_inpainter(self, config: Config) -> Any:
        """Make the product's inpainter over the process's networks."""
        recorder = None if self.device.type == "cuda" else RerunRecorder()
        return networks.make_inpainter(config, self.device, tiny=self.tiny, recorder=recorder)

    @contextmanager
    def open_inpainter(self, config: Config) -> Iterator[Any]:
        """Make an inpainter, released at the end of the block.

        Else its attention and its compiled code stay with the UNet that the process shares.
        """
        inpainter = self.make_inpainter(config)
        try:
            yield inpainter
        finally:
            inpainter.release()

    def make_segmenter(self, config: Config, persons: int) -> Any:
        """Make a segmenter that finds so many persons of the scene."""
        boxes = BOXES_XYXY[:persons]
        return networks.make_segmenter(config, self.device, boxes, tiny=self.tiny)

    def randn(self, *shape: int) -> torch.Tensor:
        """Return noise in the networks' dtype; zeros would draw less power."""
        return torch.randn(*shape, device=self.device, dtype=networks.choose_dtype(self.device))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def measure_seconds(self, work: Callable[[], object]) -> float:
        """Return the median of the wall clock, after runs that are not counted.

        They are two: the first frame draws a person of each size alone, to learn what memory that
        takes, and the second is the first with the batches that all others have.
        """
        durations_s = []
        warm_up = 1 if self.tiny else _WARM_UP
        for _ in range(warm_up + self._repeat):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            durations_s.append(time.perf_counter() - start)
        return statistics.median(durations_s[warm_up:])

    @torch.no_grad()
    def measure_call(
        self, work: Callable[[], object], repeat: int = 10, warm: int = 3
    ) -> dict[str, float]:
        """Return the median time of the device, and of the host to launch it, in ms."""
        if self.tiny:
            repeat = warm = 1
        for _ in range(warm):
            work()
        self.wait()
        times_ms, launches_ms = [], []
        for _ in range(repeat):
            begin, end = self._make_event(), self._make_event()
            begin.record()
            start = time.perf_counter()
            work()
            launches_ms.append((time.perf_counter() - start) * 1e3)
            end.record()
            self.wait()
            times_ms.append(begin.elapsed_time(end))
        return {
            "ms": round(statistics.median(times_ms), 3),
            "min_ms": round(min(times_ms), 3),
            "launch_ms": round(statistics.median(launches_ms), 3),
        }

    def _make_event(self) -> Any:
        if self.device.type == "cuda":
            return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        return _HostEvent()

    def measure_ceiling(self) -> dict[str, float]:
        """Measure a large matrix product and a large copy; keep the former as the ceiling."""
        side = 256 if self.tiny else 8192
        a, b = self.randn(side, side), self.randn(side, side)
        product = self.measure_call(lambda: a @ b, repeat=20)
        source = torch.randint(
            0, 255, (1 << (20 if self.tiny else 31),), dtype=torch.uint8, device=self.device
        )
        target = torch.empty_like(source)
        copy = self.measure_call(lambda: target.copy_(source))
        self.ceiling = 2 * side**3 / 1e9 / product["ms"]
        return {
            "matmul_tflop_per_s": round(self.ceiling, 4),
            "matmul_ms": product["ms"],
            "copy_tb_per_s": round(2 * len(source) / 1e9 / copy["ms"], 2),
        }

    def make_unet_inputs(self, shape: Shape) -> dict[str, Any]:
        """Make keywords of a UNet call on images of a size, at scale."""
        height, width, count = self.scale(shape)
        tokens = self.unet.config.cross_attention_dim
        return {
            "sample": self.randn(count, 9, height // 8, width // 8),
            "timestep": torch.tensor(599.0, device=self.device),
            "encoder_hidden_states": self.randn(count, 77, tokens),
            "added_cond_kwargs": {
                "text_embeds": self.randn(count, 1280),
                "time_ids": self.randn(count, 6),
            },
            "return_dict": False,
        }

    def measure_unet(self, unet: Any, shape: Shape) -> dict[str, float]:
        """Measure calls of a UNet, and their share of the ceiling."""
        inputs = self.make_unet_inputs(shape)
        result = self.measure_call(lambda: unet(**inputs))
        return result | self._rate(
            networks.get_unet_tflop(*self.scale(shape), tiny=self.tiny), result["ms"]
        )

    def _rate(self, tflop: float, milliseconds: float) -> dict[str, float]:
        reached = tflop / milliseconds * 1e3
        return {
            "tflop_per_s": round(reached, 1),
            "share_of_ceiling": round(reached / self.ceiling, 3),
        }

    def measure_scenes(
        self,
        profile: str,
        counts: Sequence[int],
        compile_mode: str = "off",
    ) -> dict[str, Any]:
        """Measure frames of a profile with so many persons."""
        config = self.make_config(profile, compile_mode)
        start = time.perf_counter()
        with self.open_inpainter(config) as inpainter:
            start_s = time.perf_counter() - start
            scenes = {}
            for count in counts:
                segmenter = self.make_segmenter(config, count)
                anonymizer = Anonymizer(segmenter, inpainter, config.mask, config.inpaint)
                scenes[count] = self._measure_scene(anonymizer, inpainter)
            return {
                "timesteps": inpainter.noise_schedule.timesteps,
                "start_s": start_s,
                "scenes": scenes,
                "fallbacks": dict(inpainter.fallbacks),
            }

    def _measure_scene(self, anonymizer: Anonymizer, inpainter: Any) -> dict[str, Any]:
        image = make_image()
        self._reset_peak()

        def work() -> None:
            anonymizer.anonymize(image)
            record_graphs(inpainter)  # in the frames that are not counted

        frame_s = self.measure_seconds(work)
        # Again, waiting for the device after each stage, which a frame in service does not.
        passes = []
        for _ in range(_STAGED_PASSES):
            shapes: list[Shape] = []
            with self._measure_stages(anonymizer, inpainter.diffusion, shapes) as stage_s:
                self.wait()
                start = time.perf_counter()
                result = anonymizer.anonymize(image)
                self.wait()
                staged_s = time.perf_counter() - start
            stages = {stage: stage_s[stage] for stage in STAGES}
            passes.append(stages | {"host": staged_s - sum(stages.values())})
        stages = sorted(passes, key=itemgetter("host"))[_STAGED_PASSES // 2]
        calls = len(inpainter.noise_schedule.timesteps)
        tflop = sum(calls * networks.get_unet_tflop(*shape, tiny=self.tiny) for shape in shapes)
        reached = tflop / stages["denoise"]
        return {
            "persons": len(result.outcomes),
            "inpainted": sum(o.kind is OutcomeKind.INPAINTED for o in result.outcomes),
            "frame_s": frame_s,
            "person_s": frame_s / len(result.outcomes),
            "stages_s": stages,
            "unet_images": [f"{w}x{h} x {n}" for h, w, n in shapes],
            "unet_tflop": tflop,
            "unet_tflop_per_s": reached,
            "unet_share_of_ceiling": reached / self.ceiling,
            "peak_gib": self._read_peak_gib(),
        }

    @contextmanager
    def _measure_stages(
        self, anonymizer: Anonymizer, diffusion: Any, shapes: list[Shape]
    ) -> Iterator[dict[str, float]]:
        """Measure seconds per stage; ``shapes`` collects height, width, images of the UNet."""
        seconds: dict[str, float] = defaultdict(float)
        guided = len(diffusion.prompt.tokens)

        def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(work)
            def run(*arguments: Any) -> Any:
                self.wait()
                start = time.perf_counter()
                result = work(*arguments)
                self.wait()
                seconds[stage] += time.perf_counter() - start
                if stage == "denoise":
                    count, _, height, width = arguments[0].shape
                    shapes.append((height * 8, width * 8, guided * count))
                return result

            return run

        for stage in STAGES[1:]:
            setattr(diffusion, stage, timed(stage, getattr(diffusion, stage)))
        segment = anonymizer.segmenter.segment
        object.__setattr__(anonymizer.segmenter, "segment", timed("segment", segment))
        try:
            yield seconds
        finally:
            for stage in STAGES[1:]:
                delattr(diffusion, stage)
            object.__delattr__(anonymizer.segmenter, "segment")

    def measure_batch(
        self, profile: str, shape: Shape, compile_mode: str = "off"
    ) -> dict[str, Any]:
        """Measure the networks on a full batch of noise, per person."""
        _, _, persons = self.scale(shape)
        with self.open_inpainter(self.make_config(profile, compile_mode)) as inpainter:
            work = self.prepare_batch(inpainter, shape)
            result = self.measure_call(work, repeat=3, warm=2)
            if not torch.isfinite(work()).all():
                message = "the images are not finite"
                raise RuntimeError(message)
        return result | {"ms_per_person": result["ms"] / persons}

    def prepare_batch(self, inpainter: Any, shape: Shape) -> Callable[[], torch.Tensor]:
        """Return the work on a full batch of noise."""
        height, width, persons = self.scale(shape)
        images = torch.rand(persons, 3, height, width, device=self.device) * 2 - 1
        cells = torch.ones(persons, 1, height // 8, width // 8, device=self.device)

        def work() -> torch.Tensor:
            result: torch.Tensor = inpainter.diffusion.inpaint_batch(
                images, cells, list(range(persons))
            )
            record_graphs(inpainter)  # after the first call, which is not counted
            return result

        return work

    def measure_diffusers(self, counts: Sequence[int], *, batched: bool) -> dict[str, Any]:
        """Measure diffusers' pipeline with the paper's settings, a call per person or per frame."""
        diffusion = networks.make_diffusion(self.make_config("paper"), self.device, tiny=self.tiny)
        pipeline = networks.make_pipeline(diffusion)
        side, _, _ = self.scale((1024, 1024, 1))
        crop = Image.fromarray(make_image()[:side, :side])
        mask = Image.fromarray(np.full((side, side), 255, np.uint8))

        def draw(count: int) -> None:
            pipeline(
                image=[crop] * count,
                mask_image=[mask] * count,
                height=side,
                width=side,
                strength=0.6,
                num_inference_steps=_TINY_STEPS if self.tiny else _STEPS,
                guidance_scale=7.0,
                output_type="np",
                **networks.make_prompt_options(diffusion.prompt, count),
            )

        draw(1)
        scenes = {}
        for count in counts:
            self._reset_peak()
            self.wait()
            start = time.perf_counter()
            for size in [count] if batched else [1] * count:
                draw(size)
            self.wait()
            frame_s = time.perf_counter() - start
            scenes[count] = {
                "persons": count,
                "frame_s": frame_s,
                "person_s": frame_s / count,
                "peak_gib": self._read_peak_gib(),
            }
        return {"scenes": scenes}

    def _reset_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def _read_peak_gib(self) -> float | None:
        if self.device.type != "cuda":
            return None
        return float(torch.cuda.max_memory_allocated(self.device)) / 2**30
