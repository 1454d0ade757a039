"""Figures of a part of the benchmark, on disk as soon as each is known; and tables of them."""

import json
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gpu_speed.goals import format_goals

STAGES = ("segment", "encode", "denoise", "decode")
# Of a machine: what all figures of a page have in common.
_IDENTITY = ("gpu", "torch", "commit", "tiny")
_NUM_TRACED = 8
_MAX_PRINTED = 300


class Report:
    """A JSON file that is complete after each step.

    Args:
        path: of the file.
        start_s: of ``time.monotonic`` at which the deadline began to run.
        deadline_s: seconds after which no step begins.
    """

    def __init__(self, path: Path, start_s: float, deadline_s: float) -> None:
        self._path = path
        self._start_s = start_s
        self._deadline_s = deadline_s
        self._steps: dict[str, Any] = {}

    @property
    def results(self) -> dict[str, Any]:
        """The results so far, by step name."""
        return {name: step["result"] for name, step in self._steps.items() if "result" in step}

    def run(self, name: str, work: Callable[[], Any], needs_s: float = 3) -> Any:
        """Run and record a step; return its result, or None if it failed or time is short."""
        start_s = time.monotonic()
        left_s = self._deadline_s - (start_s - self._start_s)
        result = None
        if left_s < needs_s:
            self._write(name, {"skipped": f"{left_s:.0f} s left, {needs_s:.0f} s needed"})
            return None
        try:
            result = work()
            step = {"result": result}
        except Exception as error:  # noqa: BLE001 - a failed figure must not lose the others
            lines = traceback.format_exc().strip().splitlines()
            step = {
                "error": f"{type(error).__name__}: {error}"[:600],
                "trace": lines[-_NUM_TRACED:],
            }
        self._write(name, step | {"took_s": round(time.monotonic() - start_s, 2)})
        return result

    def _write(self, name: str, step: dict[str, Any]) -> None:
        at_s = round(time.monotonic() - self._start_s, 1)
        self._steps[name] = step | {"at_s": at_s}
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._steps, indent=1, default=str) + "\n", encoding="utf-8")
        part.replace(self._path)
        print(f"[{at_s:6.1f} s] {name}: {json.dumps(step, default=str)[:_MAX_PRINTED]}", flush=True)


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results by step name, of each part by its name."""
    parts = {}
    for path in sorted(folder.glob("*.json")):
        steps = json.loads(path.read_text(encoding="utf-8"))
        parts[path.stem] = {name: s["result"] for name, s in steps.items() if "result" in s}
    return parts


def format_tables(parts: dict[str, dict[str, Any]]) -> str:
    """Format what was measured on which machine, frames and calls of the networks.

    Raises:
        ValueError: if the parts are not all of one card and commit.
    """
    machine = _find_machine(parts)
    ceilings = [r["ceiling"]["matmul_tflop_per_s"] for r in parts.values() if "ceiling" in r]
    lines = [
        (
            f"{machine['gpu']}, torch {machine['torch']}, commit {machine['commit']}, "
            f"{machine['date']}, `python bench/gpu.py`. "
            f"Matrix product: {max(ceilings):.0f} TFLOP/s."
        ),
        "",
        (
            "| | persons | s / frame | s / person | segment | encode | UNet | decode | host | "
            "UNet TFLOP/s | of the ceiling | GiB |"
        ),
        "| --- |" + " ---: |" * 11,
        *_list_scenes(parts),
        "",
        "| | ms | ms / person | ms of the host to launch | TFLOP/s | of the ceiling |",
        "| --- |" + " ---: |" * 5,
        *_list_calls(parts),
    ]
    tables = "\n".join(lines) + "\n"
    return f"{tables}\n{format_goals(parts)}" if "goals" in parts else tables


def _find_machine(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the machine that all parts with figures ran on, of the first of them."""
    machines = {name: results.get("machine", {}) for name, results in parts.items() if results}
    identities = {
        name: ", ".join(f"{field} {machine.get(field, 'unknown')}" for field in _IDENTITY)
        for name, machine in machines.items()
    }
    if len(set(identities.values())) != 1 or {} in machines.values():
        sources = "; ".join(f"{name}: {identity}" for name, identity in identities.items())
        message = (
            f"a page needs parts of one card and commit, not {sources or 'none'}; "
            f"measure all again in one run, or remove the files of the others"
        )
        raise ValueError(message)
    return next(iter(machines.values()))


def _list_scenes(parts: dict[str, dict[str, Any]]) -> Iterator[str]:
    for results in parts.values():
        for name, result in results.items():
            for scene in result.get("scenes", {}).values():
                yield _format_scene(_name_row(name, results), scene)


def _format_scene(name: str, scene: dict[str, Any]) -> str:
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


def _list_calls(parts: dict[str, dict[str, Any]]) -> Iterator[str]:
    for results in parts.values():
        for name, result in results.items():
            if "ms" in result:
                yield _format_call(_name_row(name, results), result)


def _name_row(step: str, results: dict[str, Any]) -> str:
    """Return a step's name, with the setting of a part that measures what ships."""
    if "settings" not in results or "diffusers" in step:
        return step
    return f"{step}, compile_mode: {results['settings']['compile_mode']}"


def _format_call(name: str, result: dict[str, float]) -> str:
    cells = [
        name,
        f"{result['ms']:.1f}",
        f"{result['ms_per_person']:.1f}" if "ms_per_person" in result else "",
        f"{result['launch_ms']:.1f}",
        f"{result['tflop_per_s']:.0f}" if "tflop_per_s" in result else "",
        f"{result['share_of_ceiling']:.0%}" if "share_of_ceiling" in result else "",
    ]
    return f"| {' | '.join(cells)} |"
