"""Measure speed and memory of ``anon_ros bag`` without its models; needs no GPU and no ROS.

Copied topics against a plain copy with rosbags, each run in a process of its own; frames per second
with a segmenter that costs nothing; peak memory by size of the recording.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from street_scene import BOXES_XYXY
from synthetic_bag import HEIGHT_PX, MB, WIDTH_PX, record

from anon_ros.bags import (
    JobModels,
    RewriteJob,
    TopicRules,
    anonymize_bag,
    inspect_bag,
    open_bag,
    plan_output,
)
from anon_ros.config import Config, InpaintConfig
from anon_ros.core import Anonymizer, Crop, Detections, RgbImage
from anon_ros.models import build_tracker

ROOT = Path(__file__).resolve().parents[1]
STORAGES = ("mcap", "sqlite3")
GOAL_RATIO, GOAL_GROWTH = 0.8, 1.1
PERSONS = 5


def write_plain_copy(source: Path, output: Path) -> None:
    """Copy without anon_ros, as a baseline; it does not wait for the disk."""
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(source))
        plugin = StoragePlugin.MCAP if any(source.glob("*.mcap")) else StoragePlugin.SQLITE3
        writer = stack.enter_context(Writer(output, version=9, storage_plugin=plugin))
        connections = {}
        for connection in reader.connections:
            connections[connection.id] = writer.add_connection(
                connection.topic,
                connection.msgtype,
                msgdef=connection.msgdef.data,
                rihs01=connection.digest,
            )
        for connection, time_ns, data in reader.messages():
            writer.write(connections[connection.id], time_ns, data)


class Stub:
    """Models without cost: always the same persons, or none."""

    max_batch, draws_persons, keeps_grid = 1, False, False

    def __init__(self, persons: int) -> None:
        masks = np.zeros((persons, HEIGHT_PX, WIDTH_PX), np.bool_)
        boxes = (BOXES_XYXY * np.float32(WIDTH_PX / 1920))[:persons]
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
            mask[y0:y1, x0:x1] = True
        ones, zeros = np.ones(persons, np.float32), np.zeros(persons, np.int64)
        self._found = Detections(boxes, ones, zeros, masks)

    def segment(self, _: RgbImage) -> Detections:
        return self._found

    def inpaint(self, crops: list[Crop]) -> list[RgbImage]:
        return [crop.image for crop in crops]


class SilentProgress:
    """ProgressListener that shows nothing."""

    def start_phase(self, name: str) -> None: ...
    def advance(self, persons: int = 0, *, is_new: bool = True) -> None: ...
    def add_bytes(self, data_bytes: int) -> None: ...


def run_anonymizer(source: Path, output: Path, persons: int) -> None:
    """Anonymize as the command does once it is started."""
    config = Config(inpaint=InpaintConfig(method="fill"))
    stub = Stub(persons)
    bag = open_bag(source)
    target = plan_output(bag, output, "", "")
    plan = inspect_bag(bag, TopicRules(), 0, 0, salvage=False, scratch=output.parent)
    plan.topics.require_decided()
    job = RewriteJob(bag, target, plan, config, [], "", salvage=False, keep_masks=True)
    anonymizer = Anonymizer(stub, stub, config.mask, config.inpaint)
    models = JobModels(anonymizer, lambda: build_tracker(config))
    anonymize_bag(job, lambda: models, SilentProgress())


def read_peak_mb() -> float:
    """Return the peak memory of this process (proc_pid_status(5))."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / MB


