"""Measure the inpainting speed: diffusers per person, diffusers batched, and all profiles.

Needs no weights: the real architectures with random ones. Writes a JSON file and prints a table;
on a GPU the table also replaces the one in docs/performance.md.

    make bench-gpu                          # on a GPU, about half an hour
    make bench-gpu ARGS='--profiles fast'   # a part of it
    python bench/gpu.py --tiny              # tiny networks, to check the script (so without GPU)
    python bench/gpu.py --check             # full size: one step of our loop against diffusers'
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache, wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from anon_ros.config import Config, MaskConfig, load_config, num_denoising_steps
from anon_ros.core import Anonymizer, OutcomeKind, make_region
from anon_ros.core.crops import plan_crop
from anon_ros.models.inpainting.buckets import Bucket, Buckets
from anon_ros.models.weights.offline import disable_network_access

disable_network_access()

import random_networks as networks  # noqa: E402 - imports diffusers, after the switches
from street_scene import BOXES_XYXY, SCENES, make_image  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench-gpu: begin -->", "<!-- bench-gpu: end -->"
PROFILES = ("paper", "quality", "balanced", "fast")
# Dense bf16: measured by others on an H200, the makers' data sheets for the rest.
_TFLOP_PER_S = {"H200": 790, "RTX 4090": 165, "L4": 121, "AGX Orin": 42.5}
_SHARE = 0.45
STAGES = ("segment", "encode", "denoise", "decode")


class Bench:
    """Run of the benchmark on a device."""

    def __init__(self, device: torch.device, repeat: int, *, tiny: bool) -> None:
        self.device = device
        self.repeat = repeat
        self.tiny = tiny
        self.generate_px = 64 if tiny else 1024
        self.steps = 10 if tiny else 50  # of diffusers and, if tiny, of each profile
        # Height, width, persons: the sizes that the goals in docs/performance.md name.
        side = self.generate_px
        self.shapes = (
            (side, side, 1),
            (side // 2, side // 2, 8),
            (side * 3 // 4, side * 3 // 8, 8),
        )

    def make_config(self, profile: str) -> Config:
        overrides: dict[str, object] = {"inpaint.dtype": "auto"}
        if self.tiny:
            overrides |= {"inpaint.generate_px": self.generate_px, "detect.inference_px": 320}
            overrides["inpaint.steps"] = self.steps
        return load_config(ROOT / "config" / "profiles" / f"{profile}.yaml", overrides)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def measure_seconds(self, work: Callable[[], object], repeat: int) -> list[float]:
        """Return the seconds of every repetition, after a warm-up that is not counted."""
        durations_s = []
        for _ in range(repeat + 1):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            durations_s.append(time.perf_counter() - start)
        return durations_s[1:]

    def measure_matmul_tflop_per_s(self) -> float:
        """Return the ceiling: the best of several large matrix products."""
        side = 256 if self.tiny else 8192
        dtype = networks.choose_dtype(self.device)
        a, b = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
        return 2 * side**3 / 1e12 / min(self.measure_seconds(lambda: a @ b, 20))

    def read_peak_gib(self) -> float | None:
        if self.device.type != "cuda":
            return None
        return float(torch.cuda.max_memory_allocated(self.device)) / 2**30

    def measure_profile(self, name: str, scenes: tuple[int, ...], ceiling: float) -> dict[str, Any]:
        config = self.make_config(name)
        start = time.perf_counter()
        inpainter = networks.make_inpainter(config, self.device, tiny=self.tiny)
        report: dict[str, Any] = {
            "timesteps": inpainter.noise_schedule.timesteps,
            "noise_ratio": inpainter.noise_schedule.noise_ratio,
            "start_s": time.perf_counter() - start,
            "scenes": {},
        }
        for count in scenes:
            boxes = BOXES_XYXY[:count]
            segmenter = networks.make_segmenter(config, self.device, boxes, tiny=self.tiny)
            anonymizer = Anonymizer(segmenter, inpainter, config.mask, config.inpaint)
            report["scenes"][count] = self.measure_scene(anonymizer, inpainter, ceiling)
        if config.inpaint.aspect != "square":
            report["batches"] = [
                self.measure_batch(inpainter, *shape, ceiling) for shape in self.shapes
            ]
        report["fallbacks"] = dict(inpainter.fallbacks)
        return report

    def measure_batch(
        self, inpainter: Any, height_px: int, width_px: int, persons: int, ceiling: float
    ) -> dict[str, Any]:
        """Measure a full batch of a size, with images on the device, and the UNet's part of it."""
        diffusion = inpainter.diffusion
        images = torch.zeros(persons, 3, height_px, width_px, device=self.device)
        cells = torch.ones(persons, 1, height_px // 8, width_px // 8, device=self.device)
        seeds = list(range(persons))
        latents = diffusion.encode(images)
        half = cells.to(diffusion.dtype)
        batch_s = self.measure_seconds(
            lambda: diffusion.inpaint_batch(images, cells, seeds), self.repeat
        )
        chain = self.measure_seconds(
            lambda: diffusion.denoise(latents, latents, half, seeds), self.repeat
        )
        count = persons * (2 if diffusion._guidance_scale > 1 else 1)  # noqa: SLF001 - what runs
        tflop = networks.count_unet_tflop(height_px, width_px, count, tiny=self.tiny)
        reached = tflop * len(inpainter.noise_schedule.timesteps) / statistics.median(chain)
        return {
            "shape": f"{width_px}x{height_px} x {persons}",
            "person_s": statistics.median(batch_s) / persons,
            "unet_tflop_per_s": reached,
            "unet_share_of_ceiling": reached / ceiling,
        }

    def measure_scene(
        self, anonymizer: Anonymizer, inpainter: Any, ceiling: float
    ) -> dict[str, Any]:
        image = make_image()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        frame_s = statistics.median(
            self.measure_seconds(lambda: anonymizer.anonymize(image), self.repeat)
        )
        # Again, waiting for the device after each stage, which a frame in service does not.
        shapes: list[tuple[int, int, int]] = []
        with self.measure_stages(anonymizer, inpainter.diffusion, shapes) as stage_s:
            self.wait()
            start = time.perf_counter()
            result = anonymizer.anonymize(image)
            self.wait()
            staged_s = time.perf_counter() - start
        stages = {stage: stage_s[stage] for stage in STAGES}
        calls = len(inpainter.noise_schedule.timesteps)
        tflop = sum(calls * networks.count_unet_tflop(*shape, tiny=self.tiny) for shape in shapes)
        persons = len(result.outcomes)
        reached = tflop / stages["denoise"]
        return {
            "persons": persons,
            "inpainted": sum(o.kind is OutcomeKind.INPAINTED for o in result.outcomes),
            "frame_s": frame_s,
            "person_s": frame_s / persons,
            "stages_s": stages | {"host": staged_s - sum(stages.values())},
            "unet_images": [f"{w}x{h} x {n}" for h, w, n in shapes],
            "unet_tflop": tflop,
            "unet_tflop_per_s": reached,
            "unet_share_of_ceiling": reached / ceiling,
            "peak_gib": self.read_peak_gib(),
        }

    @contextmanager
    def measure_stages(
        self, anonymizer: Anonymizer, diffusion: Any, shapes: list[tuple[int, int, int]]
    ) -> Iterator[dict[str, float]]:
        """Measure seconds per stage; ``shapes`` collects height, width, images of the UNet."""
        seconds: dict[str, float] = defaultdict(float)
        guided = 2 if diffusion._guidance_scale > 1 else 1  # noqa: SLF001 - what runs

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

    def measure_diffusers(self, scenes: tuple[int, ...], *, batched: bool) -> dict[str, Any]:
        """Measure diffusers' pipeline with the paper's settings, a call per person or per frame."""
        config = self.make_config("paper")
        diffusion = networks.make_diffusion(config, self.device, tiny=self.tiny)
        pipeline = networks.make_pipeline(diffusion)
        side = self.generate_px
        crop = Image.fromarray(make_image()[:side, :side])
        mask = Image.fromarray(np.full((side, side), 255, np.uint8))

        def draw(count: int) -> None:
            pipeline(
                image=[crop] * count,
                mask_image=[mask] * count,
                height=side,
                width=side,
                strength=0.6,
                num_inference_steps=self.steps,
                guidance_scale=7.0,
                output_type="np",
                **networks.make_prompt_options(diffusion.prompt, count),
            )

        report: dict[str, Any] = {"scenes": {}}
        for count in scenes:
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
            calls = [count] if batched else [1] * count
            try:
                durations_s = self.measure_seconds(lambda calls=calls: [draw(n) for n in calls], 1)  # type: ignore[misc]
            except torch.cuda.OutOfMemoryError:
                report["scenes"][count] = {"persons": count, "error": "out of memory"}
                continue
            frame_s = statistics.median(durations_s)
            report["scenes"][count] = {
                "persons": count,
                "frame_s": frame_s,
                "person_s": frame_s / count,
                "peak_gib": self.read_peak_gib(),
            }
        return report


def check(device: torch.device) -> dict[str, float]:
    """Return the relative error of the latents after a step, against diffusers at full size."""
    config = load_config(overrides={"inpaint.steps": 2, "inpaint.beta_d": 0.6})
    ours = networks.make_diffusion(config, device, tiny=False)
    height, width = 512, 256
    generator = torch.Generator(device).manual_seed(0)
    options: dict[str, Any] = {"generator": generator, "device": device}
    images = (torch.rand(1, 3, height, width, **options) * 2 - 1).to(ours.dtype)
    cells = torch.zeros(1, 1, height // 8, width // 8, device=device, dtype=ours.dtype)
    cells[..., 8:56, 8:24] = 1
    pixels = torch.nn.functional.interpolate(cells, scale_factor=8)
    latents, masked = ours.encode(images), ours.encode(images * (1 - pixels))
    start = time.perf_counter()
    actual = ours.denoise(latents, masked, cells, [7])
    ours_s = time.perf_counter() - start
    pipeline = networks.make_pipeline(ours)
    pipeline.scheduler = ours.scheduler
    with torch.no_grad():
        expected = pipeline(
            image=latents,
            mask_image=pixels.float(),
            masked_image_latents=masked,
            height=height,
            width=width,
            timesteps=[999, *ours.noise_schedule.timesteps],
            strength=0.75,
            guidance_scale=7.0,
            generator=[torch.Generator(device).manual_seed(7)],
            output_type="latent",
            **networks.make_prompt_options(ours.prompt, 1),
        ).images
    error = (actual.float() - expected.float()).norm() / expected.float().norm()
    changed = (actual.float() - latents.float()).norm() / latents.float().norm()
    return {"relative_error": float(error), "relative_change": float(changed), "step_s": ours_s}


def predict(scenes: tuple[int, ...]) -> str:
    """Return a table of the UNet's cost by arithmetic, not by measurement."""
    lines = [
        f"| | persons | TFLOP / frame | {' | '.join(f'{gpu}, s' for gpu in _TFLOP_PER_S)} |",
        "| --- |" + " ---: |" * (2 + len(_TFLOP_PER_S)),
    ]
    for profile in PROFILES:
        inpaint = load_config(ROOT / "config" / "profiles" / f"{profile}.yaml").inpaint
        square = inpaint.aspect == "square"
        buckets = Buckets(inpaint.generate_px, square=square)
        calls = num_denoising_steps(inpaint.steps, inpaint.beta_d) * (
            2 if inpaint.guidance_scale > 1 else 1
        )
        for count in scenes:
            tflop = 0.0
            for box in BOXES_XYXY[:count]:
                x0, y0, x1, y1 = (int(value) for value in box)
                mask = np.zeros((1080, 1920), np.bool_)
                mask[y0:y1, x0:x1] = True
                region = make_region(mask, box, MaskConfig())
                roi = plan_crop(region, 1920, 1080, inpaint.context_ratio, square=square)
                bucket = buckets.choose(roi.height_px, roi.width_px)
                tflop += calls * _count_tflop(bucket)
            seconds = (f"{tflop / (_SHARE * ceiling):.2f}" for ceiling in _TFLOP_PER_S.values())
            lines.append(f"| {profile} | {count} | {tflop:.0f} | {' | '.join(seconds)} |")
    return "\n".join(lines)


@cache
def _count_tflop(bucket: Bucket) -> float:
    return networks.count_unet_tflop(bucket.height_px, bucket.width_px, 1, tiny=False)


def describe_machine(device: torch.device) -> dict[str, str]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else "no GPU"
    return {
        "gpu": gpu,
        "cpu": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "commit": commit,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": " ".join(["python", *sys.argv]),
    }


def format_table(report: dict[str, Any]) -> str:
    host = report["machine"]
    lines = [
        (
            f"{host['gpu']}, torch {host['torch']}, commit {host['commit']}, {host['date']}, "
            f"`{host['command']}`. Matrix product: {report['matmul_tflop_per_s']:.0f} TFLOP/s."
        ),
        "",
        (
            "| | persons | s / frame | s / person | segment | encode | UNet | decode | host | "
            "UNet TFLOP/s | of the ceiling | GiB |"
        ),
        "| --- |" + " ---: |" * 11,
    ]
    for name, result in report["results"].items():
        lines += [_format_row(name, scene) for scene in result["scenes"].values()]
    lines += [
        "",
        "| | batch | ms / person | UNet TFLOP/s | of the ceiling |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name, result in report["results"].items():
        lines += [
            f"| {name} | {batch['shape']} | {batch['person_s'] * 1000:.1f} "
            f"| {batch['unet_tflop_per_s']:.0f} | {batch['unet_share_of_ceiling']:.0%} |"
            for batch in result.get("batches", [])
        ]
    return "\n".join(lines) + "\n"


def _format_row(name: str, scene: dict[str, Any]) -> str:
    if "error" in scene:
        return f"| {name} | {scene['persons']} | {scene['error']} |" + " |" * 9
    stages = scene.get("stages_s", {})
    times = [stages.get(stage) for stage in (*STAGES, "host")]
    cells = [
        name,
        str(scene["persons"]),
        f"{scene['frame_s']:.3f}",
        f"{scene['person_s']:.3f}",
        *("" if value is None else f"{value:.3f}" for value in times),
        f"{scene['unet_tflop_per_s']:.0f}" if stages else "",
        f"{scene['unet_share_of_ceiling']:.0%}" if stages else "",
        "" if scene["peak_gib"] is None else f"{scene['peak_gib']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profiles", nargs="+", choices=PROFILES, default=PROFILES)
    parser.add_argument("--scenes", nargs="+", type=int, choices=SCENES, default=SCENES)
    parser.add_argument("--repeat", type=int, default=5, help="frames that are timed")
    parser.add_argument("--no-reference", action="store_true", help="leave diffusers' way out")
    parser.add_argument("--tiny", action="store_true", help="tiny networks; no figure is kept")
    parser.add_argument("--check", action="store_true", help="full size against diffusers, once")
    parser.add_argument("--predict", action="store_true", help="print the costs by arithmetic")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "gpu.json")
    arguments = parser.parse_args()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if arguments.predict:
        print(predict(tuple(arguments.scenes)))
        return 0
    if arguments.check:
        print(json.dumps(describe_machine(device) | check(device), indent=2))
        return 0
    tiny = arguments.tiny or device.type == "cpu"
    if tiny and not arguments.tiny:
        print("no GPU: tiny networks, to check the script; none of the figures counts")
    bench = Bench(device, arguments.repeat, tiny=tiny)
    scenes = tuple(arguments.scenes)
    report: dict[str, Any] = {"machine": describe_machine(device), "tiny": tiny}
    report["matmul_tflop_per_s"] = ceiling = bench.measure_matmul_tflop_per_s()
    jobs: dict[str, Callable[[], dict[str, Any]]] = {}
    if not arguments.no_reference:
        jobs["diffusers, one by one"] = lambda: bench.measure_diffusers(scenes, batched=False)
        jobs["diffusers, batched"] = lambda: bench.measure_diffusers(scenes, batched=True)
    for name in arguments.profiles:
        jobs[name] = lambda name=name: bench.measure_profile(name, scenes, ceiling)  # type: ignore[misc]
    report["results"] = {}
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    for name, job in jobs.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        report["results"][name] = job()
        arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(format_table(report))
    if not tiny:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        page = f"{before}{BEGIN}\n{format_table(report)}{END}{rest.split(END)[1]}"
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
