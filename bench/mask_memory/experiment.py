"""Measure uncovered persons with and without mask memory; needs no GPU and no ROS.

A pedestrian video is segmented once with the demo's weights. For every confidence and mode of the
memory the experiment measures the labelled persons that stay uncovered and the pixels that are
covered without a person, the same against the detections themselves when some of them are dropped,
and the cost of tracks and memory per frame. It writes tables and a plot.

Run it from the root of the repository: python -m bench.mask_memory.experiment
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

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
from anon_ros.tracking.mask_windows import intersect_windows
from anon_ros.tracking.observations import to_detections
from anon_ros.utils.progress import track_progress
from anon_ros.utils.units import NS_PER_S
from bench.mask_memory.plot import draw_plot
from bench.mask_memory.tables import (
    MODES,
    format_cost_table,
    format_drop_table,
    format_recall_table,
)
from bench.street_scene import make_image

ROOT = Path(__file__).resolve().parents[2]
VIDEO = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
WEIGHTS = ROOT / "build" / "demo" / "yolov8s-seg-demo.pt"
BEGIN, END = "<!-- mask_memory: begin -->", "<!-- mask_memory: end -->"
SEED = 0
BURST, BURST_PERIOD = 5, 20  # frames
COST_FRAMES = 300
_SAME_PERSON_RATIO = 0.5
_UNTRACKED = 1 << 20


@dataclass(frozen=True)
class Truth:
    """Persons of a frame: (N, H, W) bool masks and a number per person."""

    masks: npt.NDArray[np.bool_]
    persons: Sequence[int]


TruthOf = Callable[[int], Truth | None]
"""Function of a frame's index: its persons; None without labels."""
Drop = Callable[[int, int], bool]
"""Function of the indices of frame and person: True if the person's detection is dropped."""


def make_config(confidence: float, mode: str) -> Config:
    """Return the defaults with the compared parameters."""
    config = Config()
    return replace(
        config,
        detect=replace(
            config.detect,
            weights=(str(WEIGHTS),),
            confidence=confidence,
            classes=("person", "fallen person"),
        ),
        memory=replace(config.memory, mode=mode),
        identity=replace(config.identity, reuse="off" if mode == "off" else config.identity.reuse),
    )


def iter_frames(video: Path) -> Iterator[tuple[int, RgbImage]]:
    """Yield time in ns and pixels of the frames."""
    capture = cv2.VideoCapture(str(video))
    rate_hz = capture.get(cv2.CAP_PROP_FPS)
    for index in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
        read, image = capture.read()
        if not read:
            break
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        yield round(index * NS_PER_S / rate_hz), rgb


def segment(video: Path, confidence: float) -> list[FrameObservation]:
    """Detect the persons of all frames, once for all compared parameters."""
    config = make_config(confidence, "both")
    segmenter = build_segmenter(config).with_thresholds(config.detect, min_confidence(config))
    frames = track_progress(iter_frames(video), "segmenting")
    return [observe_frame(image, segmenter.segment(image), at) for at, image in frames]


def read_labels(folder: Path, height_px: int, width_px: int) -> dict[int, Truth]:
    """Read the labels by index of the frame, which the file name ends with."""
    paths = sorted(folder.glob("vtest*.txt"))
    masks = [read_yolo_polygons(path, height_px, width_px) for path in paths]
    indices = [int(path.stem.removeprefix("vtest")) for path in paths]
    linked = zip(masks, link_identities(masks), strict=True)
    return {index: Truth(*persons) for index, persons in zip(indices, linked, strict=True)}


def filter_candidates(
    moments: Iterable[FrameObservation], config: Config
) -> Iterator[FrameObservation]:
    """Yield the detections that the segmenter would return with ``config``."""
    threshold = min_confidence(config)
    for moment in moments:
        persons = [person for person in moment.persons if person.score >= threshold]
        yield replace(moment, persons=persons)


def measure(
    moments: Iterable[FrameObservation], config: Config, truth_of: TruthOf
) -> TemporalRecall:
    """Cover the persons as the product does, in all frames with labels."""
    recall = TemporalRecall()
    frames = iter_with_lookahead(
        filter_candidates(moments, config), config, lambda: build_tracker(config)
    )
    for index, (timeline, moment) in enumerate(frames):
        truth = truth_of(index)
        if truth is None:
            timeline.skip_frame(moment)
        else:
            covered = cover_persons(timeline.persons_in(moment).detections)
            recall.update(moment.time_ns / NS_PER_S, truth.masks, truth.persons, covered)
    return recall