def run_in_child(*words: object) -> dict[str, float]:
    command = [sys.executable, __file__, "--role", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def run_child(words: list[str]) -> dict[str, float]:
    name, *values = words
    started_s = time.monotonic()
    if name == "plain":
        write_plain_copy(Path(values[0]), Path(values[1]))
    else:
        run_anonymizer(Path(values[0]), Path(values[1]), int(values[2]))
    return {"s": time.monotonic() - started_s, "peak_mb": read_peak_mb()}


def measure_run(name: str, source: Path, *values: object) -> dict[str, float]:
    """Measure a run with an idle disk, and remove the output."""
    print(f"{name}, {size_of(source):.0f} MB ...", file=sys.stderr, flush=True)
    output = source.with_name("out")
    os.sync()
    try:
        return run_in_child(name, source, output, *values)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def measure_copies(folder: Path, mb: float, pairs: int) -> dict[str, Any]:
    results = {}
    for storage in STORAGES:
        source = folder / "in"
        record("sensors", storage, source, mb)
        size_mb = size_of(source)
        both = [
            (measure_run("plain", source), measure_run("ours", source, 0)) for _ in range(pairs)
        ]
        speeds = [[size_mb / run["s"] for run in column] for column in zip(*both, strict=True)]
        results[storage] = {
            "mb": size_mb,
            "plain_mb_s": statistics.median(speeds[0]),
            "ours_mb_s": statistics.median(speeds[1]),
            "ratios": [ours / plain for plain, ours in zip(*speeds, strict=True)],
        }
        results[storage]["ratio"] = statistics.median(results[storage]["ratios"])
        shutil.rmtree(source)
    return results


def measure_frames(folder: Path, frames: int, repeat: int) -> dict[str, Any]:
    results = {}
    for kind in ("raw", "jpeg"):
        source = folder / "in"
        record(kind, "mcap", source, max_messages=frames)
        for persons in (0, PERSONS):
            taken_s = [measure_run("ours", source, persons)["s"] for _ in range(repeat)]
            results[f"{kind}, {persons} persons"] = frames / statistics.median(taken_s)
        shutil.rmtree(source)
    return results


def measure_memory(folder: Path, sizes_mb: list[float]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    needed_mb, free_mb = 2.2 * max(sizes_mb), shutil.disk_usage(folder).free / MB
    if needed_mb > free_mb:
        sys.exit(f"{folder} has {free_mb:.0f} MB free, {needed_mb:.0f} are needed; see --folder")
    for storage in STORAGES:
        peaks = {}
        for mb in sizes_mb:
            source = folder / "in"
            record("everything", storage, source, mb)
            peaks[f"{mb:.0f}"] = measure_run("ours", source, PERSONS)["peak_mb"]
            shutil.rmtree(source)
        first, *_, last = peaks.values()
        results[storage] = {"peak_mb": peaks, "growth": last / first}
    return results


def size_of(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / MB


def show(report: dict[str, Any]) -> None:
    print(f"{report['machine']}, {report['date']}\n")
    print("| copied topics | plain copy | anon_ros | ratio | |")
    print("| --- | --- | --- | --- | --- |")
    for storage, result in report["copies"].items():
        speeds = f"{result['plain_mb_s']:.0f} MB/s | {result['ours_mb_s']:.0f} MB/s"
        verdict = "ok" if result["ratio"] >= GOAL_RATIO else f"below {GOAL_RATIO}"
        print(
            f"| {storage}, {result['mb']:.0f} MB | {speeds} | {result['ratio']:.2f} | {verdict} |"
        )
    print(f"\n| images of {WIDTH_PX} x {HEIGHT_PX} px | frames/s |\n| --- | --- |")
    for name, rate_hz in report["frames_per_s"].items():
        print(f"| {name} | {rate_hz:.1f} |")
    print("\n| peak memory | recording | | growth | |\n| --- | --- | --- | --- | --- |")
    for storage, result in report["memory"].items():
        peaks = " | ".join(f"{mb} MB: {peak:.0f} MB" for mb, peak in result["peak_mb"].items())
        verdict = "ok" if result["growth"] <= GOAL_GROWTH else f"above {GOAL_GROWTH}"
        print(f"| {storage} | {peaks} | {result['growth']:.2f} | {verdict} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and once: does it run?")
    parser.add_argument("--copy-mb", type=float, default=1000, help="recording that is copied")
    parser.add_argument("--pairs", type=int, default=5, help="of a plain copy and one of ours")
    parser.add_argument("--frames", type=int, default=200, help="in a recording of images")
    parser.add_argument(
        "--memory-mb", type=float, nargs=2, default=[500, 4000], help="recordings to compare"
    )
    parser.add_argument("--folder", type=Path, help="to work in; needs twice the largest recording")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "bags.json")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        print(json.dumps(run_child(arguments.role)))
        return
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    if arguments.quick:
        arguments.copy_mb, arguments.pairs, arguments.frames = 5, 1, 3
        arguments.memory_mb = [5, 10]
    report: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-bags-") as name:
        folder = Path(name)
        report["copies"] = measure_copies(folder, arguments.copy_mb, arguments.pairs)
        report["frames_per_s"] = measure_frames(folder, arguments.frames, min(3, arguments.pairs))
        report["memory"] = measure_memory(folder, arguments.memory_mb)
    show(report)
    arguments.output.write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
