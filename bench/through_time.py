"""Whether everybody stays covered through time, with and without memory; needs no GPU and no ROS.

A pedestrian video is segmented once by the demo's weights. Then for each confidence and each mode
of the memory: how many labelled persons are left uncovered, and how much is covered where nobody
is; the same against the detections themselves when some of them are dropped; and what tracks and
memory cost per frame. Writes a table and a plot.
"""

import argparse
import itertools
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scene import make_image

from anon_ros.config import Config, MaskConfig
from anon_ros.core import Detections, Mask, RgbImage, make_regions
from anon_ros.evaluation.labels.polygons import read_yolo_polygons
from anon_ros.metrics import TemporalRecall, link_identities
from anon_ros.models import build_segmenter, build_tracker
from anon_ros.tracking import (
    FrameObservation,
    OnlineStream,
    PersonObservation,
    iter_with_lookahead,
    min_confidence,
    observe_frame,
)
from anon_ros.tracking.observations import intersect_windows, to_detections
from anon_ros.utils.progress import track_progress
from anon_ros.utils.units import NS_PER_S

ROOT = Path(__file__).resolve().parents[1]
VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
WEIGHTS = ROOT / "build" / "demo" / "yolov8s-seg-demo.pt"
BEGIN, END = "<!-- mask_memory: begin -->", "<!-- mask_memory: end -->"
MODES = ("off", "past", "both")
TOLERANCES = (0.0, 0.1, 0.5)
PLOTTED_TOLERANCE = 0.1
FACTOR_GOAL, FALSE_COVER_GOAL, DROP_GOAL, COST_GOAL_MS = 3, 0.02, 0.005, 5
SEED = 0
BURST, BURST_PERIOD = 5, 20  # frames
COST_FRAMES = 300
_SAME_PERSON_RATIO = 0.5
_UNTRACKED = 1 << 20
_BIN_S = 4
_COLOURS = {"off": "#c44e52", "past": "#dd9a3c", "both": "#3f6fb0"}


@dataclass(frozen=True)
class Truth:
    """The persons of one frame: (N, H, W) bool masks and who they are."""

    masks: npt.NDArray[np.bool_]
    persons: Sequence[int]


TruthOf = Callable[[int], Truth | None]
"""The persons of a frame by its index; None where they are not known."""
Drop = Callable[[int, int], bool]
"""Whether a frame, by index, loses a person, by number."""
Results = Mapping[tuple[float, str], TemporalRecall]
"""By confidence and mode."""


def config_of(confidence: float, mode: str) -> Config:
    """The defaults, but for what is compared."""
    config = Config()
    return replace(
        config,
        detect=replace(
            config.detect,
            weights=str(WEIGHTS),
            confidence=confidence,
            classes=("person", "fallen person"),
        ),
        memory=replace(config.memory, mode=mode),
        identity=replace(config.identity, reuse="off" if mode == "off" else config.identity.reuse),
    )


def frames_of(video: Path) -> Iterator[tuple[int, RgbImage]]:
    """Each frame and its time in ns."""
    capture = cv2.VideoCapture(str(video))
    rate_hz = capture.get(cv2.CAP_PROP_FPS)
    for index in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
        read, image = capture.read()
        if not read:
            break
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        yield round(index * NS_PER_S / rate_hz), rgb


def segment(video: Path, confidence: float) -> list[FrameObservation]:
    config = config_of(confidence, "both")
    segmenter = build_segmenter(config).with_thresholds(config.detect, min_confidence(config))
    frames = track_progress(frames_of(video), "looking for persons")
    return [observe_frame(image, segmenter.segment(image), at) for at, image in frames]


def read_labels(folder: Path, height_px: int, width_px: int) -> dict[int, Truth]:
    """By the frame's index, which is the file's name."""
    paths = sorted(folder.glob("vtest*.txt"))
    masks = [read_yolo_polygons(path, height_px, width_px) for path in paths]
    indices = [int(path.stem.removeprefix("vtest")) for path in paths]
    linked = zip(masks, link_identities(masks), strict=True)
    return {index: Truth(*each) for index, each in zip(indices, linked, strict=True)}


def candidates(moments: Iterable[FrameObservation], config: Config) -> Iterator[FrameObservation]:
    """What the segmenter would have found with ``config``."""
    least = min_confidence(config)
    for moment in moments:
        found = [each for each in moment.persons if each.score >= least]
        yield replace(moment, persons=found)


