"""Average precision is COCO's, to the last digit."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from anon_ros.metrics import Estimate, bootstrap
from anon_ros.metrics.average_precision import (
    SIZE_RANGES_PX,
    AveragePrecision,
    FrameMatches,
    GroundTruth,
    match_frame,
)


@dataclass(frozen=True)
class DetectionCase:
    """One frame: who is there, and what was found."""

    truth: GroundTruth
    boxes: np.ndarray[Any, Any]
    scores: np.ndarray[Any, Any]


def make_boxes(random: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """On a grid of quarters of a pixel, where sums are exact."""
    corner = random.integers(0, 1200, (count, 2)) / 4
    return np.concatenate([corner, corner + random.integers(4, 600, (count, 2)) / 4], axis=1)


def make_case(random: np.random.Generator, persons: int, others: int) -> DetectionCase:
    boxes = make_boxes(random, persons)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * random.choice([0.5, 0.75, 1], persons)
    truth = GroundTruth(boxes, areas, random.random(persons) < 0.2)
    # Some of the persons are found several times, exactly or nearly; scores are often equal.
    near = boxes[random.integers(0, persons, 2 * persons)] if persons else boxes
    near = near + random.integers(-12, 13, near.shape) * (random.random((len(near), 1)) < 0.8) / 4
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
    found = np.concatenate([near, make_boxes(random, others)])
    return DetectionCase(truth, found, random.integers(0, 25, len(found)) / 25)


def make_cases(seed: int) -> list[DetectionCase]:
    random = np.random.default_rng(seed)
    sizes = [(0, 0), (0, 5), (3, 0), (6, 20), (60, 80), (1, 0), (12, 3), (5, 5)]
    return [make_case(random, *size) for size in sizes]


def compute_coco(cases: Sequence[DetectionCase]) -> dict[str, list[float]]:
    """AP, AP50, AP75, AR100, and AP by size, of pycocotools."""
    corner = lambda box: [*box[:2], *(box[2:] - box[:2])]  # noqa: E731
    images = [{"id": number} for number in range(1, len(cases) + 1)]
    truth, found = [], []
    for image, case in zip(images, cases, strict=True):
        for box, area, crowd in zip(
            case.truth.boxes_xyxy, case.truth.areas_px, case.truth.is_crowd, strict=True
        ):
            truth.append({"bbox": corner(box), "area": area, "iscrowd": int(crowd), **image})
        for box, score in zip(case.boxes, case.scores, strict=True):
            found.append({"bbox": corner(box), "score": score, **image})
    for entries in (truth, found):
        for number, entry in enumerate(entries, start=1):
            entry.update(image_id=entry["id"], category_id=1, id=number)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = import_module("pycocotools.coco").COCO()
        coco.dataset = {"images": images, "annotations": truth, "categories": [{"id": 1}]}
        coco.createIndex()
        result = import_module("pycocotools.cocoeval").COCOeval(coco, coco.loadRes(found), "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    stats = result.stats.tolist()
    return {"all": [*stats[:3], stats[8]], "small": stats[3:4], "medium": stats[4:5],
            "large": stats[5:6]}  # fmt: skip


def match_cases(cases: Sequence[DetectionCase], *area: tuple[float, float]) -> list[FrameMatches]:
    return [match_frame(case.truth, case.boxes, case.scores, *area) for case in cases]


def compute_ours(cases: Sequence[DetectionCase]) -> dict[str, list[float]]:
    every = np.arange(len(cases))
    found = {"all": list(astuple(AveragePrecision(match_cases(cases)).compute(every)))}
    for name, area in SIZE_RANGES_PX.items():
        found[name] = [AveragePrecision(match_cases(cases, area)).compute(every).ap]
    return {name: [-1 if v is None else v for v in values] for name, values in found.items()}


@pytest.mark.parametrize("seed", range(12))
def test_ap_equals_pycocotools(seed: int) -> None:
    cases = make_cases(seed)
    assert max(len(case.boxes) for case in cases) > 100
    expected = compute_coco(cases)
    assert 0.05 < expected["all"][0] < 0.95
    for name, values in compute_ours(cases).items():
        assert values == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.parametrize("seed", range(6))
def test_duplicated_frame_counts_twice(seed: int) -> None:
    random = np.random.default_rng(seed)
    # Equal scores in one frame would come in another order: a box beside itself.
    cases = [
        replace(case, scores=random.permutation(300)[: len(case.scores)] / 300)
        for case in make_cases(seed)
    ]
    chosen = np.sort(random.integers(0, len(cases), len(cases)))
    known = AveragePrecision(match_cases(cases)).compute(chosen)
    expected = compute_coco([cases[index] for index in chosen])["all"]
    assert list(astuple(known)) == pytest.approx(expected, abs=1e-12)


def make_truth(*boxes: tuple[float, float, float, float], crowd: bool = False) -> GroundTruth:
    array = np.array(boxes, np.float64).reshape(-1, 4)
    return GroundTruth(
        array, np.prod(array[:, 2:] - array[:, :2], axis=1), np.full(len(array), crowd)
    )


def test_ap_of_known_case() -> None:
    """Two persons; the best box is wrong, the second right, nobody finds the other person."""
    truth = make_truth((0, 0, 10, 10), (50, 50, 60, 60))
    found = np.array([[20, 20, 30, 30], [0, 0, 10, 10]], np.float64)
    frame = match_frame(truth, found, np.array([0.9, 0.8]))
    known = AveragePrecision([frame]).compute(np.array([0]))
    # Precision 1/2 at the 51 recalls 0.00 .. 0.50 of 101, nothing above.
    assert list(astuple(known)) == pytest.approx([51 / 101 / 2] * 3 + [0.5])


def test_crowd_boxes_ignored() -> None:
    found = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float64)
    frame = match_frame(make_truth((0, 0, 100, 100), crowd=True), found, np.array([0.9, 0.8]))
    assert frame.num_persons == 0
    assert frame.is_ignored.all()
    assert AveragePrecision([frame]).compute(np.array([0])).ap is None


def test_ap_of_nothing_is_none() -> None:
    assert AveragePrecision([]).compute(np.empty(0, np.int64)).ap is None
    nobody = match_frame(make_truth(), np.zeros((0, 4)), np.zeros(0))
    assert AveragePrecision([nobody]).compute(np.array([0])).ar100 is None


def test_paired_interval_is_narrower() -> None:
    """One detector loses the same small share in every frame; frames differ much."""
    random = np.random.default_rng(1)
    good, worse = [], []
    for _ in range(30):
        truth = make_truth(*make_boxes(random, 12))
        is_found = random.random(12) < random.random()
        scores = random.random(12)
        is_kept = is_found & (np.arange(12) != 11)
        good.append(match_frame(truth, truth.boxes_xyxy[is_found], scores[is_found]))
        worse.append(match_frame(truth, truth.boxes_xyxy[is_kept], scores[is_kept]))
    first, second = AveragePrecision(good), AveragePrecision(worse)
    lost = bootstrap(lambda c: first.compute(c).ap - second.compute(c).ap, 30, rounds=300)  # type: ignore[operator]
    alone = bootstrap(lambda c: first.compute(c).ap, 30, rounds=300)
    assert lost.value is not None
    assert lost.value > 0
    assert interval_width(lost) < interval_width(alone) / 2
    assert lost.low is not None
    assert lost.low > 0


def interval_width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


def test_bootstrap_is_fast() -> None:
    random = np.random.default_rng(0)
    cases = [make_case(random, 7, 86) for _ in range(100)]
    known = AveragePrecision(match_cases(cases))
    estimate = bootstrap(lambda chosen: known.compute(chosen).ap, 100)
    assert estimate.value is not None
    assert interval_width(estimate) > 0


@pytest.mark.parametrize("area", [np.zeros(2), np.zeros(1, np.float32)])
def test_truth_rejects_other_shapes(area: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="areas_px"):
        GroundTruth(np.zeros((1, 4)), area, np.zeros(1, np.bool_))
