"""Persons that a second detector finds in an output."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anon_ros.cli import verify
from anon_ros.config import load_config
from anon_ros.core import Detections, RgbImage
from anon_ros.models import build_segmenter
from helpers.bag_editing import (
    RunCommand,
    get_time_ns,
    read_findings,
)
from helpers.bags import (
    RAW_TOPIC,
    START_NS,
    BagMessage,
    make_raw_image,
    write_rosbag2,
)
from helpers.fake_models import SentinelModelProvider, SentinelSegmenter

STORAGES = ("mcap", "sqlite3")


class FirstPersonSegmenter(SentinelSegmenter):
    """Forgets all but the first of the persons whom it finds."""

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        return Detections(
            found.boxes_xyxy[:1], found.scores[:1], found.class_ids[:1], found.masks[:1]
        )


# Suspicions.


@pytest.mark.parametrize("storage", STORAGES)
def test_redetection_finds_missed_person(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    sentinel_models.segmenter = FirstPersonSegmenter()
    source, output = write_rosbag2(tmp_path / "in", storage), tmp_path / "out"
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == 1
    told = read_findings(capsys, "warning")
    assert len(told) == 18 * 2
    place = re.escape(f"{RAW_TOPIC} at {get_time_ns(RAW_TOPIC)} ns: a person at ")
    assert sum(bool(re.match(place + r"\d+,\d+ to \d+,\d+ px, score 1.00", t)) for t in told) == 2
    page = (output / "review.html").read_text()
    assert page.count("<figure>") == 18
    assert "a person at " in page
    assert run_verify(source, output, "--no-redetection") == 0
    assert read_findings(capsys, "not checked") == [
        "persons who were missed: re-detection was skipped"
    ]


def test_redetection_takes_every_nth(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = make_anonymized_bag("mcap")
    page = tmp_path / "page.html"
    assert run_verify(source, output, "--every-nth", 4, "--html", page) == 0
    assert "re-detection in 6 images" in capsys.readouterr().out
    assert page.is_file()


def test_redetection_needs_masks(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    flags = ("--no-masks", "--inpaint.method", "pixelate", "--inpaint.min_person_px", 1)
    assert run_bag(source, output, *flags) == 0
    assert run_verify(source, output) == 1
    (told,) = read_findings(capsys, "warning")
    assert "cannot tell synthetic persons from missed ones" in told


def test_redetection_failure_warns(
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Failing(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            message = f"injected: {image.shape}"
            raise RuntimeError(message)

    monkeypatch.setattr(verify, "build_segmenter", lambda _: Failing())
    assert run_verify(*make_anonymized_bag("mcap")) == 1
    told = read_findings(capsys, "warning")
    place = f"{RAW_TOPIC} at {get_time_ns(RAW_TOPIC)} ns"
    assert f"{place}: re-detection failed: RuntimeError: injected" in told[6]


def test_redetection_uses_its_flags(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []

    def build(config: Any) -> SentinelSegmenter:
        taken.append(config.detect)
        return SentinelSegmenter()

    monkeypatch.setattr(verify, "build_segmenter", build)
    source, output = make_anonymized_bag("mcap")
    page = ("--html", tmp_path / "page.html")
    assert run_verify(source, output, *page) == 0
    assert (
        run_verify(source, output, *page, "--detect.weights", "a.pt", "--detect.confidence", 0.1)
        == 0
    )
    assert [(d.weights, d.inference_px, d.confidence) for d in taken] == [
        (("yolov8x-seg.pt",), 960, 0.25),
        (("a.pt",), 960, 0.1),
    ]


def test_mirrored_boxes_match_persons(bus_rgb: RgbImage, demo_weights: Path) -> None:
    """With real weights: both looks find the same four persons of the picture."""
    values = {
        "detect.weights": str(demo_weights),
        "detect.confidence": 0.5,
        "compute.device": "cpu",
    }
    segmenter = build_segmenter(load_config(None, values))
    one, other = segmenter.segment(bus_rgb), verify.MirroredSegmenter(segmenter).segment(bus_rgb)
    best = [
        max((mask & each).sum() / (mask | each).sum() for each in other.masks) for mask in one.masks
    ]
    assert sum(share > 0.6 for share in best) >= 2, best
    for box, mask in zip(other.boxes_xyxy, other.masks, strict=True):
        rows, columns = np.nonzero(mask)
        assert np.abs(box - [columns.min(), rows.min(), columns.max(), rows.max()]).max() < 30


class RecordingSegmenter(SentinelSegmenter):
    """Keeps what it looks at."""

    def __init__(self) -> None:
        self.images: list[RgbImage] = []

    def segment(self, image: RgbImage) -> Detections:
        self.images.append(image)
        return super().segment(image)


def make_thermal_message() -> BagMessage:
    """A scene in a narrow band that most of its pixels share."""
    message = make_raw_image(np.zeros((48, 64, 3), np.uint8), 0)
    counts = np.random.default_rng(0).exponential(100, (48, 64)) + 51241
    message.encoding, message.step = "mono16", 128
    message.data = counts.astype("<u2").view(np.uint8).reshape(-1)
    return BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS, message)


def test_redetection_maps_16_bits_otherwise(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mapping that hid a person from the run would hide them from the second look, too."""
    first, second = RecordingSegmenter(), RecordingSegmenter()
    sentinel_models.segmenter = first
    monkeypatch.setattr(verify, "build_segmenter", lambda _: second)
    source = write_rosbag2(tmp_path / "in", messages=[make_thermal_message()])
    assert run_bag(source, tmp_path / "out") == 0
    assert run_verify(source, tmp_path / "out") == 0
    assert min(np.ptp(first.images[0]), np.ptp(second.images[0])) >= 254
    difference = np.abs(first.images[0].astype(int) - second.images[0])
    assert difference.mean() > 5


def test_redetection_maps_dim_scenes_otherwise(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run's own segmenter stretches a dim scene in its own way."""
    first, second = RecordingSegmenter(), RecordingSegmenter()
    sentinel_models.segmenter = first
    monkeypatch.setattr(verify, "build_segmenter", lambda _: second)
    dim = np.tile(np.arange(100, 112, dtype=np.uint8)[:, None, None], (4, 64, 3))
    message = BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS, make_raw_image(dim, 0))
    source = write_rosbag2(tmp_path / "in", messages=[message])
    assert run_bag(source, tmp_path / "out") == 0
    assert run_verify(source, tmp_path / "out") == 0
    assert np.array_equal(first.images[0], dim)
    assert np.ptp(second.images[0]) > 200
