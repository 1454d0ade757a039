"""Measure the inpainting speed: diffusers, the profiles, and the UNet behind CUDA graphs.

Needs no weights: the real architectures with random ones. Each figure is printed and written to
OUT/PART.json as soon as it is known; each part is a process of its own.

    make bench-gpu                           # eager and graphs, five minutes on a large GPU
    python bench/gpu.py --only eager         # as shipped, uncompiled, against diffusers
    python bench/gpu.py --only graphs        # behind CUDA graphs, with compiled blocks
    python bench/gpu.py --only compile       # the whole UNet compiled, minutes per shape
    python bench/gpu.py --tiny               # tiny networks, to check the script (so without GPU)
    python bench/gpu.py --page OUT           # put the tables of OUT into docs/performance.md
    python bench/gpu.py --predict            # costs by arithmetic
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

_START_S = time.monotonic()
ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench-gpu: begin -->", "<!-- bench-gpu: end -->"
# Share of the time that is left when a part begins; the next one gets what is left then.
SHARES = {"eager": 0.55, "graphs": 1.0, "compile": 1.0}
_MARGIN_S = 6.0  # for the step that runs when a part's time is over


def run_parts(arguments: argparse.Namespace) -> int:
    """Run each part in a process of its own: none ends another, whatever it does to the GPU."""
    failed = 0
    for name in arguments.only.split(","):
        left_s = arguments.deadline_s - (time.monotonic() - _START_S)
        part_s = left_s * (SHARES[name] if name != arguments.only else 1)
        command = [sys.executable, __file__, *sys.argv[1:], "--part", name]
        command += ["--deadline-s", str(part_s - _MARGIN_S)]
        try:
            code = subprocess.run(command, check=False, timeout=part_s).returncode
        except subprocess.TimeoutExpired:
            code = -1
        print(f"[{time.monotonic() - _START_S:6.1f} s] {name} ended with {code}", flush=True)
        failed += code != 0
    return failed


def run_part(arguments: argparse.Namespace) -> None:
    """Measure one part in this process."""
    import torch  # noqa: PLC0415 - its import is a part's time

    from anon_ros.models.weights.offline import disable_network_access  # noqa: PLC0415

    disable_network_access()
    from gpu_speed.bench import Bench  # noqa: PLC0415 - imports diffusers, after the switches
    from gpu_speed.parts import begin, run_compiled, run_eager, run_graphs  # noqa: PLC0415
    from gpu_speed.report import Report  # noqa: PLC0415

    parts = {"eager": run_eager, "graphs": run_graphs, "compile": run_compiled}
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    tiny = arguments.tiny or device.type == "cpu"
    if tiny:
        print("tiny networks, to check the script; none of the figures counts")
    bench = Bench(device, arguments.repeat, tiny=tiny)
    path = arguments.out / f"{arguments.part}.json"
    report = Report(path, _START_S, arguments.deadline_s)
    begin(report, bench, arguments.commit)
    parts[arguments.part](report, bench)


def predict_costs() -> None:
    from anon_ros.models.weights.offline import disable_network_access  # noqa: PLC0415

    disable_network_access()
    from gpu_speed.costs import predict  # noqa: PLC0415 - imports diffusers, after the switches
    from street_scene import SCENES  # noqa: PLC0415

    print(predict(SCENES))


def write_page(folder: Path) -> None:
    """Print the tables, and write them into the page unless the networks were tiny."""
    from gpu_speed.report import format_tables, read_results  # noqa: PLC0415

    results = read_results(folder)
    tables = format_tables(results)
    print(tables)
    if not any(part["machine"]["tiny"] for part in results.values()):
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        page = f"{before}{BEGIN}\n{tables}{END}{rest.split(END)[1]}"
        PAGE.write_text(page, encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="eager,graphs", help=f"parts of {','.join(SHARES)}")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "gpu")
    parser.add_argument("--deadline-s", type=float, default=285, help="of all parts together")
    parser.add_argument("--commit", default="", help="where git cannot tell it")
    parser.add_argument("--repeat", type=int, default=2, help="frames that are timed")
    parser.add_argument("--tiny", action="store_true", help="tiny networks; no figure counts")
    parser.add_argument("--page", type=Path, metavar="OUT", help="write the tables of OUT")
    parser.add_argument("--predict", action="store_true", help="print the costs by arithmetic")
    parser.add_argument("--part", choices=SHARES, help=argparse.SUPPRESS)
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
