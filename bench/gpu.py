"""Measure the inpainting speed: what the goals need, diffusers, and the UNet behind CUDA graphs.

Needs no weights: the real architectures with random ones. Each figure is printed and written to
OUT/PART.json as soon as it is known; each part is a process of its own. The last lines say which
goals are met.

    make bench-gpu                           # all but fp8 and whole, 280 s on a large GPU
    python bench/gpu.py --only goals,cold,warm   # the goals: the profiles as they ship, their start
    python bench/gpu.py --only eager         # uncompiled, against diffusers
    python bench/gpu.py --only graphs        # the ways to record and compile the UNet
    python bench/gpu.py --only fp8           # 8-bit linear layers: do they pay?
    python bench/gpu.py --only whole         # the whole UNet compiled, minutes per shape
    python bench/gpu.py --check              # our loop against diffusers' pipeline
    python bench/gpu.py --tiny               # tiny networks, to check the script (so without GPU)
    python bench/gpu.py --page OUT           # put the tables of OUT into docs/performance.md
    python bench/gpu.py --predict            # costs and memory by arithmetic
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

_START_S = time.monotonic()
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench-gpu: begin -->", "<!-- bench-gpu: end -->"
# Share of the time that is left when a part begins; the next one gets what is left then.
SHARES = {
    "goals": 0.6,
    "cold": 0.6,
    "warm": 0.5,
    "eager": 0.55,
    "graphs": 1.0,
    "fp8": 1.0,
    "whole": 1.0,
    "check": 1.0,
}
DEFAULT = "goals,cold,warm,eager,graphs"
_MARGIN_S = 6.0  # for the step that runs when a part's time is over


def run_parts(arguments: argparse.Namespace) -> int:
    """Run each part in a process of its own: none ends another, whatever it does to the GPU."""
    failed = 0
    names = arguments.only.split(",")
    with tempfile.TemporaryDirectory() as cache:
        for name in names:
            left_s = arguments.deadline_s - (time.monotonic() - _START_S)
            part_s = left_s * (SHARES[name] if name != names[-1] else 1)
            code = run_process(arguments, name, part_s, Path(cache))
            print(f"[{time.monotonic() - _START_S:6.1f} s] {name} ended with {code}", flush=True)
            failed += code != 0
    if {"goals", "cold", "warm", "fp8"} & set(names):
        print_goals(arguments.out, names)
    return failed


def run_process(arguments: argparse.Namespace, name: str, part_s: float, cache: Path) -> int:
    """Run a part; return its exit status, -1 if it was ended after ``part_s``."""
    command = [sys.executable, __file__, *sys.argv[1:], "--part", name]
    command += ["--deadline-s", str(part_s - _MARGIN_S), "--launched-s", str(time.monotonic())]
    environment = dict(os.environ)
    if name in {"cold", "warm"}:  # both: the former fills it
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache)
    (arguments.out / f"{name}.json").unlink(missing_ok=True)
    try:
        return subprocess.run(command, check=False, timeout=part_s, env=environment).returncode
    except subprocess.TimeoutExpired:
        return -1


def print_goals(folder: Path, names: list[str]) -> None:
    """Print which goals are met, as far as these parts measured them."""
    from gpu_speed.goals import format_goals  # noqa: PLC0415 - after the parts
    from gpu_speed.report import read_results  # noqa: PLC0415

    results = read_results(folder)
    parts = {name: results.get(name, {}) for name in names}
    print(f"\n{format_goals(parts)}", flush=True)


def run_part(arguments: argparse.Namespace) -> None:
    """Measure one part in this process."""
    logging.basicConfig(level=logging.INFO)  # the product says what it compiled and recorded
    import torch  # noqa: PLC0415 - its import is a part's time

    from anon_ros.models.weights.offline import disable_network_access  # noqa: PLC0415

    disable_network_access()
    from gpu_speed.bench import Bench  # noqa: PLC0415 - imports diffusers, after the switches
    from gpu_speed.goal_parts import run_fp8, run_goals, run_start  # noqa: PLC0415
    from gpu_speed.parts import (  # noqa: PLC0415
        begin,
        run_check,
        run_compiled,
        run_eager,
        run_graphs,
    )
    from gpu_speed.report import Report  # noqa: PLC0415

    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    tiny = arguments.tiny or device.type == "cpu"
    if tiny:
        print("tiny networks, to check the script; none of the figures counts")
    bench = Bench(device, arguments.repeat, tiny=tiny)
    path = arguments.out / f"{arguments.part}.json"
    report = Report(path, arguments.launched_s, arguments.deadline_s)
    start = partial(run_start, launched_s=arguments.launched_s, commit=arguments.commit)
    goal_parts = {"goals": run_goals, "cold": start, "warm": start, "fp8": run_fp8}
    parts = {
        "eager": run_eager,
        "graphs": run_graphs,
        "whole": run_compiled,
        "check": run_check,
    }
    if arguments.part in goal_parts:
        parts[arguments.part] = partial(
            goal_parts[arguments.part], compile_mode=arguments.compile_mode
        )
    if arguments.part not in {"cold", "warm"}:  # they measure their own start first
        begin(report, bench, arguments.commit)
    parts[arguments.part](report, bench)


def predict_costs() -> None:
    from anon_ros.models.weights.offline import disable_network_access  # noqa: PLC0415

    disable_network_access()
    from gpu_speed.costs import predict  # noqa: PLC0415 - imports diffusers, after the switches
    from gpu_speed.memory import predict_memory  # noqa: PLC0415
    from street_scene import SCENES  # noqa: PLC0415

    print(predict(SCENES))
    print(f"\n{predict_memory()}")


def write_page(folder: Path) -> None:
    """Print the tables, and write them into the page unless the networks were tiny."""
    from gpu_speed.report import format_tables, read_results  # noqa: PLC0415

    results = read_results(folder)
    try:
        tables = format_tables(results)
    except ValueError as error:
        sys.exit(f"{folder}: {error}")
    print(tables)
    if not any(part["machine"]["tiny"] for part in results.values() if "machine" in part):
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        page = f"{before}{BEGIN}\n{tables}{END}{rest.split(END)[1]}"
        PAGE.write_text(page, encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=DEFAULT, help=f"parts of {','.join(SHARES)}")
    parser.add_argument(
        "--compile",
        dest="compile_mode",
        default="blocks",
        choices=("off", "graphs", "blocks"),
        help="compute.compile_mode of the parts goals, cold, warm and fp8",
    )
    parser.add_argument("--check", dest="only", action="store_const", const="check", help="check")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "gpu")
    parser.add_argument("--deadline-s", type=float, default=280, help="of all parts together")
    parser.add_argument("--commit", default="", help="where git cannot tell it")
    parser.add_argument("--repeat", type=int, default=2, help="frames that are timed")
    parser.add_argument("--tiny", action="store_true", help="tiny networks; no figure counts")
    parser.add_argument("--page", type=Path, metavar="OUT", help="write the tables of OUT")
    parser.add_argument("--predict", action="store_true", help="print the costs by arithmetic")
    parser.add_argument("--part", choices=SHARES, help=argparse.SUPPRESS)
    parser.add_argument("--launched-s", type=float, default=_START_S, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    if arguments.predict:
        predict_costs()
    elif arguments.page:
        write_page(arguments.page)
    elif arguments.part:
        run_part(arguments)
    else:
        arguments.out.mkdir(parents=True, exist_ok=True)
        return run_parts(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