def measure(
    moments: Iterable[FrameObservation], config: Config, truth_of: TruthOf
) -> TemporalRecall:
    """Cover the persons as the product does, wherever they are known."""
    recall = TemporalRecall()
    frames = iter_with_lookahead(candidates(moments, config), config, lambda: build_tracker(config))
    for index, (timeline, moment) in enumerate(frames):
        truth = truth_of(index)
        if truth is None:
            timeline.skip_frame(moment)
        else:
            covered = covered_by(timeline.persons_in(moment).detections)
            recall.update(moment.time_ns / NS_PER_S, truth.masks, truth.persons, covered)
    return recall


def covered_by(found: Detections) -> Mask:
    """(H, W) bool, all pixels that are replaced."""
    covered = np.zeros(found.masks.shape[1:], np.bool_)
    for region in make_regions(found, MaskConfig()):
        covered[region.window.slices] |= region.mask
    return covered


def person_numbers(moments: Sequence[FrameObservation], config: Config) -> list[list[int]]:
    """Whose each sighting is: its track's; of what mostly overlaps, the oldest one's."""
    tracker = build_tracker(config)
    numbers = []
    for moment in moments:
        boxes = np.array([s.box_xyxy for s in moment.persons], np.float32).reshape(-1, 4)
        scores = np.array([s.score for s in moment.persons], np.float32)
        tracks = tracker.update(boxes, scores)
        own = [_UNTRACKED + i if track is None else track for i, track in enumerate(tracks)]
        groups = _groups(moment.persons)
        oldest = {
            group: min(number for number, other in zip(own, groups, strict=True) if other == group)
            for group in groups
        }
        numbers.append([oldest[group] for group in groups])
    return numbers


def _groups(sightings: Sequence[PersonObservation]) -> list[int]:
    """A detector finds many a person twice; otherwise the second detection would fill in."""
    groups: list[int] = []
    for index, sighting in enumerate(sightings):
        same = (
            group
            for group, other in zip(groups, sightings, strict=False)
            if _shared_ratio(sighting, other) >= _SAME_PERSON_RATIO
        )
        groups.append(next(same, index))
    return groups


def _shared_ratio(one: PersonObservation, other: PersonObservation) -> float:
    """Of the smaller one's pixels."""
    _, mask = intersect_windows((one.window, one.mask), (other.window, other.mask))
    least_px = min(int(np.count_nonzero(each)) for each in (one.mask, other.mask))
    return int(np.count_nonzero(mask)) / max(least_px, 1)


def drops() -> dict[str, Drop]:
    return {
        "10 % at random": at_random(0.1),
        "30 % at random": at_random(0.3),
        "50 % at random": at_random(0.5),
        "5 of 20 frames, each person's own": lambda frame, person: _in_burst(
            frame + _phase(person)
        ),
        "5 of 20 frames, everybody": lambda frame, _: _in_burst(frame),
    }


def at_random(ratio: float) -> Drop:
    return lambda frame, person: np.random.default_rng([SEED, frame, person]).random() < ratio


def _phase(person: int) -> int:
    return int(np.random.default_rng([SEED, person]).integers(BURST_PERIOD))


def _in_burst(frame: int) -> bool:
    return frame % BURST_PERIOD < BURST


def without(
    moments: Iterable[FrameObservation], numbers: Iterable[Sequence[int]], drop: Drop
) -> Iterator[FrameObservation]:
    for frame, (moment, persons) in enumerate(zip(moments, numbers, strict=True)):
        pairs = zip(moment.persons, persons, strict=True)
        left = [sighting for sighting, person in pairs if not drop(frame, person)]
        yield replace(moment, persons=left)


def detected(
    moments: Sequence[FrameObservation], numbers: Sequence[Sequence[int]], least: float
) -> TruthOf:
    """The detections themselves as truth."""

    def truth_of(index: int) -> Truth:
        moment = moments[index]
        pairs = zip(moment.persons, numbers[index], strict=True)
        # Of two detections of one person the likelier one counts; the segmenter sorts them.
        found: dict[int, PersonObservation] = {}
        for sighting, person in pairs:
            if sighting.score >= least:
                found.setdefault(person, sighting)
        masks = to_detections(list(found.values()), moment.width_px, moment.height_px).masks
        return Truth(masks, list(found))

    return truth_of


def measure_drops(
    moments: Sequence[FrameObservation], confidence: float
) -> dict[tuple[str, str], TemporalRecall]:
    """By kind of drop and mode."""
    config = config_of(confidence, "both")
    moments = list(candidates(moments, config))
    numbers = person_numbers(moments, config)
    truth_of = detected(moments, numbers, confidence)
    return {
        (name, mode): measure(
            without(moments, numbers, drop), config_of(confidence, mode), truth_of
        )
        for name, drop in drops().items()
        for mode in MODES
    }


