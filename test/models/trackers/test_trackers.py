"""Tracks of persons by either tracker."""

import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
import pytest

from anon_ros.config import load_config
from anon_ros.errors import ModelError
from anon_ros.models import build_tracker
from anon_ros.tracking import Tracker

MakeTracker: TypeAlias = Callable[[], Tracker]

BACKENDS = ["builtin", *(["ultralytics"] if find_spec("ultralytics") else [])]
STANDING = np.array([[10, 10, 40, 90], [100, 10, 130, 90], [200, 10, 230, 90]], np.float32)


@pytest.fixture(params=BACKENDS)
def make_tracker(request: pytest.FixtureRequest) -> MakeTracker:
    return partial(build_tracker, load_config(overrides={"track.backend": request.param}))


def make_scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_trackers_have_own_ids(make_tracker: MakeTracker) -> None:
    """Until Ultralytics 8.4.175 a new tracker set the counter of all others back."""
    boxes, scores = np.array([[50, 50, 80, 130]], np.float32), np.ones(1, np.float32)
    first = make_tracker()
    ids = [first.update(boxes, scores)[0]]
    for index in range(1, 4):
        make_tracker().update(boxes, scores)
        ids.append(first.update(boxes + 200 * index, scores)[0])
    assert ids == [1, 2, 3, 4]


def test_low_scores_continue_tracks(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    known = tracker.update(STANDING, make_scores(0.9, 0.9, 0.9))
    for scores in ([0.9, 0.12, 0.9], [0.12, 0.9, 0.12], [0.12, 0.12, 0.12]):
        assert tracker.update(STANDING, make_scores(*scores)) == known


def test_weak_detection_begins_no_track(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    assert list(tracker.update(STANDING, make_scores(0.05, 0.9, 0.05))) == [None, 1, None]


def test_steady_walkers_keep_ids_while_hidden(make_tracker: MakeTracker) -> None:
    """Two walk towards each other; both are hidden while they pass."""
    tracker = make_tracker()
    for frame in range(40):
        boxes = STANDING[:2] + np.array([[6, 0, 6, 0], [-6, 0, -6, 0]], np.float32) * frame
        boxes[1, [0, 2]] += 110
        is_hidden = 14 <= frame < 20
        ids = tracker.update(
            boxes[:0] if is_hidden else boxes, np.ones(0 if is_hidden else 2, np.float32)
        )
        assert list(ids) == ([] if is_hidden else [1, 2])


def test_order_of_detections_does_not_matter(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    tracker.update(STANDING, make_scores(0.9, 0.9, 0.9))
    assert list(tracker.update(STANDING[::-1], make_scores(0.9, 0.12, 0.9))) == [3, 2, 1]


def test_track_ends_after_thirty_frames(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    box, score, nobody = STANDING[:1], make_scores(0.9), (STANDING[:0], make_scores())
    for _ in range(5):
        tracker.update(box, score)
    for _ in range(25):
        tracker.update(*nobody)
    assert list(tracker.update(box, score)) == [1]
    for _ in range(35):
        tracker.update(*nobody)
    assert list(tracker.update(box, score)) == [2]


def test_empty_box_harms_nobody(make_tracker: MakeTracker) -> None:
    tracker = make_tracker()
    boxes = np.concatenate([STANDING[:1], [[50, 50, 50, 50]]]).astype(np.float32)
    for _ in range(3):
        assert tracker.update(boxes, make_scores(0.9, 0.9))[0] == 1


def test_missing_lap_named(make_tracker: MakeTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lap", None)
    with pytest.raises(ModelError, match=r"package lap.*pip install lap"):
        make_tracker()
