"""The benchmarks run; their figures are for machines with a GPU."""

import importlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend

from anon_ros.models.inpainting.pipeline_loader import load_diffusion
from helpers.locks import claim_dds_domain
from helpers.paths import ROOT

CUDNN, MATH = SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH


def run_script(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_gpu_part(part: str, folder: Path) -> dict[str, Any]:
    """Run a part with tiny networks; return the results by step, after checking the table."""
    run_script(
        "bench/gpu.py", "--tiny", "--repeat", "1", "--only", part, "--out", str(folder),
        "--commit", "abc1234",
    )  # fmt: skip
    steps = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    assert {name: step for name, step in steps.items() if "result" not in step} == {}
    results = {name: step["result"] for name, step in steps.items()}
    assert results["machine"]["tiny"]
    assert results["machine"]["commit"] == "abc1234"
    assert results["ceiling"]["matmul_tflop_per_s"] > 0
    table = run_script("bench/gpu.py", "--page", str(folder))
    for name, result in results.items():
        assert ("scenes" in result or "ms" in result) == (f"| {name} |" in table)
    return results


def test_gpu_benchmark_measures_profiles(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    results = run_gpu_part("eager", tmp_path)
    assert results["our loop against diffusers'"]["relative_error"] < 1e-4
    for name in ("paper", "quality", "balanced", "fast"):
        assert results[name]["timesteps"][0] == 599
        assert not results[name]["fallbacks"]
        for count, scene in results[name]["scenes"].items():
            assert scene["inpainted"] == scene["persons"] == int(count)
            assert set(scene["stages_s"]) == {"segment", "encode", "denoise", "decode", "host"}
            assert all(seconds > 0 for seconds in scene["stages_s"].values())
    # The paper's way draws everybody in a square of its own.
    assert results["paper"]["scenes"]["1"]["unet_images"] == ["64x64 x 2"]
    # Figures of tiny networks never reach the page.
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == page


def test_gpu_benchmark_compares_graphs(tmp_path: Path) -> None:
    results = run_gpu_part("graphs", tmp_path)
    ways = ("graph", "compiled graph")
    for errors in (results[f"{way} against plain call"] for way in ways):
        assert len(errors) == 2
        assert max(errors.values()) < 1e-4
    assert results["compilations"]["unique_graphs"] > 0


# Missing on a borrowed GPU, or not wanted there.
ABSENT = ("polars", "lap", "rosbags", "mcap", "rclpy", "sensor_msgs")


def test_gpu_benchmark_judges_goals_with_few_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked, output = tmp_path / "blocked", tmp_path / "output"
    blocked.mkdir()
    for name in ABSENT:
        (blocked / f"{name}.py").write_text(f"raise ImportError({name!r})\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{blocked}:{ROOT}")
    monkeypatch.setenv("PATH", str(blocked))  # no git, no nvidia-smi
    printed = run_script(
        "bench/gpu.py", "--tiny", "--repeat", "1", "--only", "goals", "--compile", "graphs",
        "--out", str(output),
    )  # fmt: skip
    steps = json.loads((output / "goals.json").read_text(encoding="utf-8"))
    assert {name: step for name, step in steps.items() if "result" not in step} == {}
    assert steps["machine"]["result"]["commit"] == "unknown"
    gap = steps["largest gap"]["result"]
    assert gap["kernels"] > 100
    assert sum(gap["by_kind_ms"].values()) == pytest.approx(gap["busy_ms"], abs=0.1)
    assert "not measured" not in printed
    assert printed.count("| met |") + printed.count("| not met |") == 6
    assert "Largest gap: " in printed


def test_gpu_start_and_8_bit_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    parts = importlib.import_module("gpu_speed.goal_parts")
    bench = importlib.import_module("gpu_speed.bench").Bench(torch.device("cpu"), 1, tiny=True)
    launched_s = time.monotonic()
    report = importlib.import_module("gpu_speed.report").Report(
        tmp_path / "part.json", launched_s, 200
    )
    parts.run_start(report, bench, "graphs", launched_s, "abc1234")
    parts.run_fp8(report, bench, "graphs")
    assert 0 < report.results["start"]["ready_s"] < time.monotonic() - launched_s
    assert report.results["machine"]["commit"] == "abc1234"
    verdict = report.results["8-bit against bfloat16"]
    assert set(verdict["gains"]) == {"fast", "quality"}
    assert 0 < max(verdict["relative_errors"].values()) < 0.05


def make_goal_results() -> dict[str, Any]:
    frame = {"frame_s": 0.05, "stages_s": {"host": 0.012}, "inpainted": 5}
    return {
        "diffusers, one by one": {"scenes": {"2": {"person_s": 2.0}}},
        "fast": {"scenes": {"1": {}, "5": frame}},
        "quality": {"scenes": {"5": {"frame_s": 2.0, "inpainted": 5}}},
        "UNet, 1024x1024 x 2": {"share_of_ceiling": 0.43},
        "UNet, 512x512 x 16": {"share_of_ceiling": 0.35},
        "fast, batch": {"ms_per_person": 25.5},
    }


def test_gpu_goals_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    goals = importlib.import_module("gpu_speed.goals")
    results = make_goal_results()
    parts = {"goals": results, "cold": {"start": {"ready_s": 61.0}}, "warm": {}}
    judged = [(goal.read_figure(parts), goal.judge(parts)) for goal in goals.GOALS]
    assert judged == [
        (5.0, "met"),
        (0.43, "not met"),
        (0.35, "met"),
        (25.5, "not met"),
        (20.0, "met"),
        (12.0, "not met"),
        (61.0, "not met"),
        (None, "not measured"),
    ]
    assert "ms of the host" in goals.find_largest_gap(results).name
    assert goals.find_largest_gap({}) is None
    results["quality"]["scenes"]["5"]["inpainted"] = 4  # a covered person takes no time
    assert goals.GOALS[0].judge(parts) == "not measured"


def test_gpu_figures_of_lost_graphs_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    bench = importlib.import_module("gpu_speed.bench").Bench(torch.device("cpu"), 1, tiny=True)
    graphs = importlib.import_module("gpu_speed.graphs")
    off, recorded = (
        bench.make_inpainter(bench.make_config("fast", mode)) for mode in ("off", "graphs")
    )
    graphs.record_graphs(off)
    with pytest.raises(RuntimeError, match="could not be recorded"):
        graphs.record_graphs(recorded)  # nothing yet

    def fail(*_: object) -> None:
        message = "out of graphs"
        raise RuntimeError(message)

    monkeypatch.setattr(graphs.RerunRecorder, "record", fail)
    shape = (1024, 1024, 2)
    parts = importlib.import_module("gpu_speed.goal_parts")
    for work in (
        partial(bench.measure_batch, "fast", (512, 512, 2), "graphs"),
        partial(bench.measure_scenes, "fast", (1,), "graphs"),
        partial(parts._measure_unet, bench, "graphs", shape),  # noqa: SLF001 - a step of the goals
    ):
        with pytest.raises(RuntimeError, match="could not be recorded"):
            work()


def test_gpu_page_takes_figures_of_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    report = importlib.import_module("gpu_speed.report")
    machine = {
        "gpu": "H200", "torch": "2.11", "commit": "abc1234", "date": "2026-11-27", "tiny": False,
    }  # fmt: skip
    goals = {"machine": machine, "ceiling": {"matmul_tflop_per_s": 765}}
    parts = {"goals": goals, "ended": {}, "cold": {"machine": machine, "start": {"ready_s": 9.0}}}
    assert "H200, torch 2.11, commit abc1234, 2026-11-27" in report.format_tables(parts)
    for wrong in ({"commit": "def5678"}, {"gpu": "H100"}, {"torch": "2.12"}, {"tiny": True}):
        parts["cold"]["machine"] = machine | wrong
        ((field, value),) = wrong.items()
        sources = f"goals: .*{field} {machine[field]}.*; cold: .*{field} {value}"
        with pytest.raises(ValueError, match=f"{sources}.* measure all again in one run"):
            report.format_tables(parts)
    del parts["cold"]["machine"]
    with pytest.raises(ValueError, match="cold: gpu unknown"):
        report.format_tables(parts)


def test_gpu_page_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cold.json").write_text('{"start": {"result": {"ready_s": 9.0}}}', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "bench/gpu.py", "--page", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tmp_path}: a page needs parts of one card and commit")


def test_gpu_measurement_leaves_no_kernels_to_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    bench = importlib.import_module("gpu_speed.bench").Bench(torch.device("cpu"), 1, tiny=True)
    parts = importlib.import_module("gpu_speed.goal_parts")
    monkeypatch.setattr(
        "anon_ros.models.inpainting.diffusion_inpainter.choose_backends", lambda *_: [CUDNN, MATH]
    )
    monkeypatch.setattr(
        "anon_ros.models.inpainting.diffusion_inpainter.make_attention_timer", lambda *_: object()
    )
    firsts: list[int] = []
    hook = bench.unet.conv_in.register_forward_pre_hook(lambda *_: firsts.append(read_order()[0]))
    shape, own = (512, 512, 2), read_order()[0]
    try:
        for work in (
            partial(bench.measure_scenes, "fast", (1,)),
            partial(bench.measure_batch, "fast", shape),
            partial(parts._measure_unet, bench, "off", shape),  # noqa: SLF001 - a step of the goals
        ):
            work()
            assert set(firsts) == {CUDNN.value}
            firsts.clear()
            bench.measure_unet(bench.unet, shape)
            assert set(firsts) == {own}
            firsts.clear()
    finally:
        hook.remove()


def read_order() -> list[int]:
    return list(torch._C._get_sdp_priority_order())  # noqa: SLF001 - its only home


def test_gpu_chain_is_that_of_profile(tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    networks = importlib.import_module("random_networks")
    bench = importlib.import_module("gpu_speed.bench").Bench(torch.device("cpu"), 1, tiny=True)
    inpaint = replace(
        bench.make_config("quality").inpaint,
        model=str(tiny_sdxl), timestep_power=1.5, guidance_until=0.5,
    )  # fmt: skip
    config = replace(bench.make_config("quality"), inpaint=inpaint)
    ours = networks.make_diffusion(config, torch.device("cpu"), tiny=True)
    loaded = load_diffusion(inpaint, torch.device("cpu"))
    assert ours.noise_schedule.timesteps == loaded.noise_schedule.timesteps
    assert ours.guidance_until == loaded.guidance_until == 0.5


@pytest.mark.parametrize(
    ("gains", "error", "is_taken"),
    [((1.2, 1.3), 0.05, True), ((1.19, 1.3), 0.01, False), ((1.5, 1.5), 0.051, False)],
)
def test_gpu_8_bit_taken_only_if_it_pays(
    monkeypatch: pytest.MonkeyPatch, gains: tuple[float, float], error: float, is_taken: object
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    goals = importlib.import_module("gpu_speed.goals")
    verdict = goals.judge_fp8(
        dict(zip(("fast", "quality"), gains, strict=True)), {"a": 0.0, "b": error}
    )
    assert verdict["is_taken"] is is_taken


def test_gpu_report_outlives_failed_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    module = importlib.import_module("gpu_speed.report")
    path = tmp_path / "part.json"
    report = module.Report(path, time.monotonic(), 60)
    assert report.run("broken", lambda: 1 / 0) is None
    assert report.run("sound", lambda: {"ms": 1.0}) == {"ms": 1.0}
    assert report.run("long", lambda: pytest.fail("ran"), needs_s=61) is None
    steps = json.loads(path.read_text(encoding="utf-8"))
    assert "ZeroDivisionError" in steps["broken"]["error"]
    assert steps["sound"]["result"] == {"ms": 1.0}
    assert "61 s needed" in steps["long"]["skipped"]
    assert module.read_results(tmp_path) == {"part": {"sound": {"ms": 1.0}}}


def test_gpu_benchmark_outlives_failed_part(tmp_path: Path) -> None:
    # Too short for the first part to import anything: it is ended, and the run says so.
    done = subprocess.run(
        [sys.executable, "bench/gpu.py", "--tiny", "--deadline-s", "1", "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5
    for part in ("goals", "cold", "warm", "eager", "graphs"):
        assert f"{part} ended with -1" in done.stdout
    assert done.stdout.count("| not measured |") == 8


def test_live_benchmark_compares_relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "new" / "live.json"
    with claim_dds_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        table = run_script("bench/node_latency.py", "--seconds", "1", "--output", str(output))
    report = json.loads(output.read_text(encoding="utf-8"))
    assert list(report["results"]) == ["1280x720", "1920x1080"]
    for size, both in report["results"].items():
        assert f"| {size} | anonymizer |" in table
        for name in ("relay", "anonymizer"):
            assert both[name]["received"] > 0
            assert both[name]["cpu_per_frame_ms"] > 0
            assert 0 < both[name]["inside_ms"][0] < both[name]["end_to_end_ms"][1]
        assert len(both["ratio"]) == 4


def test_bag_benchmark_compares_copy(tmp_path: Path) -> None:
    output = tmp_path / "bags.json"
    folder = tmp_path / "work"
    folder.mkdir()
    table = run_script(
        "bench/bag_throughput.py", "--quick", "--folder", str(folder), "--output", str(output)
    )
    report = json.loads(output.read_text(encoding="utf-8"))
    assert report["machine"] in table
    assert list(report["copies"]) == list(report["memory"]) == ["mcap", "sqlite3"]
    for storage, result in report["copies"].items():
        assert f"| {storage}, 5 MB |" in table
        assert 0 < result["ratio"] == result["ours_mb_s"] / result["plain_mb_s"]
    scenes = [f"{kind}, {persons} persons" for kind in ("raw", "jpeg") for persons in (0, 5)]
    assert list(report["frames_per_s"]) == scenes
    assert all(rate_hz > 0 for rate_hz in report["frames_per_s"].values())
    for result in report["memory"].values():
        assert list(result["peak_mb"]) == ["5", "10"]
    assert not list(folder.iterdir())


def test_prediction_counts_full_network() -> None:
    table = run_script("bench/gpu.py", "--predict")
    # One person of 150 x 400 px: 384 x 768 px of 1.79 TFLOP, 30 steps, with guidance; and the
    # paper's square of 6.76 TFLOP. Both counts agree with published ones for these sizes.
    assert "| quality | 1 | 107 |" in table
    assert "| paper | 1 | 406 |" in table
    assert "| fast | 1 | 5 |" in table
    # 2.567 billion weights: 4.78 GiB in bfloat16, 1.21 GiB of fused copies.
    assert "| gpu | 5.99 |" in table
    memory = table[table.index("| `compute.weight_storage`") :].strip()
    assert memory in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def test_predicted_memory_follows_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    memory = importlib.import_module("gpu_speed.memory")
    with torch.device("meta"):
        layer = torch.nn.Linear(1024, 1024, bias=False)
        rows = torch.empty(2048, 1024)
    assert memory.count_gib(layer) == 4 / 1024
    # Two results of 8 MiB live at once, however many come one after another; weights do not count.
    peak_gib = memory.count_peak_gib(layer, lambda: layer(layer(layer(layer(rows)))))
    assert peak_gib == 16 / 1024
    # Attention of 4096 positions, without the matrix of all pairs.
    with torch.device("meta"):
        query = torch.empty(1, 1, 4096, 64)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert memory.count_peak_gib(layer, lambda: attend(query, query, query)) == 1 / 1024


def test_written_tflop_are_those_counted() -> None:
    code = (
        "import sys; sys.path.insert(0, 'bench'); import random_networks as n;"
        "print([f(512, 256, *a, tiny=False)"
        " for f, a in ((n.count_unet_tflop, ()), (n.get_unet_tflop, (1,)))])"
    )
    counted, written = json.loads(run_script("-c", code))
    assert counted == written


def test_start_timesteps_up_to_date() -> None:
    written = (ROOT / "docs" / "start_timesteps.csv").read_text(encoding="utf-8")
    assert run_script("bench/start_timesteps.py") == written


def test_media_search_benchmark_runs() -> None:
    table = run_script("bench/media_search.py", "100000")
    assert table.count("| ") >= 6
    assert "where there is none" not in table
