"""The needs of Ultralytics' tracker, and the errors that name them."""

import sys

import pytest
import ultralytics

from anon_ros.config import Config, load_config
from anon_ros.errors import ModelError
from anon_ros.models import ModelCache, build_tracker
from anon_ros.models.trackers.box_tracker import BoxTracker
from anon_ros.models.trackers.bytetrack import ByteTrackTracker

OFF = {"memory.mode": "off", "identity.reuse": "off"}


def make_config(weights: object, **overrides: object) -> Config:
    return load_config(
        overrides={"inpaint.method": "fill", "detect.weights": str(weights)} | overrides
    )


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


def test_missing_ultralytics_named_or_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(build_tracker(load_config()), ByteTrackTracker)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    assert isinstance(build_tracker(load_config()), BoxTracker)
    with pytest.raises(ModelError, match=r"track\.backend: .*take builtin, or pip install"):
        build_tracker(load_config(overrides={"track.backend": "ultralytics"}))


def test_missing_lap_named_at_load(demo_weights: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lap", None)
    with pytest.raises(ModelError, match=r"package lap.*pip install lap"):
        ModelCache().anonymizer(make_config(demo_weights))
    ModelCache().anonymizer(make_config(demo_weights, **OFF))