def cover_persons(detections: Detections) -> Mask:
    """Return the replaced pixels, (H, W) bool."""
    covered = np.zeros(detections.masks.shape[1:], np.bool_)
    for region in make_regions(detections, MaskConfig()):
        covered[region.window.slices] |= region.mask
    return covered


def number_persons(moments: Sequence[FrameObservation], config: Config) -> list[list[int]]:
    """Return person numbers per frame: the track; of overlapping detections, the oldest track."""
    tracker = build_tracker(config)
    numbers = []
    for moment in moments:
        boxes = np.array([s.box_xyxy for s in moment.persons], np.float32).reshape(-1, 4)
        scores = np.array([s.score for s in moment.persons], np.float32)
        tracks = tracker.update(boxes, scores)
        own = [_UNTRACKED + i if track is None else track for i, track in enumerate(tracks)]
        groups = _group_duplicates(moment.persons)
        oldest = {
            group: min(number for number, g in zip(own, groups, strict=True) if g == group)
            for group in groups
        }
        numbers.append([oldest[group] for group in groups])
    return numbers


def _group_duplicates(sightings: Sequence[PersonObservation]) -> list[int]:
    """Group detections of the same person; a second detection would fill in for a dropped one."""
    groups: list[int] = []
    for index, sighting in enumerate(sightings):
        same = (
            group
            for group, earlier in zip(groups, sightings, strict=False)
            if _measure_shared_ratio(sighting, earlier) >= _SAME_PERSON_RATIO
        )
        groups.append(next(same, index))
    return groups


def _measure_shared_ratio(left: PersonObservation, right: PersonObservation) -> float:
    """Return the shared pixels, as a ratio of the smaller mask."""
    _, mask = intersect_windows(left.mask_window, right.mask_window)
    smaller_px = min(int(np.count_nonzero(m)) for m in (left.mask, right.mask))
    return int(np.count_nonzero(mask)) / max(smaller_px, 1)


def make_drops() -> dict[str, Drop]:
    """Return the ways to drop detections by name."""
    return {
        "10 % at random": drop_at_random(0.1),
        "30 % at random": drop_at_random(0.3),
        "50 % at random": drop_at_random(0.5),
        "5 of 20 frames, each person's own": lambda frame, person: _is_in_burst(
            frame + _draw_phase(person)
        ),
        "5 of 20 frames, everybody": lambda frame, _: _is_in_burst(frame),
    }


def drop_at_random(ratio: float) -> Drop:
    """Drop detections independently of each other."""
    return lambda frame, person: np.random.default_rng([SEED, frame, person]).random() < ratio


def _draw_phase(person: int) -> int:
    return int(np.random.default_rng([SEED, person]).integers(BURST_PERIOD))


def _is_in_burst(frame: int) -> bool:
    return frame % BURST_PERIOD < BURST


def drop_detections(
    moments: Iterable[FrameObservation], numbers: Iterable[Sequence[int]], drop: Drop
) -> Iterator[FrameObservation]:
    """Yield the frames without the dropped detections."""
    for frame, (moment, persons) in enumerate(zip(moments, numbers, strict=True)):
        pairs = zip(moment.persons, persons, strict=True)
        left = [sighting for sighting, person in pairs if not drop(frame, person)]
        yield replace(moment, persons=left)


def use_detections_as_truth(
    moments: Sequence[FrameObservation], numbers: Sequence[Sequence[int]], min_score: float
) -> TruthOf:
    """Return the truth of which the detections are the persons."""

    def truth_of(index: int) -> Truth:
        moment = moments[index]
        pairs = zip(moment.persons, numbers[index], strict=True)
        # Of two detections of a person the first counts: the segmenter sorts them by score.
        persons: dict[int, PersonObservation] = {}
        for sighting, person in pairs:
            if sighting.score >= min_score:
                persons.setdefault(person, sighting)
        masks = to_detections(list(persons.values()), moment.width_px, moment.height_px).masks
        return Truth(masks, list(persons))

    return truth_of


