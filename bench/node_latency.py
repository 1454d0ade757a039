"""Measure the node's latency, CPU time and lost frames against a bare relay.

A camera, the node or a relay, and a recorder, each a process of its own, with the Fast DDS profile
of the launch file. The node's segmenter finds nobody, so that the node's own cost is left.
"""

import argparse
import json
import os
import platform
import random
import signal
import subprocess
import sys
import time
from array import array
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image

from anon_ros.config import Config
from anon_ros.core import Anonymizer, Crop, Detections, RgbImage
from anon_ros.models import build_tracker
from anon_ros.ros.main import main as run_node
from anon_ros.tracking import Tracker
from anon_ros.utils.units import NS_PER_S

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"1280x720": (1280, 720), "1920x1080": (1920, 1080)}
RATE_HZ = 30
CAMERA, MIRRORED = "/cam/image_raw", "/anon/cam/image_raw"
MEASURED, LATENCY_KEY = "measured", "latency p50 [ms]"
_END_TIMEOUT_S = 60


def run_camera(size: str, seconds: float, _: str) -> dict[str, Any]:
    """Publish at 30 Hz, from a line of stdin on to be measured; stamps of the steady clock."""
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, CAMERA, qos_profile_sensor_data)
    width_px, height_px = SIZES[size]
    data = array("B", np.random.default_rng(0).bytes(width_px * height_px * 3))
    image = Image(height=height_px, width=width_px, encoding="bgr8", step=width_px * 3, data=data)
    may_start = Event()
    Thread(target=lambda: (sys.stdin.readline(), may_start.set()), daemon=True).start()
    while not may_start.is_set():  # until the images arrive, however long the others need to start
        publish_now(publisher, image)
        time.sleep(1 / RATE_HZ)
    image.header.frame_id = MEASURED
    print("started", flush=True)
    count, started_s = round(seconds * RATE_HZ), time.monotonic()
    for index in range(count):
        time.sleep(max(0.0, started_s + index / RATE_HZ - time.monotonic()))
        publish_now(publisher, image)
    # For the last one to pass, and for diagnostics that tell of it.
    time.sleep(1.5)
    return {"sent": count}


def publish_now(publisher: Publisher, image: Image) -> None:
    """Publish an image with the current time as stamp."""
    now_ns = time.monotonic_ns()
    image.header.stamp.sec, image.header.stamp.nanosec = divmod(now_ns, NS_PER_S)
    publisher.publish(image)


def run_relay(*_: object) -> dict[str, Any]:
    """Publish every image unchanged."""
    node = rclpy.create_node("relay")
    publisher = node.create_publisher(Image, MIRRORED, QoSProfile(depth=5))
    durations_ms: list[float] = []

    def receive(image: Image) -> None:
        started_s = time.monotonic()
        publisher.publish(image)
        durations_ms.append((time.monotonic() - started_s) * 1000)

    node.create_subscription(Image, CAMERA, receive, qos_profile_sensor_data)
    spin(node)
    return {"inside_ms": compute_quantiles(durations_ms)}


class Nobody:
    """Models that detect no persons."""

    max_batch, draws_persons, keeps_grid = 1, False, False

    def anonymizer(self, config: Config) -> Anonymizer:
        return Anonymizer(self, self, config.mask, config.inpaint)

    def segment(self, image: RgbImage) -> Detections:
        return Detections.empty(*image.shape[:2])

    def inpaint(self, crops: list[Crop]) -> list[RgbImage]:
        return [crop.image for crop in crops]

    def tracker(self, config: Config) -> Tracker:
        return build_tracker(config)

    def run_idle_work(self) -> None:
        pass

    def release(self) -> None:
        pass

    def gpu_memory(self) -> None:
        return None


