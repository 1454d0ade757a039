"""The parts that the goals need: the profiles as they ship, their start, and 8-bit layers."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import random_networks as networks
import torch
from gpu_speed.bench import Bench, Shape
from gpu_speed.goals import (
    BATCH_512,
    FAST_BATCH,
    GUIDED_1024,
    find_largest_gap,
    judge_fp8,
    name_shape,
)
from gpu_speed.graphs import record_graphs
from gpu_speed.parts import describe_machine
from gpu_speed.profiles import profile_work
from gpu_speed.report import Report
from street_scene import make_image

from anon_ros.config import Config
from anon_ros.core import Anonymizer

_SHAPES: tuple[Shape, ...] = (GUIDED_1024, BATCH_512)
_PERSONS = 5


def run_goals(report: Report, bench: Bench, compile_mode: str) -> None:
    """Measure what the goals need, then profile the largest gap."""
    report.run("settings", lambda: {"compile_mode": compile_mode})
    # First: an inpainter fuses and compiles the UNet that the process shares.
    reference = partial(bench.measure_diffusers, (2,), batched=False)
    report.run("diffusers, one by one", reference, 15)
    measure = partial(bench.measure_scenes, compile_mode=compile_mode)
    report.run("fast", lambda: measure("fast", (1, _PERSONS)), 20)
    batch = partial(bench.measure_batch, "fast", FAST_BATCH, compile_mode=compile_mode)
    report.run("fast, batch", batch, 8)
    report.run("quality", lambda: measure("quality", (_PERSONS,)), 20)
    for shape in _SHAPES:
        work = partial(_measure_unet, bench, compile_mode, shape)
        report.run(f"UNet, {name_shape(shape)}", work, 8)
    report.run("largest gap", lambda: _explain_gap(report.results, bench, compile_mode), 20)


def _measure_unet(bench: Bench, compile_mode: str, shape: Shape) -> dict[str, float]:
    with bench.open_inpainter(bench.make_config("quality", compile_mode)) as inpainter:
        _prepare_unet(bench, inpainter, shape)()
        return bench.measure_unet(inpainter.diffusion.unet, shape)


def _prepare_unet(bench: Bench, inpainter: Any, shape: Shape) -> Callable[[], torch.Tensor]:
    """Return a call of an inpainter's UNet, after which the size is recorded."""
    inputs = bench.make_unet_inputs(shape)

    def call() -> torch.Tensor:
        with torch.no_grad():
            result: torch.Tensor = inpainter.diffusion.unet(**inputs)[0]
        record_graphs(inpainter)  # after the first call
        return result

    return call


def _explain_gap(results: dict[str, Any], bench: Bench, compile_mode: str) -> dict[str, Any]:
    """Profile the work that is farthest from its goal."""
    goal = find_largest_gap(results)
    if goal is None:
        message = "no goal was measured"
        raise RuntimeError(message)
    shapes = {f"UNet, {name_shape(shape)}": shape for shape in _SHAPES}
    profile = "quality" if goal.step in shapes else goal.step.removesuffix(", batch")
    config = bench.make_config(profile, compile_mode)
    gap = {"goal": goal.name, "factor": goal.measure_gap({"goals": results})}
    with bench.open_inpainter(config) as inpainter:
        work: Callable[[], object]
        if goal.step in shapes:
            work = _prepare_unet(bench, inpainter, shapes[goal.step])
        elif goal.step == "fast, batch":
            work = bench.prepare_batch(inpainter, FAST_BATCH)
        else:
            work = _prepare_frame(bench, inpainter, config)
        for _ in range(2):  # draws alone first, then in batches; records after each
            work()
        return gap | profile_work(bench, work)


def _prepare_frame(bench: Bench, inpainter: Any, config: Config) -> Callable[[], object]:
    """Return the work on a frame."""
    segmenter = bench.make_segmenter(config, _PERSONS)
    anonymizer = Anonymizer(segmenter, inpainter, config.mask, config.inpaint)
    image = make_image()

    def work() -> None:
        anonymizer.anonymize(image)
        record_graphs(inpainter)

    return work


def run_start(
    report: Report, bench: Bench, compile_mode: str, launched_s: float, commit: str
) -> None:
    """Measure the start of the profile fast, from the launch of this process on."""
    report.run("start", lambda: _measure_start(bench, compile_mode, launched_s), 5)
    # After the start, of which it is no part; however late, or no page takes the figure.
    report.run("machine", lambda: describe_machine(bench, commit), -math.inf)


def _measure_start(bench: Bench, compile_mode: str, launched_s: float) -> dict[str, float]:
    """Return seconds; ready_s runs from the launch until an inpainter waits for frames.

    Random weights are made in place of loading those of a file.
    """
    config = bench.make_config("fast", compile_mode)
    laps_s = [launched_s, time.monotonic()]

    def lap() -> None:
        bench.wait()
        laps_s.append(time.monotonic())

    networks.make_diffusion(config, bench.device, tiny=bench.tiny)
    segmenter = bench.make_segmenter(config, 1)
    lap()
    inpainter = bench.make_inpainter(config)
    lap()
    Anonymizer(segmenter, inpainter, config.mask, config.inpaint).anonymize(make_image())
    lap()
    names = ("imports_s", "weights_s", "inpainter_s", "first_frame_s")
    spans = {
        name: round(end - begin, 2)
        for name, begin, end in zip(names, laps_s, laps_s[1:], strict=False)
    }
    return spans | {"ready_s": round(laps_s[-2] - launched_s, 2)}


def run_fp8(report: Report, bench: Bench, compile_mode: str) -> None:
    """Compare the profiles with and without 8-bit linear layers, in one process."""
    inputs = {name_shape(shape): bench.make_unet_inputs(shape) for shape in (FAST_BATCH, *_SHAPES)}
    expected = _call_unet(bench, inputs)
    plain = _measure_profiles(report, bench, compile_mode, "none")
    # int8 to check the script: no CPU has fp8.
    precision = "fp8" if bench.device.type == "cuda" else "int8"
    eight_bit = _measure_profiles(report, bench, compile_mode, precision)

    def judge() -> dict[str, Any]:
        actual = _call_unet(bench, inputs)
        errors = {
            name: float((actual[name] - expected[name]).norm() / expected[name].norm())
            for name in inputs
        }
        gains = {name: plain[name] / eight_bit[name] for name in plain}
        return judge_fp8(gains, errors)

    report.run("8-bit against bfloat16", judge)


@torch.no_grad()
def _call_unet(bench: Bench, inputs: dict[str, dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return the outputs of the process's UNet, uncompiled."""
    with torch.compiler.set_stance("force_eager"):
        return {name: bench.unet(**keywords)[0].float() for name, keywords in inputs.items()}


def _measure_profiles(
    report: Report, bench: Bench, compile_mode: str, precision: str
) -> dict[str, float]:
    """Return the seconds per frame by profile."""
    seconds = {}
    for profile in ("fast", "quality"):
        config = bench.make_config(profile, compile_mode)
        config = replace(config, compute=replace(config.compute, quantize=precision))
        work = partial(_time_frame, bench, config)
        result = report.run(f"{profile}, quantize: {precision}", work, 20)
        if result is not None:
            seconds[profile] = result["frame_s"]
    return seconds


def _time_frame(bench: Bench, config: Config) -> dict[str, float]:
    # The same weights again: 8-bit layers are neither fused nor made 8-bit a second time.
    networks.make_unet.cache_clear()
    with bench.open_inpainter(config) as inpainter:
        return {"frame_s": bench.measure_seconds(_prepare_frame(bench, inpainter, config))}