def measure_drops(
    moments: Sequence[FrameObservation], confidence: float
) -> dict[tuple[str, str], TemporalRecall]:
    """Measure the recall by drop and mode."""
    config = make_config(confidence, "both")
    moments = list(filter_candidates(moments, config))
    numbers = number_persons(moments, config)
    truth_of = use_detections_as_truth(moments, numbers, confidence)
    return {
        (name, mode): measure(
            drop_detections(moments, numbers, drop), make_config(confidence, mode), truth_of
        )
        for name, drop in make_drops().items()
        for mode in MODES
    }


def make_walkers(frame: int, missed: int) -> Detections:
    """Return ten swaying persons of 120 x 400 px, of whom ``missed`` are missing at any time."""
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


def measure_cost_ms(missed: int, frames: int, warm_up: int = 100) -> list[float]:
    """Measure the time between segmenter and cover per frame, without the first frames."""
    config = make_config(0.25, "past")
    stream, image = OnlineStream(config, lambda: build_tracker(config)), make_image()
    durations_ms = []
    for frame in range(warm_up + frames):
        detections = make_walkers(frame, missed)
        start = time.perf_counter()
        moment = observe_frame(image, detections, frame * NS_PER_S // 30)
        persons = stream.persons_in(moment, detections.masks)
        durations_ms.append((time.perf_counter() - start) * 1000)
        if frame >= warm_up and persons.num_propagated != missed:
            message = (
                f"{persons.num_propagated} persons propagated in frame {frame}, expected {missed}"
            )
            raise RuntimeError(message)
    return durations_ms[warm_up:]


def make_report(
    moments: Sequence[FrameObservation], labels: Path, confidences: Sequence[float], output: Path
) -> list[str]:
    """Measure, draw the plot, and return the lines of the page."""
    costs_ms = {
        "all detected": measure_cost_ms(0, COST_FRAMES),
        "3 of them missed at any time": measure_cost_ms(3, COST_FRAMES),
    }
    first = moments[0]
    truths = read_labels(labels, first.height_px, first.width_px)
    results = {
        (confidence, mode): measure(moments, make_config(confidence, mode), truths.get)
        for confidence in track_progress(confidences, "measuring", len(confidences), "confidences")
        for mode in MODES
    }
    draw_plot(results, confidences[len(confidences) // 2], output / "mask_memory.png")
    dropped = measure_drops(moments, min(confidences))
    labelled = sum(len(truth.persons) for truth in truths.values())
    count = next(iter(dropped.values())).compute(0).person_frames
    dropped_note = (
        f"Drops at confidence {min(confidences)}: of {count} persons found in "
        f"{len(moments)} frames."
    )
    return [
        describe_machine(confidences),
        "",
        f"Labels: {labelled} persons in {len(truths)} of {len(moments)} frames.",
        "",
        *format_recall_table(results),
        "",
        dropped_note,
        "",
        *format_drop_table(dropped),
        "",
        *format_cost_table(costs_ms),
    ]


def describe_machine(confidences: Sequence[float]) -> str:
    """Return machine, commit, date and command."""
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
        f"`python -m bench.mask_memory.experiment --confidence {words}`."
    )


def write_page(page: Path, lines: Sequence[str]) -> None:
    """Replace the earlier results between the marks in ``page``."""
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    body = "\n".join([BEGIN, *lines, END])
    page.write_text(f"{before}{body}{rest.split(END)[1]}", encoding="utf-8")


def assemble_weights() -> None:
    """Assemble the demo's weights."""
    script = ROOT / "demo" / "assemble_weights.py"
    subprocess.run([sys.executable, script, "-o", WEIGHTS], check=True)


def main() -> None:
    """Run the experiment and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=VIDEO, help="vtest.avi of OpenCV's samples")
    parser.add_argument("--labels", type=Path, default=ROOT / "test" / "data" / "masks")
    parser.add_argument("--confidence", type=float, nargs="+", default=[0.25, 0.4, 0.5])
    parser.add_argument(
        *("-o", "--output"), type=Path, default=ROOT / "docs", help="folder of page and plot"
    )
    arguments = parser.parse_args()
    if not arguments.video.is_file():
        sys.exit(
            f"{arguments.video} is missing. It is in Debian's package opencv-doc: apt install "
            "opencv-doc, or apt download opencv-doc and dpkg -x, and give --video"
        )
    arguments.output.mkdir(parents=True, exist_ok=True)  # not after minutes of work
    assemble_weights()
    moments = segment(arguments.video, min(arguments.confidence))
    lines = make_report(moments, arguments.labels, arguments.confidence, arguments.output)
    write_page(arguments.output / "mask_memory.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
