"""The needs of the tracker, and the errors that name them."""

import sys

import numpy as np
import pytest
import ultralytics

from anon_ros.config import Config, load_config
from anon_ros.errors import ModelError
from anon_ros.models import ModelCache, build_tracker

OFF = {"memory.mode": "off", "identity.reuse": "off"}


def make_config(weights: object, **overrides: object) -> Config:
    return load_config(
        overrides={"inpaint.method": "fill", "detect.weights": str(weights)} | overrides
    )


def test_trackers_have_own_ids() -> None:
    """Until Ultralytics 8.4.175 a new tracker set the counter of all others back."""
    boxes, scores = np.array([[50, 50, 80, 130]], np.float32), np.ones(1, np.float32)
    first = build_tracker(load_config())
    ids = [first.update(boxes, scores)[0]]
    for index in range(1, 4):
        build_tracker(load_config()).update(boxes, scores)
        ids.append(first.update(boxes + 200 * index, scores)[0])
    assert ids == [1, 2, 3, 4]


def test_low_scores_continue_tracks() -> None:
    boxes = np.array([[10, 10, 40, 90], [100, 10, 130, 90], [200, 10, 230, 90]], np.float32)
    tracker = build_tracker(load_config())
    known = tracker.update(boxes, np.full(3, 0.9, np.float32))
    for scores in ([0.9, 0.12, 0.9], [0.12, 0.9, 0.12], [0.12, 0.12, 0.12]):
        assert tracker.update(boxes, np.array(scores, np.float32)) == known


@pytest.mark.parametrize("version", ["8.3.200", "8.4.174", "7.9"])
def test_old_ultralytics_rejected(
    version: str, demo_weights: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ultralytics, "__version__", version)
    with pytest.raises(ModelError, match=rf"8\.4\.175 or later, this is {version}.*pip install"):
        ModelCache().anonymizer(make_config(demo_weights))
    ModelCache().anonymizer(make_config(demo_weights, **OFF))


@pytest.mark.parametrize("version", ["8.4.175", "8.5.0", "9.0.0.dev1"])
def test_newer_ultralytics_accepted(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ultralytics, "__version__", version)
    build_tracker(load_config())


def test_missing_lap_named_at_load(demo_weights: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lap", None)
    with pytest.raises(ModelError, match=r"package lap.*pip install lap"):
        ModelCache().anonymizer(make_config(demo_weights))
    ModelCache().anonymizer(make_config(demo_weights, **OFF))