def run_anonymizer(*_: object) -> dict[str, Any]:
    """Run the node itself, which publishes its latencies in its diagnostics."""
    rclpy.shutdown()
    parameters = {"inpaint.method": "fill", "topics.images": f"[{CAMERA}]"}
    sys.argv = ["anonymizer", "--ros-args"]
    sys.argv += [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    run_node(Nobody)
    return {}


def run_recorder(_: str, __: float, middle: str) -> dict[str, Any]:
    """Count the images of the mirrored topic, measure their age, and keep the last diagnostics.

    Prints "receiving" at the first image, and "complete" when it has something of everything.
    """
    node = rclpy.create_node("recorder")
    ages_ms: list[float] = []
    statuses: dict[str, dict[str, str]] = {}

    printed: set[str] = set()

    def announce(word: str) -> None:
        if word not in printed:
            print(word, flush=True)
            printed.add(word)

    def check_complete() -> None:
        if ages_ms and (middle == "relay" or LATENCY_KEY in statuses.get(CAMERA, {})):
            announce("complete")

    def receive(image: Image) -> None:
        announce("receiving")
        if image.header.frame_id != MEASURED:
            return
        sent_ns = image.header.stamp.sec * NS_PER_S + image.header.stamp.nanosec
        ages_ms.append((time.monotonic_ns() - sent_ns) / 1e6)
        check_complete()

    def note(diagnostics: DiagnosticArray) -> None:
        for status in diagnostics.status:
            statuses[status.name.split()[-1]] = {value.key: value.value for value in status.values}
        check_complete()

    node.create_subscription(Image, MIRRORED, receive, QoSProfile(depth=10))
    node.create_subscription(DiagnosticArray, "/diagnostics", note, QoSProfile(depth=10))
    spin(node)
    result: dict[str, Any] = {"received": len(ages_ms), "end_to_end_ms": compute_quantiles(ages_ms)}
    if CAMERA in statuses:
        values = statuses[CAMERA]
        result["inside_ms"] = [float(values[f"latency {name} [ms]"]) for name in ("p50", "p99")]
        result["stages_p50_ms"] = {
            key.split()[0]: float(value)
            for key, value in statuses["worker"].items()
            if "p50" in key
        }
    return result


def spin(node: Node) -> None:
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(node)


def compute_quantiles(values: list[float]) -> list[float]:
    """Return the 50th and the 99th percentile."""
    return [round(float(value), 2) for value in np.quantile(values or [np.nan], (0.5, 0.99))]


ROLES = {
    "camera": run_camera,
    "relay": run_relay,
    "anonymizer": run_anonymizer,
    "recorder": run_recorder,
}


def measure(middle: str, size: str, seconds: float) -> dict[str, Any]:
    """Measure a camera's images on their way through ``middle``."""
    domain = os.environ.get("ROS_DOMAIN_ID", str(random.randint(1, 100)))  # noqa: S311
    environment = os.environ | {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config" / "fastdds.xml"),
        "ROS_DOMAIN_ID": domain,
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    words = ["--seconds", str(seconds), "--role"]
    with ExitStack() as stack:
        processes = {}
        for role in ("recorder", middle, "camera"):
            process = subprocess.Popen(
                [sys.executable, __file__, *words, role, size, middle],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            processes[role] = process
        return observe(processes, middle, seconds)


def observe(
    processes: dict[str, "subprocess.Popen[str]"], middle: str, seconds: float
) -> dict[str, Any]:
    """Start the camera's count when images arrive, and end when everything was measured."""
    camera, recorder = processes["camera"], processes["recorder"]
    wait_for_line(recorder, "receiving")
    print("start", file=camera.stdin, flush=True)
    wait_for_line(camera, "started")
    before_s = read_cpu_s(processes[middle].pid)
    camera.wait(seconds + _END_TIMEOUT_S)
    used_s = read_cpu_s(processes[middle].pid) - before_s
    wait_for_line(recorder, "complete")
    result: dict[str, Any] = {}
    for role in ("camera", middle, "recorder"):
        processes[role].send_signal(signal.SIGINT)
        lines = processes[role].stdout.read().splitlines()  # type: ignore[union-attr]
        result |= json.loads(lines[-1])
    result["lost"] = result.pop("sent") - result["received"]
    result["cpu_per_frame_ms"] = round(1000 * used_s / (seconds * RATE_HZ), 2)
    return result


def wait_for_line(process: "subprocess.Popen[str]", word: str) -> None:
    """Wait until a process prints ``word`` as its next line."""
    timer = Timer(_END_TIMEOUT_S, process.kill)
    timer.start()
    line = process.stdout.readline().strip()  # type: ignore[union-attr]
    timer.cancel()
    if line != word:
        sys.exit(f"{process.args} did not say {word!r} within {_END_TIMEOUT_S} s")


def read_cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(results: dict[str, dict[str, Any]]) -> None:
    print("| size | | inside p50 | p99 | end to end p50 | p99 | CPU per frame | lost |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for size, both in results.items():
        for name in ("relay", "anonymizer"):
            result = both[name]
            cells = [*result["inside_ms"], *result["end_to_end_ms"], result["cpu_per_frame_ms"]]
            texts = [f"{cell:.1f} ms" for cell in cells]
            lost = f"{result['lost']} of {result['lost'] + result['received']}"
            print(f"| {size} | {name} | {' | '.join(texts)} | {lost} |")
        ratios = " | ".join(f"{ratio:.2f}" for ratio in both["ratio"])
        print(f"| {size} | ratio | {ratios} | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each of the four parts")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench" / "live.json")
    parser.add_argument("--role", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        role, size, middle = arguments.role
        rclpy.init()
        print(json.dumps(ROLES[role](size, arguments.seconds, middle)), flush=True)
        os._exit(0)  # rclpy may not be torn down cleanly after its context has gone
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        both = {}
        for name in ("relay", "anonymizer"):
            print(f"{name}, {size} ...", file=sys.stderr, flush=True)
            both[name] = measure(name, size, arguments.seconds)
        ratios = [
            ours / bare
            for key in ("inside_ms", "end_to_end_ms")
            for ours, bare in zip(both["anonymizer"][key], both["relay"][key], strict=True)
        ]
        results[size] = {**both, "ratio": [round(ratio, 2) for ratio in ratios]}
    show(results)
    report = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": arguments.seconds,
        "rate_hz": RATE_HZ,
        "results": results,
    }
    arguments.output.write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
