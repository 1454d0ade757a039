"""Identity switches."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from anon_ros.metrics import IdSwitches
from helpers.arrays import make_rectangle

H, W = 20, 60


def make_masks_at(*columns_px: int) -> npt.NDArray[np.bool_]:
    """Persons 10 px wide and high by their left columns."""
    masks = [make_rectangle(H, W, slice(5, 15), slice(x, x + 10)) for x in columns_px]
    return np.array(masks, np.bool_).reshape(-1, H, W)


def make_boxes_at(*columns_px: int) -> npt.NDArray[np.float32]:
    return np.array([[x, 5, x + 10, 15] for x in columns_px], np.float32).reshape(-1, 4)


def test_report_of_no_frames_is_empty() -> None:
    report = IdSwitches().compute()
    assert (report.persons, report.matches, report.switches) == (0, 0, 0)
    assert report.tracks_per_person == {}


@pytest.mark.parametrize("tracks", [make_masks_at, make_boxes_at])
def test_correct_tracker_has_no_switch(tracks: Any) -> None:
    switches = IdSwitches()
    for x in (0, 5, 10):
        switches.update(make_masks_at(x, x + 30), [0, 1], tracks(x + 30, x), [8, 9])
    report = switches.compute()
    assert (report.person_frames, report.matches, report.switches) == (6, 6, 0)
    assert report.tracks_per_person == {0: 1, 1: 1}


@pytest.mark.parametrize("tracks", [make_masks_at, make_boxes_at])
def test_swapped_tracks_count_twice(tracks: Any) -> None:
    switches = IdSwitches()
    for ids in ([8, 9], [9, 8], [9, 8]):
        switches.update(make_masks_at(0, 30), [0, 1], tracks(0, 30), ids)
    report = switches.compute()
    assert (report.matches, report.switches) == (6, 2)
    assert report.tracks_per_person == {0: 2, 1: 2}


def test_switch_counts_after_gap() -> None:
    switches = IdSwitches()
    for columns, ids in (([0], [8]), ([], []), ([0], [9]), ([0], [8])):
        switches.update(make_masks_at(0), [0], make_masks_at(*columns), ids)
    report = switches.compute()
    assert (report.person_frames, report.matches, report.switches) == (4, 3, 2)
    assert report.tracks_per_person == {0: 2}


def test_person_without_track_counted() -> None:
    switches = IdSwitches()
    switches.update(make_masks_at(0, 30), [4, 5], make_masks_at(30), [1])
    switches.update(make_masks_at(), [], make_masks_at(), [])
    report = switches.compute()
    assert (report.persons, report.person_frames, report.matches) == (2, 2, 1)
    assert report.tracks_per_person == {4: 0, 5: 1}


@pytest.mark.parametrize("tracks", [make_masks_at, make_boxes_at])
@pytest.mark.parametrize(("moved_px", "matches"), [(3, 1), (4, 0)])
def test_iou_above_half_is_a_match(tracks: Any, moved_px: int, matches: int) -> None:
    """7 of 13 columns are shared, or 6 of 14."""
    switches = IdSwitches()
    switches.update(make_masks_at(0), [0], tracks(moved_px), [1])
    assert switches.compute().matches == matches


@pytest.mark.parametrize(("rows", "matches"), [(5, 1), (4, 0)])
def test_iou_of_half_is_a_match(rows: int, matches: int) -> None:
    switches = IdSwitches()
    track = make_rectangle(H, W, slice(5, 5 + rows), slice(0, 10))
    switches.update(make_masks_at(0), [0], track[None], [1])
    assert switches.compute().matches == matches


@pytest.mark.parametrize("tracks", [make_masks_at, make_boxes_at])
def test_highest_overlap_matched_first(tracks: Any) -> None:
    """Track 1 overlaps both persons enough, the second one more."""
    switches = IdSwitches()
    switches.update(make_masks_at(0, 4), [0, 1], tracks(3), [1])
    assert switches.compute().tracks_per_person == {0: 0, 1: 1}


def test_masks_separate_equal_boxes() -> None:
    half = make_masks_at(0)
    half[:, 5:15, 0:10] = np.tri(10, dtype=np.bool_)
    other = make_masks_at(0) & ~half
    by_mask, by_box = IdSwitches(), IdSwitches()
    by_mask.update(half, [0], other, [1])
    by_box.update(half, [0], make_boxes_at(0), [1])
    assert (by_mask.compute().matches, by_box.compute().matches) == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"persons": [0]}, "label_masks"),
        ({"persons": [3, 3]}, "persons.*each once"),
        ({"track_ids": [3, 3]}, "track_ids.*each once"),
        ({"track_ids": [3]}, "tracks"),
        ({"tracks": make_boxes_at(0, 30)[:, :3]}, "tracks"),
        ({"tracks": make_masks_at(0, 30)[:, 1:]}, "tracks"),
        ({"tracks": make_masks_at(0, 30).astype(np.uint8)}, "tracks: uint8"),
        ({"label_masks": make_masks_at(0, 30).astype(np.uint8)}, "label_masks: uint8"),
    ],
)
def test_invalid_frame_rejected(wrong: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {
        "label_masks": make_masks_at(0, 30),
        "persons": [0, 1],
        "tracks": make_masks_at(0, 30),
        "track_ids": [8, 9],
    }
    switches = IdSwitches()
    with pytest.raises(ValueError, match=problem):
        switches.update(**given | wrong)
    switches.update(**given)
    assert switches.compute().person_frames == 2
