"""Kernels of a piece of work by the device's time, to see what a gap is made of."""

import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from gpu_speed.bench import Bench
from torch.profiler import ProfilerActivity, profile

# In this order: a convolution may run as a product of matrices.
_KINDS = {
    "compiled": re.compile(r"triton"),
    "attention": re.compile(r"flash|fmha|attention|sdpa"),
    "convolution": re.compile(r"conv|implicit|fprop|winograd"),
    "product": re.compile(r"gemm|cutlass|nvjet|cublas|addmm|splitk"),
    "normalization": re.compile(r"norm"),
    "copy": re.compile(r"copy|memcpy|memset|transpose|nchw|nhwc|cat"),
}
_MAX_LISTED = 25


@torch.no_grad()
def profile_work(bench: Bench, work: Callable[[], object]) -> dict[str, Any]:
    """Return the kernels of a run, their sums by kind, and the host's slowest operators."""
    on_gpu = bench.device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    work()
    bench.wait()
    with profile(activities=activities) as profiler:
        start = time.perf_counter()
        work()
        bench.wait()
        wall_s = time.perf_counter() - start
    events = profiler.key_averages()
    host = [(e.key[:90], e.count, round(e.self_cpu_time_total / 1e3, 3)) for e in events]
    kernels = [
        (e.key[:90], e.count, round(e.self_device_time_total / 1e3, 3))
        for e in events
        if "CUDA" in str(e.device_type)
    ]
    if not on_gpu:
        kernels = host
    by_kind: Counter[str] = Counter()
    for name, _, busy_ms in kernels:
        by_kind[_name_kind(name)] += busy_ms
    return {
        "wall_ms": round(wall_s * 1e3, 2),
        "busy_ms": round(sum(busy_ms for *_, busy_ms in kernels), 2),
        "kernels": sum(count for _, count, _ in kernels),
        "by_kind_ms": {kind: round(ms, 2) for kind, ms in by_kind.most_common()},
        "slowest": _list_slowest(kernels),
        "slowest_on_host": _list_slowest(host),
    }


def _name_kind(kernel: str) -> str:
    name = kernel.lower()
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(name)), "other")


def _list_slowest(rows: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
    return sorted(rows, key=lambda row: row[2], reverse=True)[:_MAX_LISTED]
