"""The figures of each part, most valuable first."""

import platform
import shutil
import subprocess
import time
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from typing import Any

import random_networks as networks
import torch
from gpu_speed.bench import ROOT, Bench, Shape
from gpu_speed.goals import BATCH_512, FAST_BATCH, GUIDED_1024
from gpu_speed.goals import name_shape as _name
from gpu_speed.graphs import RecordedUnet, count_compilations
from gpu_speed.profiles import profile_work
from gpu_speed.report import Report
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from anon_ros.config import load_config
from anon_ros.models.inpainting.acceleration import compile_blocks, fuse_qkv

# Height, width, images in the UNet. The first three are those of the goals.
SHAPES: tuple[Shape, ...] = (
    FAST_BATCH,
    GUIDED_1024,
    BATCH_512,
    (768, 384, 2),
    (512, 256, 8),
    (1024, 512, 2),
)
# Keywords of UNet calls and what they returned, by a name.
Calls = dict[str, tuple[dict[str, Any], torch.Tensor]]
_PACKAGES = ("torchvision", "triton", "numpy", "diffusers", "transformers", "ultralytics")
_COMPILE_S = 130


def describe_machine(bench: Bench, commit: str) -> dict[str, Any]:
    """Return the machine, its packages, and the commit, asked of git if empty."""
    device = bench.device
    gpu: dict[str, Any] = {"gpu": "no GPU"}
    if device.type == "cuda":
        gpu = {"gpu": torch.cuda.get_device_name(device), "driver": _run_nvidia_smi()}
        gpu["memory_gib"] = round(torch.cuda.mem_get_info(device)[1] / 2**30, 1)
    return gpu | {
        "tiny": bench.tiny,
        "cpu": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "packages": {name: _find_version(name) for name in _PACKAGES},
        "commit": commit or _ask_git(),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def _find_version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _ask_git() -> str:
    return _run("git", "describe", "--always", "--dirty") or "unknown"


def _run_nvidia_smi() -> str:
    query = "driver_version,clocks.sm,clocks.max.sm,power.limit,temperature.gpu"
    return _run("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader")


def _run(*command: str) -> str:
    """Return what a command prints; empty if it is missing or fails."""
    path = shutil.which(command[0])
    if path is None:
        return ""
    done = subprocess.run(
        [path, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout.strip()


def check(bench: Bench) -> dict[str, float]:
    """Return the relative error of the latents after a step, against diffusers."""
    device = bench.device
    config = load_config(overrides={"inpaint.steps": 2, "inpaint.beta_d": 0.6})
    ours = networks.make_diffusion(config, device, tiny=bench.tiny)
    height, width, _ = bench.scale((512, 256, 1))
    images = (bench.randn(1, 3, height, width) / 2).clamp(-1, 1)
    cells = torch.zeros(1, 1, height // 8, width // 8, device=device, dtype=ours.dtype)
    cells[..., : height // 16, : width // 16] = 1
    pixels = torch.nn.functional.interpolate(cells, scale_factor=8)
    latents, masked = ours.encode(images), ours.encode(images * (1 - pixels))
    start = time.perf_counter()
    actual = ours.denoise(latents, masked, cells, [7])
    bench.wait()
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
    return {
        "relative_error": _compare(actual, expected),
        "relative_change": _compare(actual, latents),
        "step_s": ours_s,
    }


def _compare(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the norm of the difference in units of the norm of ``expected``."""
    expected = expected.float()
    return float((actual.float() - expected).norm() / expected.norm())


def begin(report: Report, bench: Bench, commit: str) -> None:
    """Describe the machine and measure its ceilings, which each part needs."""
    report.run("machine", lambda: describe_machine(bench, commit))
    report.run("ceiling", bench.measure_ceiling)


def run_check(report: Report, bench: Bench) -> None:
    """Compare our loop with diffusers' pipeline, at full size."""
    report.run("our loop against diffusers'", lambda: check(bench), 15)


def run_eager(report: Report, bench: Bench) -> None:
    """Measure what ships, uncompiled, against diffusers."""
    run_check(report, bench)
    one_by_one = partial(bench.measure_diffusers, (1, 5), batched=False)
    report.run("diffusers, one by one", one_by_one, 20)
    for profile_name, counts in (("fast", (1, 5)), ("paper", (1,)), ("quality", (1, 5))):
        report.run(profile_name, partial(bench.measure_scenes, profile_name, counts), 15)
    # From here the UNet is fused, as the profiles' inpainters left it.
    for shape in SHAPES[:5]:
        report.run(f"UNet, {_name(shape)}", partial(bench.measure_unet, bench.unet, shape))
    report.run("fast, batch", partial(bench.measure_batch, "fast", FAST_BATCH), 5)
    for kind in ("full", "tiny"):
        for shape in ((1024, 1024, 1), (768, 384, 1), (768, 384, 7), (768, 384, 8)):
            report.run(f"VAE {kind}, {_name(shape)}", partial(_measure_vae, bench, kind, shape))
    _measure_kernels(report, bench)
    for dtype in (torch.float32, networks.choose_dtype(bench.device)):
        report.run(f"detector, {dtype}", partial(_measure_detector, bench, dtype), 5)
    report.run(f"profile, {_name(FAST_BATCH)}", lambda: _profile_unet(bench), 8)
    report.run("fast, 20 persons", lambda: bench.measure_scenes("fast", (20,)), 10)
    report.run("balanced", lambda: bench.measure_scenes("balanced", (5,)), 12)
    report.run("diffusers, batched", lambda: _measure_batched_diffusers(bench), 25)
    report.run("quality, 20 persons", lambda: bench.measure_scenes("quality", (20,)), 35)


def _measure_vae(bench: Bench, kind: str, shape: Shape) -> dict[str, Any]:
    vae = bench.get_vae(kind)
    height, width, count = bench.scale(shape)
    images = bench.randn(count, 3, height, width)
    latents = bench.randn(count, 4, height // 8, width // 8)
    return {
        "encode": bench.measure_call(lambda: vae.encode(images), repeat=5),
        "decode": bench.measure_call(lambda: vae.decode(latents, return_dict=False), repeat=5),
    }


def _measure_kernels(report: Report, bench: Bench) -> None:
    """Measure the kernels of attention, at the sizes of the UNet's two levels."""
    for shape in SHAPES[:3]:
        height, width, count = bench.scale(shape)
        for heads, factor in ((10, 16), (20, 32)):
            tokens = max(1, (height // factor) * (width // factor))
            for backend in _list_backends(bench.device):
                name = f"attention, {_name(shape)}, {heads} heads, {backend.name}"
                sizes = (count, heads, tokens)
                report.run(name, partial(_measure_attention, bench, sizes, backend))


def _list_backends(device: torch.device) -> list[SDPBackend]:
    if device.type != "cuda":
        return [SDPBackend.MATH]
    return [
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
    ]


def _measure_attention(
    bench: Bench, sizes: Shape, backend: SDPBackend
) -> dict[str, dict[str, float]]:
    query, key, value = (bench.randn(*sizes, 64) for _ in range(3))
    count, heads, _ = sizes
    prompt_key, prompt_value = (bench.randn(count, heads, 77, 64) for _ in range(2))
    with sdpa_kernel(backend):
        return {
            "self": bench.measure_call(lambda: scaled_dot_product_attention(query, key, value)),
            "prompt": bench.measure_call(
                lambda: scaled_dot_product_attention(query, prompt_key, prompt_value)
            ),
        }


def _measure_detector(bench: Bench, dtype: torch.dtype) -> dict[str, Any]:
    """Measure the detector's network alone, on one image and on four."""
    config = bench.make_config("fast").detect
    model = deepcopy(networks.make_yolo(bench.device, tiny=bench.tiny)).to(dtype)
    width = config.inference_px
    height = -(-width * 9 // 16 // 32) * 32
    results = {}
    for count in (1, 4):
        images = torch.rand(count, 3, height, width, device=bench.device).to(dtype)
        results[count] = bench.measure_call(partial(model, images))
    return {"size": f"{width}x{height}", "images": results}


def _profile_unet(bench: Bench) -> dict[str, Any]:
    inputs = bench.make_unet_inputs(FAST_BATCH)
    return profile_work(bench, lambda: bench.unet(**inputs))


def _measure_batched_diffusers(bench: Bench) -> dict[str, Any]:
    _restore_networks(bench)
    return bench.measure_diffusers((5,), batched=True)


def _restore_networks(bench: Bench) -> None:
    """Undo what a released inpainter leaves of the networks that the process shares."""
    from diffusers.models.attention_processor import AttnProcessor2_0  # noqa: PLC0415

    for network in (bench.unet, bench.get_vae("full")):
        network.set_attn_processor(AttnProcessor2_0())
        network.to(memory_format=torch.contiguous_format)


def run_graphs(report: Report, bench: Bench) -> None:
    """Measure the same behind CUDA graphs, then with compiled blocks."""
    unet = bench.unet
    for shape in SHAPES[:3]:
        report.run(f"UNet, as made, {_name(shape)}", partial(bench.measure_unet, unet, shape))
    plain = _call_plainly(bench)
    graphed = RecordedUnet(unet, bench.device)
    _measure_graphed(report, bench, graphed, "as made", SHAPES[:3])
    report.run("graph against plain call", partial(_compare_calls, graphed, plain))
    del graphed
    fuse_qkv(unet, bench.get_vae("tiny"))
    unet.to(memory_format=torch.channels_last)
    # One compilation for all shapes, as a service that starts in seconds needs.
    compile_blocks(unet, "eager" if bench.tiny else "inductor")
    graphed = RecordedUnet(unet, bench.device, is_compiled=True)
    _measure_graphed(report, bench, graphed, "blocks compiled", SHAPES, 15)
    report.run("compiled graph against plain call", partial(_compare_calls, graphed, plain))
    report.run("compilations", count_compilations)


def _measure_graphed(  # noqa: PLR0913, PLR0917 - steps of the report
    report: Report,
    bench: Bench,
    graphed: RecordedUnet,
    name: str,
    shapes: Sequence[Shape],
    needs_s: float = 5,
) -> None:
    for shape in shapes:
        work = partial(bench.measure_unet, graphed, shape)
        report.run(f"UNet, graph, {name}, {_name(shape)}", work, needs_s)


@torch.no_grad()
def _call_plainly(bench: Bench) -> Calls:
    """Return inputs and outputs of the UNet as made, by the shape's name."""
    inputs = {_name(shape): bench.make_unet_inputs(shape) for shape in SHAPES[:2]}
    return {name: (keywords, bench.unet(**keywords)[0]) for name, keywords in inputs.items()}


@torch.no_grad()
def _compare_calls(unet: Any, plain: Calls) -> dict[str, float]:
    """Return the relative error of another way to call the UNet, for the same inputs."""
    return {
        name: _compare(unet(**keywords)[0], expected)
        for name, (keywords, expected) in plain.items()
    }


def run_compiled(report: Report, bench: Bench) -> None:
    """Measure the UNet compiled as a whole, a shape after another; each takes minutes."""
    fuse_qkv(bench.unet, bench.get_vae("tiny"))
    options = {"backend": "eager"} if bench.tiny else {"mode": "default"}
    bench.unet.compile(fullgraph=True, dynamic=False, **options)
    graphed = RecordedUnet(bench.unet, bench.device)
    _measure_graphed(report, bench, graphed, "compiled whole", SHAPES[:3], _COMPILE_S)
