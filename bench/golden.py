"""Run anon_ros on real inputs and write down what came out, to compare two versions of the code.

    golden.py run TREE OUT RESULT.json [--new-names] [--only COMMAND ...]    # CPU, one thread
    golden.py compare A.json B.json                     # exit code 1 if results differ

MODELS and INPUTS (made by golden_inputs.py) are the same for all runs. RESULT.json holds, by
command, "results" (exit code, hashes, numbers: they must be equal) and "words" (headings,
sentences: told, but they may be reworded). Left out is what tells when, where and how fast.
The keys of the result are the new names, whichever tree was run.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODELS, INPUTS = HERE / "golden_models", HERE / "golden_inputs"

DETECT = (
    f"--detect.weights {MODELS}/yolov8s-seg-demo.pt --detect.classes person 'fallen person'"
    " --detect.inference_px 640 --compute.device cpu"
)
DIFFUSION = (
    f"--inpaint.model {MODELS}/tiny_sdxl --inpaint.generate_px 64 --inpaint.steps 5"
    " --inpaint.min_person_px 24 --inpaint.guidance 3 --compute.batch 2"
    " --inpaint.prompt 'a person' --inpaint.negative_prompt ''"
)
SDXL = f"--inpaint.kind sdxl {DIFFUSION}"
NETWORK = f"mobilenet={MODELS}/mobilenet.pt@224x224"
NETWORKS = f"--embedder {NETWORK} --features {NETWORK}"
BAGS, FRAMES = INPUTS / "bags", INPUTS / "frames"
FILM = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"

# By name of the output folder, with the names of today; {0} is that name.
COMMANDS = {
    "image_fill": f"image {INPUTS}/photos -o {{0}} {DETECT} --inpaint.kind fill",
    "image_blur": f"image {INPUTS}/photos -o {{0}} {DETECT} --inpaint.kind blur --detect.iou 0.6",
    "image_sdxl": f"image {INPUTS}/photos -o {{0}} {DETECT} {SDXL}",
    "image_square": f"image {INPUTS}/photos/bus.jpg -o {{0}} {DETECT} {SDXL} --inpaint.crop square",
    "bag_mcap": f"bag {BAGS}/mixed_mcap {{0}} {DETECT} --inpaint.kind fill --memory.s 0.8",
    "bag_sqlite3": (
        f"bag {BAGS}/mixed_sqlite3 {{0}} {DETECT} --inpaint.kind blur --prefix /anon"
        " --track.confidence 0.2"
    ),
    "bag_previous": (
        f"bag {BAGS}/walk_split {{0}} {DETECT} {SDXL} --every-nth 2 --skip.on_skipped reuse"
        " --identity.reuse previous"
    ),
    "bag_salvage.mcap": (
        f"bag {BAGS}/damaged.mcap {{0}} {DETECT} --inpaint.kind pixelate --salvage --drop /imu/data"
    ),
    "bag_ros1.bag": f"bag {BAGS}/ros1.bag {{0}} {DETECT} --inpaint.kind telea",
    "bag_converted": (
        f"bag {BAGS}/ros1.bag {{0}} {DETECT} --inpaint.kind fill --no-masks"
        " --storage sqlite3 --compression file"
    ),
    "verify bag_mcap": f"verify {BAGS}/mixed_mcap bag_mcap",
    "verify bag_sqlite3": (
        f"verify {BAGS}/mixed_sqlite3 bag_sqlite3 --every-nth 2 --review bag_sqlite3/review.html"
    ),
    "verify bag_previous": f"verify {BAGS}/walk_split bag_previous",
    "verify bag_salvage": f"verify {BAGS}/damaged.mcap bag_salvage.mcap",
    "verify bag_ros1": f"verify {BAGS}/ros1.bag bag_ros1.bag --no-second-look",
    "verify another recording": f"verify {BAGS}/walk_split bag_mcap --no-second-look",
    "all_bag": (
        f"evaluate all {BAGS}/walk_split --anonymized bag_previous --out {{0}} --scenes 10"
        " --period-s 0.5 --every-nth 2"
    ),
    "all_frames": (
        f"evaluate all {FRAMES} --every-nth 2 --rate-hz 2.5 --labels {INPUTS}/labels --out {{0}}"
        " --scenes 20 --period-s 1"
        f" --modes fill paper-blur sdxl {NETWORKS} {DETECT} {DIFFUSION} --detect.inference_px 480"
    ),
    "beta": (
        f"evaluate beta {FRAMES} --rate-hz 5 --limit 8 --betas 0.2 1 --period-s 0.5 --out {{0}}"
        f" {NETWORKS} {DETECT} {DIFFUSION}"
    ),
    "reid_set": (
        f"evaluate reid {INPUTS}/people/set.csv --format csv --modes fill pixelate sdxl"
        f" --embedder {NETWORK} --out {{0}} {DETECT} {DIFFUSION}"
    ),
    "detection": (
        f"evaluate detection {FRAMES} --labels {INPUTS}/labels --modes fill mask-out --out {{0}}"
        " --train yolov8n.yaml --epochs 1 --train-px 64 --batch 4 --train-share 0.6 --seeds 1"
        f" {DETECT}"
    ),
    "temporal_film": f"evaluate temporal {FILM} --limit 6 --every-nth 2 --out {{0}} {DETECT}",
}

# Old name: new name; of parameters, as flags and in reports.
PARAMETERS = {
    "memory.s": "memory.duration_s",
    "detect.iou": "detect.nms_iou",
    "skip.backlog": "skip.queue_size",
    "skip.budget_ms": "skip.latency_budget_ms",
    "compute.batch": "compute.batch_size",
    "compute.compile": "compute.compile_mode",
    "inpaint.guidance": "inpaint.guidance_scale",
    "inpaint.kind": "inpaint.method",
    "inpaint.crop": "inpaint.aspect",
    "topics.forward": "topics.passthrough",
    "topics.trusted": "topics.trusted_subscribers",
    "qos.match": "qos.match_publisher",
    "track.confidence": "track.low_confidence",
}
VALUES = {"inpaint.aspect": {"bucket": "auto"}}  # by new name of the parameter
FLAGS = {
    "verify": {"--review": "--html", "--no-second-look": "--no-redetection"},
    "evaluate": {
        "--out": "--output",
        "--modes": "--methods",
        "--every-nth": "--stride",
        "--limit": "--max-frames",
        "--rate-hz": "--fps",
        "--train": "--train-from",
        "--train-share": "--train-fraction",
        "--seeds": "--train-seeds",
        "--batch": "--train-batch",
        "--truth-confidence": "--pseudo-label-confidence",
        "--format": "--dataset-format",
    },
}
# Keys of report.json, and columns of masks.db.
KEYS = {
    **PARAMETERS,
    "log_times_ns": "time_range_ns",
    "masks": "has_masks",
    "answers": "summary",
    "limits": "limitations",
    "made": "provenance",
    "licence": "license",
}
# Tells when, where, by which version, or how fast.
VARIABLE = {
    *("job", "fingerprint", "schema_version", "input", "output", "started", "ended"),
    *("versions", "command", "machine", "path", "anonymized by"),
}
# Columns of masks.db that hold sentences.
SENTENCES = ("frames.reason", "frames.covered", "files.losses")
DATE = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:+]+")
TIMED_COLUMN = re.compile(r"\bs per person|\btime per person")
LOST_AT = re.compile(r", (\S+) at (\d+) ns")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def split_command(name, *, has_new_names):
    words = shlex.split(COMMANDS[name].format(name))
    if not has_new_names:
        return words
    flags = {f"--{old}": f"--{new}" for old, new in PARAMETERS.items()} | FLAGS.get(words[0], {})
    return [flags.get(word, word) for word in words]


def run_command(tree, out, words):
    """Return the exit code, and what was printed, without paths and durations."""
    script = f"import anon_ros.cli.main as m; assert m.__file__.startswith({str(tree)!r}), m"
    script += "; raise SystemExit(m.main())"
    environment = os.environ | {
        **{"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        **{"YOLO_CONFIG_DIR": str(out / "config"), "MPLCONFIGDIR": str(out / "config")},
    }
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=out,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=(out / "stderr.log").open("a"),
        text=True,
    )
    text = re.sub(r"; \d+ s$", "", done.stdout.replace(str(HERE), ""), flags=re.MULTILINE)
    return done.returncode, "" if words[0] == "evaluate" else text  # its report holds the same


def rename_keys(value):
    """Return JSON with the new names, without what varies; of models the hashes, not the paths."""
    if isinstance(value, list):
        return [rename_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {KEYS.get(key, key): rename_keys(item) for key, item in value.items()}
    renamed = {key: VALUES.get(key, {}).get(str(item), item) for key, item in renamed.items()}
    return {key: item for key, item in sorted(renamed.items()) if key not in VARIABLE}


def read_run_report(path):
    """Return report.json of a recording; its losses as (topic, time), as version 1 told them."""
    report = json.loads(path.read_text())
    if "losses" in report:
        losses = [[loss["topic"], str(loss["log_time_ns"])] for loss in report.pop("losses")]
    else:
        losses = [list(LOST_AT.search(place).groups()) for place in report.pop("lost")["places"]]
    return rename_keys(report) | {"losses": losses}


def read_masks(path):
    """Return a hash per column of masks.db, but of the table that tells when."""
    hashes = {}
    with sqlite3.connect(path) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE name != 'job'"):
            if table.startswith("sqlite_"):
                continue
            rows = database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
            names = [KEYS.get(column[0], column[0]) for column in rows.description]
            for name, column in zip(names, zip(*rows, strict=True), strict=False):
                hashes[f"{table}.{name}"] = sha(repr(column).encode())
    return hashes


def read_messages(path):
    """Return by topic and type a hash over times and bytes, read by rosbags or mcap alone."""
    digests = {}
    for name, *stamps, data in iterate_mcap(path) if path.suffix == ".mcap" else iterate_bag(path):
        digest = digests.setdefault(name, hashlib.sha256())
        digest.update(repr(stamps).encode() + bytes(data))
    return {name: digest.hexdigest()[:16] for name, digest in sorted(digests.items())}


def iterate_mcap(path):
    from mcap.reader import make_reader

    with path.open("rb") as stream:
        for schema, channel, message in make_reader(stream).iter_messages(log_time_order=False):
            stamps = message.log_time, message.publish_time, message.sequence
            yield f"{channel.topic} {schema.name}", *stamps, message.data


def iterate_bag(path):
    from rosbags.highlevel import AnyReader

    with AnyReader([path]) as reader:
        for connection, time_ns, data in reader.messages():
            yield f"{connection.topic} {connection.msgtype}", time_ns, data


def numbers_of(value):
    """Return all numbers of JSON or of a text, in their order."""
    if isinstance(value, str):
        return [float(number) for number in NUMBER.findall(value)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers_of(item)]
    return [] if value is None else [float(value)]


def read_csv(path):
    """Return columns as (heading, cells), but those of times."""
    with path.open(encoding="utf-8") as file:
        columns = zip(*csv.reader(file), strict=True)
        return [list(column) for column in columns if not TIMED_COLUMN.search(column[0])]


def read_evaluation(folder):
    """Return the numbers of each table, and the words of the report."""
    report = rename_keys(json.loads(DATE.sub("", (folder / "report.json").read_text())))
    provenance = report["provenance"]
    provenance.pop("provenance", None)  # when it was "made", renamed
    tables = [read_csv(folder / f"{table['name']}.csv") for table in report["tables"]]
    results = {f"table {i}": numbers_of([c[1:] for c in t]) for i, t in enumerate(tables)}
    results |= {name: numbers_of(report[name]) for name in ("summary", "limitations")}
    results["drawn frames"] = sorted(sha(p.read_bytes()) for p in folder.rglob("frames/**/*.png"))
    words = {name: report[name] for name in ("title", "summary", "limitations", "provenance")}
    words["tables"] = [[table["title"], table["note"]] for table in report["tables"]]
    words |= {f"table {i}": [c[0] for c in t] for i, t in enumerate(tables)}
    words |= {plot.name: sha(plot.read_bytes()) for plot in sorted(folder.glob("*.svg"))}
    return results, words


def read_recording(output):
    """Return hashes of files, messages and masks, and the report; and its sentences."""
    own = {"report.json", "masks.db", "review.html"}
    files = [output] if output.is_file() else output.iterdir()
    results = {path.name: sha(path.read_bytes()) for path in sorted(files) if path.name not in own}
    results["messages"] = read_messages(output)
    results["report"] = read_run_report(sidecar(output, "report.json"))
    words = {"covered": results["report"].pop("covered")}
    words["decisions"] = [topic.pop("reason", "") for topic in results["report"]["topics"]]
    results["covered"] = sorted(numbers_of(words["covered"]))
    if sidecar(output, "masks.db").exists():
        columns = read_masks(sidecar(output, "masks.db"))
        words["masks"] = {name: columns.pop(name, None) for name in SENTENCES}
        results["masks"] = columns
    return results, words


def sidecar(output, name):
    return output.with_name(f"{output.name}.{name}") if output.is_file() else output / name


def read_review(page):
    """Return hashes of the images that verify shows."""
    return [sha(data.encode()) for data in re.findall(r'src="(data:[^"]+)"', page.read_text())]


def collect(name, out, words):
    """Return results and words of one command."""
    if words[0] == "verify":
        return {"images": read_review(sidecar(out / words[2], "review.html"))}, {}
    if words[0] == "bag":
        return read_recording(out / name)
    if words[0] == "evaluate":
        return read_evaluation(out / name)
    return {path.name: sha(path.read_bytes()) for path in sorted((out / name).iterdir())}, {}


def remove(paths):
    """Remove what an earlier run left, which the command would take for its own result."""
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def run(tree, out, result, names, *, has_new_names):
    out.mkdir(parents=True, exist_ok=bool(names))
    golden = json.loads(result.read_text()) if names and result.exists() else {}
    for name in names or COMMANDS:
        remove(out.glob(f"{name}*"))
        started_s = time.monotonic()
        words = split_command(name, has_new_names=has_new_names)
        code, text = run_command(tree, out, words)
        try:
            results, told = collect(name, out, words)
        except OSError as error:
            results, told = {"no output": str(error)}, {}
        golden[name] = {
            "results": {"exit code": code, "printed numbers": numbers_of(text), **results},
            "words": {"printed": text.splitlines(), **told},
        }
        print(f"{name}: {code}, {time.monotonic() - started_s:.0f} s", flush=True)
        result.write_text(json.dumps(golden, indent=1) + "\n")


def differences(a, b, where=""):
    """Yield (kind, line) for each path at which two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() - b.keys():
            yield "missing", f"{where} / {key}: {a[key]!r}"
        for key in b.keys() - a.keys():
            yield "added", f"{where} / {key}: {b[key]!r}"
        for key in [key for key in a if key in b]:
            yield from differences(a[key], b[key], f"{where} / {key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, pair in enumerate(zip(a, b, strict=True)):
            yield from differences(*pair, f"{where}[{index}]")
    elif a != b:
        yield "changed", f"{where}: {a!r} -> {b!r}"


def compare(first, second):
    """Print what differs; return 1 if a result changed or is missing."""
    a, b = (json.loads(path.read_text()) for path in (first, second))
    found = list(differences(a, b))
    for title, part in (("words, which may be reworded", "words"), ("RESULTS", "results")):
        lines = [(kind, line) for kind, line in found if f" / {part}" in line.partition(":")[0]]
        print(f"{title}: {len(lines)} differences")
        print("".join(f"  {kind} {line}\n" for kind, line in lines), end="")
    return int(any(kind != "added" and " / words" not in line for kind, line in found))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("paths", nargs=3, type=lambda text: Path(text).resolve())
    running.add_argument("--new-names", action="store_true")
    running.add_argument(
        "--only", nargs="+", choices=COMMANDS, help="go on with OUT and RESULT.json with these"
    )
    comparing = commands.add_parser("compare")
    comparing.add_argument("paths", nargs=2, type=Path)
    arguments = parser.parse_args()
    if arguments.command == "compare":
        return compare(*arguments.paths)
    run(*arguments.paths, arguments.only, has_new_names=arguments.new_names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