def walkers(frame: int, missed: int) -> Detections:
    """Ten persons of 120 x 400 px in a row, swaying, of whom some are missed for half a second."""
    present = [person for person in range(10) if (frame // 5 + person) % 10 >= missed]
    masks = np.zeros((len(present), 1080, 1920), np.uint8)
    boxes = np.zeros((len(present), 4), np.float32)
    for mask, box, person in zip(masks, boxes, present, strict=True):
        x = 96 + 192 * person + round(30 * np.sin(frame / 20 + person))
        y, half_width = 500 + 10 * person, 60 - frame % 10
        cv2.ellipse(mask, (x, y), (half_width, 200), 0, 0, 360, 1, cv2.FILLED)
        box[:] = x - half_width, y - 200, x + half_width + 1, y + 201
    zeros = np.zeros(len(present), np.int64)
    return Detections(boxes, np.full(len(present), 0.9, np.float32), zeros, masks > 0)


def cost_ms(missed: int, frames: int, warm_up: int = 100) -> list[float]:
    """What lies between segmenter and cover, per frame; without the first ones."""
    config = config_of(0.25, "past")
    stream, image = OnlineStream(config, lambda: build_tracker(config)), make_image()
    taken_ms = []
    for frame in range(warm_up + frames):
        found = walkers(frame, missed)
        start = time.perf_counter()
        moment = observe_frame(image, found, frame * NS_PER_S // 30)
        persons = stream.persons_in(moment, found.masks)
        taken_ms.append((time.perf_counter() - start) * 1000)
        if frame >= warm_up and persons.num_propagated != missed:
            message = (
                f"{persons.num_propagated} persons carried on in frame {frame}, expected {missed}"
            )
            raise RuntimeError(message)
    return taken_ms[warm_up:]


def recall_table(results: Results) -> list[str]:
    lines = [
        "| confidence | memory | any pixel | over 10 % | over 50 % | longest | outside | most |",
        "| --- | --- |" + " ---: |" * 6,
    ]
    for confidence in dict.fromkeys(confidence for confidence, _ in results):
        lines += [
            f"| {confidence} | {mode} | {_recall_cells(results[confidence, mode])} |"
            for mode in MODES
        ]
        off, both = (_shares(results[confidence, mode]) for mode in ("off", "both"))
        factors = " | ".join(_factor(*pair) for pair in zip(off, both, strict=True))
        lines.append(f"| {confidence} | off / both | {factors} | | | |")
    return lines


def _recall_cells(recall: TemporalRecall) -> str:
    report = recall.compute(PLOTTED_TOLERANCE)
    outside = report.overcoverage_mean_ratio, report.overcoverage_max_ratio
    return " | ".join(
        [
            *(_percent(share) for share in _shares(recall)),
            f"{report.longest_uncovered_s or 0:.1f} s",
            *(_percent(ratio or 0) for ratio in outside),
        ]
    )


def _shares(recall: TemporalRecall, tolerances: Iterable[float] = TOLERANCES) -> list[float]:
    return [recall.compute(each).uncovered_ratio or 0 for each in tolerances]


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.2f} %"


def _factor(before: float, after: float) -> str:
    if not after:
        return "all" if before else "none"
    return f"{before / after:.1f}"


def drop_table(results: Mapping[tuple[str, str], TemporalRecall]) -> list[str]:
    lines = [
        "| dropped | off, over 50 % | past | both | off, over 10 % | past | both | goal, both |",
        "| --- |" + " ---: |" * 6 + " --- |",
    ]
    for name in dict.fromkeys(name for name, _ in results):
        shares = [_shares(results[name, mode], (0.5, 0.1)) for mode in MODES]
        cells = " | ".join(
            _percent(share) for column in zip(*shares, strict=True) for share in column
        )
        lines.append(f"| {name} | {cells} | {_drop_verdict(*shares[-1])} |")
    return lines


def _drop_verdict(half: float, tenth: float) -> str:
    if tenth < DROP_GOAL:
        return "met"
    return "met at 50 %" if half < DROP_GOAL else "missed"


def cost_table(costs_ms: Mapping[str, Sequence[float]]) -> list[str]:
    lines = ["| 10 persons | median | 95 of 100 below |", "| --- | ---: | ---: |"]
    for name, taken_ms in costs_ms.items():
        middle, high = statistics.median(taken_ms), statistics.quantiles(taken_ms, n=20)[-1]
        lines.append(f"| {name} | {middle:.1f} ms | {high:.1f} ms |")
    return lines


def report(
    moments: Sequence[FrameObservation], labels: Path, confidences: Sequence[float], out: Path
) -> list[str]:
    """Measure, and draw the plot."""
    print("costs ...", file=sys.stderr, flush=True)
    costs_ms = {
        "all detected": cost_ms(0, COST_FRAMES),
        "3 of them missed at any time": cost_ms(3, COST_FRAMES),
    }
    first = moments[0]
    truths = read_labels(labels, first.height_px, first.width_px)
    results = {}
    for confidence, mode in itertools.product(confidences, MODES):
        print(f"confidence {confidence}, memory {mode} ...", file=sys.stderr, flush=True)
        results[confidence, mode] = measure(moments, config_of(confidence, mode), truths.get)
    plot(results, confidences[len(confidences) // 2], out / "mask_memory.png")
    print("dropped detections ...", file=sys.stderr, flush=True)
    dropped = measure_drops(moments, min(confidences))
    labelled = sum(len(truth.persons) for truth in truths.values())
    least = min(confidences)
    count = next(iter(dropped.values())).compute(0).person_frames
    return [
        machine(confidences),
        "",
        f"Labels: {labelled} persons in {len(truths)} of {len(moments)} frames.",
        "",
        *recall_table(results),
        "",
        f"Drops at confidence {least}: of {count} persons found in {len(moments)} frames.",
        "",
        *drop_table(dropped),
        "",
        *cost_table(costs_ms),
    ]


def machine(confidences: Sequence[float]) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    words = " ".join(map(str, confidences))
    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, no GPU, commit "
        f"{commit}, {datetime.now(timezone.utc).date().isoformat()}, "
        f"`python bench/through_time.py --confidence {words}`."
    )


def plot(results: Results, confidence: float, output: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only here, it takes a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plt.rcParams["font.size"] = 12
    figure, (through, total) = plt.subplots(2, 1, figsize=(9, 7), height_ratios=(3, 2))
    for mode in MODES:
        times_s, shares = _binned(results[confidence, mode])
        through.stairs(shares, times_s, label=f"memory {mode}", color=_COLOURS[mode], linewidth=2)
    through.set(
        xlabel="time in the video (s)",
        ylabel=f"uncovered persons (%)\nper {_BIN_S} s",
        title=f"Persons of whom more than {100 * PLOTTED_TOLERANCE:.0f} % is uncovered, "
        f"confidence {confidence}",
    )
    confidences = list(dict.fromkeys(each for each, _ in results))
    for offset, mode in enumerate(MODES):
        bars = total.bar(
            [place + 0.27 * (offset - 1) for place in range(len(confidences))],
            [100 * _shares(results[each, mode], [PLOTTED_TOLERANCE])[0] for each in confidences],
            0.25,
            label=f"memory {mode}",
            color=_COLOURS[mode],
        )
        total.bar_label(bars, fmt="%.1f", padding=2)
    total.set_xticks(range(len(confidences)), [str(each) for each in confidences])
    total.set(
        xlabel="lowest score of a detection (confidence)",
        ylabel="uncovered persons (%)\nwhole video",
    )
    total.margins(y=0.15)
    for axes in (through, total):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    through.legend(frameon=False, ncols=3, loc="upper right")
    figure.tight_layout()
    figure.savefig(output, dpi=130)
    plt.close(figure)


def _binned(recall: TemporalRecall) -> tuple[list[int], list[float]]:
    """Edges in s, and the uncovered share between them in percent."""
    frames: dict[int, int] = defaultdict(int)
    uncovered: dict[int, float] = defaultdict(float)
    for each in recall.compute(PLOTTED_TOLERANCE).seconds:
        frames[each.second // _BIN_S] += each.frames
        uncovered[each.second // _BIN_S] += each.frames * each.uncovered_ratio
    last = max(frames)
    shares = [100 * uncovered[each] / max(frames[each], 1) for each in range(last + 1)]
    return [each * _BIN_S for each in range(last + 2)], shares


def write(page: Path, lines: Sequence[str]) -> None:
    """Replace what was measured before."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    body = "\n".join([BEGIN, *lines, END])
    page.write_text(f"{before}{body}{rest.split(END)[1]}", encoding="utf-8")


def assemble_weights() -> None:
    script = ROOT / "demo" / "weights.py"
    subprocess.run([sys.executable, script, "-o", WEIGHTS], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=VIDEO, help="vtest.avi of OpenCV's samples")
    parser.add_argument("--labels", type=Path, default=ROOT / "test" / "data" / "masks")
    parser.add_argument("--confidence", type=float, nargs="+", default=[0.25, 0.4, 0.5])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of page and plot")
    arguments = parser.parse_args()
    if not arguments.video.is_file():
        sys.exit(
            f"{arguments.video} is missing. It is in Debian's package opencv-doc: apt install "
            "opencv-doc, or apt download opencv-doc and dpkg -x, and give --video"
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    assemble_weights()
    moments = segment(arguments.video, min(arguments.confidence))
    lines = report(moments, arguments.labels, arguments.confidence, arguments.out)
    write(arguments.out / "mask_memory.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
