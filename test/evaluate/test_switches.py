"""Identity switches."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import rectangle

from anon_ros.metrics import IdSwitches

H, W = 20, 60


def at(*columns_px: int) -> npt.NDArray[np.bool_]:
    """Persons 10 px wide and high by their left columns."""
    masks = [rectangle(H, W, slice(5, 15), slice(x, x + 10)) for x in columns_px]
    return np.array(masks, np.bool_).reshape(-1, H, W)


def boxes(*columns_px: int) -> npt.NDArray[np.float32]:
    return np.array([[x, 5, x + 10, 15] for x in columns_px], np.float32).reshape(-1, 4)


def test_nothing_was_measured() -> None:
    report = IdSwitches().compute()
    assert (report.persons, report.matches, report.switches) == (0, 0, 0)
    assert report.tracks_per_person == {}


@pytest.mark.parametrize("tracks", [at, boxes])
def test_a_true_tracker_has_no_switch(tracks: Any) -> None:
    switches = IdSwitches()
    for x in (0, 5, 10):
        switches.update(at(x, x + 30), [0, 1], tracks(x + 30, x), [8, 9])
    report = switches.compute()
    assert (report.person_frames, report.matches, report.switches) == (6, 6, 0)
    assert report.tracks_per_person == {0: 1, 1: 1}


@pytest.mark.parametrize("tracks", [at, boxes])
def test_tracks_that_change_places_are_two_switches(tracks: Any) -> None:
    switches = IdSwitches()
    for ids in ([8, 9], [9, 8], [9, 8]):
        switches.update(at(0, 30), [0, 1], tracks(0, 30), ids)
    report = switches.compute()
    assert (report.matches, report.switches) == (6, 2)
    assert report.tracks_per_person == {0: 2, 1: 2}


def test_a_switch_counts_after_a_gap_and_on_the_way_back() -> None:
    switches = IdSwitches()
    for columns, ids in (([0], [8]), ([], []), ([0], [9]), ([0], [8])):
        switches.update(at(0), [0], at(*columns), ids)
    report = switches.compute()
    assert (report.person_frames, report.matches, report.switches) == (4, 3, 2)
    assert report.tracks_per_person == {0: 2}


def test_a_person_without_a_track_is_counted() -> None:
    switches = IdSwitches()
    switches.update(at(0, 30), [4, 5], at(30), [1])
    switches.update(at(), [], at(), [])
    report = switches.compute()
    assert (report.persons, report.person_frames, report.matches) == (2, 2, 1)
    assert report.tracks_per_person == {4: 0, 5: 1}


@pytest.mark.parametrize("tracks", [at, boxes])
@pytest.mark.parametrize(("moved_px", "matches"), [(3, 1), (4, 0)])
def test_half_of_the_union_is_enough(tracks: Any, moved_px: int, matches: int) -> None:
    """7 of 13 columns are shared, or 6 of 14."""
    switches = IdSwitches()
    switches.update(at(0), [0], tracks(moved_px), [1])
    assert switches.compute().matches == matches


@pytest.mark.parametrize(("rows", "matches"), [(5, 1), (4, 0)])
def test_exactly_half_is_a_match(rows: int, matches: int) -> None:
    switches = IdSwitches()
    track = rectangle(H, W, slice(5, 5 + rows), slice(0, 10))
    switches.update(at(0), [0], track[None], [1])
    assert switches.compute().matches == matches


@pytest.mark.parametrize("tracks", [at, boxes])
def test_the_highest_overlap_is_matched_first(tracks: Any) -> None:
    """Track 1 overlaps both persons enough, the second one more."""
    switches = IdSwitches()
    switches.update(at(0, 4), [0, 1], tracks(3), [1])
    assert switches.compute().tracks_per_person == {0: 0, 1: 1}


def test_masks_tell_apart_what_boxes_cannot() -> None:
    half = at(0)
    half[:, 5:15, 0:10] = np.tri(10, dtype=np.bool_)
    other = at(0) & ~half
    by_mask, by_box = IdSwitches(), IdSwitches()
    by_mask.update(half, [0], other, [1])
    by_box.update(half, [0], boxes(0), [1])
    assert (by_mask.compute().matches, by_box.compute().matches) == (0, 1)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"persons": [0]}, "label_masks"),
        ({"persons": [3, 3]}, "persons.*each once"),
        ({"track_ids": [3, 3]}, "track_ids.*each once"),
        ({"track_ids": [3]}, "tracks"),
        ({"tracks": boxes(0, 30)[:, :3]}, "tracks"),
        ({"tracks": at(0, 30)[:, 1:]}, "tracks"),
        ({"tracks": at(0, 30).astype(np.uint8)}, "tracks: uint8"),
        ({"label_masks": at(0, 30).astype(np.uint8)}, "label_masks: uint8"),
    ],
)
def test_a_frame_that_makes_no_sense_is_refused(wrong: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {
        "label_masks": at(0, 30),
        "persons": [0, 1],
        "tracks": at(0, 30),
        "track_ids": [8, 9],
    }
    switches = IdSwitches()
    with pytest.raises(ValueError, match=problem):
        switches.update(**given | wrong)
    switches.update(**given)
    assert switches.compute().person_frames == 2
