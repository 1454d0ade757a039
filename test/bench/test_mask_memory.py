"""The measurement of anonymity through time runs, and counts right; its figures need the video."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from anon_ros.core import Detections, RgbImage
from anon_ros.metrics import TemporalRecall
from anon_ros.tracking import FrameObservation, observe_frame
from helpers.paths import ROOT

HEIGHT_PX, WIDTH_PX = 144, 192
PERIOD_NS = 100_000_000


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    """Import the experiment as ``python -m`` does, from the root of the repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("bench.mask_memory.experiment")


def make_detections_at(lefts_px: list[int], score: float = 0.9) -> Detections:
    """Persons of 20 x 60 px, standing side by side."""
    masks = np.zeros((len(lefts_px), HEIGHT_PX, WIDTH_PX), np.bool_)
    for mask, left_px in zip(masks, lefts_px, strict=True):
        mask[40:100, left_px : left_px + 20] = True
    boxes = np.array([(x, 40, x + 20, 100) for x in lefts_px], np.float32).reshape(-1, 4)
    scores = np.full(len(lefts_px), score, np.float32)
    return Detections(boxes, scores, np.zeros(len(lefts_px), np.int64), masks)


def make_walk(frames: int, missed: frozenset[int] = frozenset()) -> list[FrameObservation]:
    """One person who stands, and one who walks and is missed in some frames."""
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    return [
        observe_frame(
            image, make_detections_at([150] if at in missed else [20 + at, 150]), at * PERIOD_NS
        )
        for at in range(frames)
    ]


def test_memory_covers_missed_persons(bench: ModuleType) -> None:
    missed = frozenset({0, 10, 11, 12})
    whole = make_walk(30)
    moments = make_walk(30, missed)
    truth_of = bench.use_detections_as_truth(whole, [[1, 2]] * 30, 0.25)
    shares = {}
    for mode in bench.MODES:
        recall = bench.measure(moments, bench.make_config(0.25, mode), truth_of)
        report = recall.compute(0.1)
        assert report.person_frames == 60
        shares[mode] = report.uncovered_frames
    # Only who knows the future covers somebody before he is first found.
    assert shares == {"off": 4, "past": 1, "both": 0}


def test_weak_detections_need_memory(bench: ModuleType) -> None:
    image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    moments = [observe_frame(image, make_detections_at([20], score), 0) for score in (0.2, 0.5)]
    for mode, counts in (("off", [0, 1]), ("both", [1, 1])):
        kept = bench.filter_candidates(moments, bench.make_config(0.4, mode))
        assert [len(moment.persons) for moment in kept] == counts


def test_labels_read_and_measured(
    bench: ModuleType, vtest_rgb: dict[str, RgbImage], tmp_path: Path
) -> None:
    for name in vtest_rgb:
        source = ROOT / "test" / "data" / "masks" / f"{name}.txt"
        (tmp_path / source.name).write_bytes(source.read_bytes())
    truths = bench.read_labels(tmp_path, 576, 768)
    assert list(truths) == [120, 240, 360, 480, 600]
    recall = TemporalRecall()
    for index, truth in truths.items():
        scores, classes = np.ones(len(truth.masks), np.float32), np.zeros(len(truth.masks), int)
        boxes = np.array([cv2.boundingRect(mask.view(np.uint8)) for mask in truth.masks])
        boxes[:, 2:] += boxes[:, :2]
        found = Detections(boxes.astype(np.float32), scores, classes, truth.masks)
        recall.update(index / 10, truth.masks, truth.persons, bench.cover_persons(found))
    report = recall.compute(0)
    assert report.person_frames == sum(len(truth.persons) for truth in truths.values()) > 20
    assert report.uncovered_frames == 0
    assert 0 < (report.overcoverage_max_ratio or 0) < 0.02


def test_person_keeps_number_after_gap(bench: ModuleType) -> None:
    image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    # The first and third share 15 of 20 columns, the second stands apart.
    moments = [
        observe_frame(image, make_detections_at([20, 80, 25]), at * PERIOD_NS) for at in range(3)
    ]
    for one, other, again in bench.number_persons(moments, bench.make_config(0.25, "both")):
        assert one == again != other


def test_drops_are_repeatable(bench: ModuleType) -> None:
    shares = []
    for drop in bench.make_drops().values():
        lost = [[drop(frame, person) for frame in range(200)] for person in range(1, 21)]
        assert lost == [[drop(frame, person) for frame in range(200)] for person in range(1, 21)]
        shares.append(np.mean(lost))
    assert shares == pytest.approx([0.1, 0.3, 0.5, 0.25, 0.25], abs=0.03)
    moments = make_walk(20)
    left = bench.drop_detections(
        moments, [[1, 2]] * 20, lambda frame, person: frame < 5 and person == 1
    )
    assert [len(moment.persons) for moment in left] == [1] * 5 + [2] * 15


@pytest.mark.parametrize("missed", [0, 3])
def test_cost_of_propagated_persons(bench: ModuleType, missed: int) -> None:
    taken_ms = bench.measure_cost_ms(missed, frames=5, warm_up=60)
    assert len(taken_ms) == 5
    assert min(taken_ms) > 0


def test_page_gets_tables_and_plot(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "COST_FRAMES", 5)
    labels, out = tmp_path / "labels", tmp_path / "out"
    labels.mkdir()
    out.mkdir()
    for index in (0, 8, 16):
        left, right = (20 + index) / WIDTH_PX, (40 + index) / WIDTH_PX
        outline = f"0 {left} 0.3 {right} 0.3 {right} 0.6 {left} 0.6\n"
        (labels / f"vtest{index:04}.txt").write_text(outline, encoding="utf-8")
    page = out / "mask_memory.md"
    page.write_text(f"Before.\n{bench.BEGIN}\nold\n{bench.END}\nAfter.\n", encoding="utf-8")
    lines = bench.make_report(make_walk(20, frozenset({8})), labels, [0.25, 0.4], out)
    bench.write_page(page, lines)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text
    for mode in bench.MODES:
        assert f"| 0.25 | {mode} |" in text
    assert "| 0.4 | off / both |" in text
    for name in bench.make_drops():
        assert f"| {name} |" in text
    assert "of 39 persons found in 20 frames" in text
    assert str(ROOT) not in text
    plot = cv2.imread(str(out / "mask_memory.png"))
    assert plot is not None
    assert plot.std() > 5
