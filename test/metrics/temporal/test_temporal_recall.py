"""Recall through time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anon_ros.core import Mask
from anon_ros.metrics.temporal.temporal_recall import PersonSecond, TemporalRecall
from helpers.arrays import make_rectangle

H, W = 20, 50
LEFT = make_rectangle(H, W, slice(0, 10), slice(0, 10))
RIGHT = make_rectangle(H, W, slice(0, 10), slice(20, 30))
NOBODY = np.zeros((0, H, W), np.bool_)
NOTHING, EVERYTHING = np.zeros((H, W), np.bool_), np.ones((H, W), np.bool_)


def cover_pair(left_covered: float, right_covered: float) -> Mask:
    """A cover of so much of each of the two persons."""
    covered = NOTHING.copy()
    covered[:10, : round(10 * left_covered)] = True
    covered[:10, 20 : 20 + round(10 * right_covered)] = True
    return covered


def record_one_person(uncovered: Sequence[int], interval_s: float = 0.5) -> TemporalRecall:
    """One person in one frame after the other; 1 if uncovered, -1 if not labelled, else 0."""
    recall = TemporalRecall()
    for index, state in enumerate(uncovered):
        labels, ids = (NOBODY, []) if state < 0 else (LEFT[None], [7])
        covered = NOTHING if state == 1 else EVERYTHING
        recall.update(100 + interval_s * index, labels, ids, covered)
    return recall


def test_report_of_no_frames_is_empty() -> None:
    report = TemporalRecall().compute(0)
    assert (report.frames, report.person_frames, report.uncovered_ratio) == (0, 0, None)
    assert (report.overcoverage_mean_ratio, report.overcoverage_max_ratio) == (None, None)
    assert (report.longest_uncovered_s, report.seconds) == (0, ())


def test_tolerances_report_same_frames() -> None:
    recall = TemporalRecall()
    recall.update(0, np.array([LEFT, RIGHT]), [0, 1], cover_pair(1, 0.9))
    recall.update(1, np.array([RIGHT, LEFT]), [1, 0], cover_pair(0.5, 1))
    reports = [recall.compute(tolerance) for tolerance in (0, 0.09, 0.1, 0.49, 0.5)]
    assert [report.uncovered_frames for report in reports] == [2, 2, 1, 1, 0]
    assert [report.uncovered_ratio for report in reports] == [0.5, 0.5, 0.25, 0.25, 0]
    assert {report.person_frames for report in reports} == {4}
    assert {report.covered_ratios for report in reports} == {(1, 0.9, 1, 0.5)}


def test_single_pixel_is_uncovered() -> None:
    recall = TemporalRecall()
    covered = EVERYTHING.copy()
    covered[0, 0] = False
    recall.update(0, np.array([LEFT, RIGHT]), [0, 1], covered)
    assert (recall.compute(0).uncovered_frames, recall.compute(0.01).uncovered_frames) == (1, 0)


def test_full_cover_is_false_cover() -> None:
    recall = TemporalRecall()
    recall.update(0, np.array([LEFT, RIGHT]), [0, 1], EVERYTHING)
    recall.update(1, LEFT[None], [0], EVERYTHING)
    recall.update(2, NOBODY, [], EVERYTHING)
    report = recall.compute(0)
    assert (report.uncovered_ratio, report.longest_uncovered_s) == (0, 0)
    assert report.overcoverage_mean_ratio == pytest.approx((0.8 + 0.9 + 1) / 3)
    assert report.overcoverage_max_ratio == 1


def test_other_persons_cover_not_false() -> None:
    recall = TemporalRecall()
    recall.update(0, np.array([LEFT, RIGHT]), [0, 1], cover_pair(1, 0.5))
    assert recall.compute(0).overcoverage_max_ratio == 0


def test_seconds_count_per_person() -> None:
    recall = TemporalRecall()
    for index in range(5):  # 0, 0.8, 1.6, 2.4 and 3.2 s after a time that rounds badly
        left_covered, right_covered = float(index != 1), float(index < 3)
        covered = cover_pair(left_covered, right_covered)
        recall.update(1700000000.1 + 0.8 * index, np.array([RIGHT, LEFT]), [9, 4], covered)
    assert recall.compute(0).seconds == (
        PersonSecond(4, 0, 2, 0.5),
        PersonSecond(4, 1, 1, 0),
        PersonSecond(4, 2, 1, 0),
        PersonSecond(4, 3, 1, 0),
        PersonSecond(9, 0, 2, 0),
        PersonSecond(9, 1, 1, 0),
        PersonSecond(9, 2, 1, 1),
        PersonSecond(9, 3, 1, 1),
    )


def test_full_second_survives_rounding() -> None:
    recall = TemporalRecall()
    for time_s in (0.1, 0.1 + 0.7 + 0.3 - 2**-52):
        recall.update(time_s, LEFT[None], [0], EVERYTHING)
    assert [second.second for second in recall.compute(0).seconds] == [0, 1]


@pytest.mark.parametrize(
    ("uncovered", "longest_s"),
    [
        ([0, 0, 0], 0),
        ([0, 1, 0], 0.5),
        ([0, 1, 1, 1, 0, 1, 0], 1.5),
        ([1, 0, 0, 1, 1], 1.0),  # as long as the person is labelled, and one interval
        ([1, 1, 1], 1.5),
        ([0, 1, -1, 0, 0], 1.0),  # covered again when next labelled
        ([1, -1, 1, -1, -1], 1.5),  # nothing says that it was covered in between
        ([1], None),
    ],
)
def test_longest_uncovered_run(uncovered: list[int], longest_s: float | None) -> None:
    assert record_one_person(uncovered).compute(0).longest_uncovered_s == longest_s


@given(st.integers(0, 8), st.integers(0, 8))
@settings(deadline=None)
def test_uncovered_range_is_counted(first: int, last: int) -> None:
    first, last = sorted((first, last))
    report = record_one_person([int(first <= i <= last) for i in range(10)]).compute(0)
    assert report.longest_uncovered_s == 0.5 * (last + 1 - first)
    assert report.uncovered_ratio == pytest.approx((last + 1 - first) / 10)


def test_persons_do_not_add_up() -> None:
    recall = TemporalRecall()
    for index in range(4):
        covered = cover_pair(float(index >= 2), float(index < 2))
        recall.update(index, np.array([LEFT, RIGHT]), [0, 1], covered)
    assert recall.compute(0).longest_uncovered_s == 2


def make_frame(**other: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"time_s": 2.0, "masks": LEFT[None], "persons": [0], "covered": NOTHING}
    return given | other


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"persons": [0, 1]}, "masks"),
        ({"masks": LEFT[None].astype(np.uint8)}, "masks: uint8"),
        ({"covered": NOTHING[1:]}, "covered"),
        ({"covered": NOTHING.astype(np.uint8)}, "covered: uint8"),
        ({"masks": NOTHING[None]}, "at 2.0 s has no pixel"),
        ({"masks": np.array([LEFT, RIGHT]), "persons": [3, 3]}, "persons.*each once"),
        ({"time_s": 1.0}, "more than 1.0"),
    ],
)
def test_invalid_frame_rejected(wrong: dict[str, Any], problem: str) -> None:
    recall = TemporalRecall()
    recall.update(**make_frame(time_s=1.0))
    with pytest.raises(ValueError, match=problem):
        recall.update(**make_frame(**wrong))
    recall.update(**make_frame())
    assert recall.compute(0).frames == 2


@pytest.mark.parametrize("tolerance_ratio", [-0.1, 1, float("nan")])
def test_invalid_tolerance_rejected(tolerance_ratio: float) -> None:
    with pytest.raises(ValueError, match="tolerance_ratio"):
        TemporalRecall().compute(tolerance_ratio)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(deadline=None)
def test_tolerance_never_adds_uncovered(covered: list[float]) -> None:
    recall = TemporalRecall()
    for index, share in enumerate(covered):
        recall.update(index, LEFT[None], [0], cover_pair(share, 0))
    counts: npt.NDArray[np.int64] = np.array(
        [recall.compute(tolerance).uncovered_frames for tolerance in (0, 0.2, 0.5, 0.99)]
    )
    assert (np.diff(counts) <= 0).all()
    assert counts[0] == sum(round(10 * share) < 10 for share in covered)
