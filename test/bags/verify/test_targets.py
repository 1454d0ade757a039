"""Targets beside persons in recordings: what masks.db, report and verify say of them."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anon_ros.core import TARGET_STRIDE, Crop, Detections, InpaintFailure, RgbImage
from anon_ros.images.files.synthetic_mark import XMP_MARK
from helpers.bag_editing import RunCommand, decode_shown_image, read_findings
from helpers.bag_reading import read_messages
from helpers.bags import IMAGE_TOPICS, JPEG_TOPIC, write_rosbag2
from helpers.fake_models import (
    NoiseInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
    find_sentinel_pixels,
)

FLAGS = ("--targets.preset", "person+vehicle")


class VehicleSegmenter(SentinelSegmenter):
    """Takes the last of the three for a vehicle, seen with less certainty than a person must be."""

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        is_vehicle = np.arange(len(found)) == len(found) - 1
        scores = np.where(is_vehicle, 0.2, 1).astype(np.float32)
        return replace(found, scores=scores, class_ids=TARGET_STRIDE * is_vehicle.astype(np.int64))


@pytest.mark.parametrize("memory", ["both", "off"])
def test_vehicle_is_no_person_of_the_report(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    memory: str,
) -> None:
    """Covered at any score, whatever persons need; with tracks and without."""
    sentinel_models.segmenter = VehicleSegmenter()
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    flags = (*FLAGS, "--memory.mode", memory, "--identity.reuse", "off")
    assert run_bag(source, output, *flags, "--detect.confidence", "0.5") == 0
    for message in read_messages(output):
        if message.topic in IMAGE_TOPICS:
            assert not find_sentinel_pixels(decode_shown_image(message)).any()
    report = json.loads((output / "report.json").read_text())
    num_images = sum(report["persons_per_frame"].values())
    assert report["targets"] == {"vehicle": num_images}
    assert report["persons_per_frame"] == {"2": num_images}
    assert set(report["covered"]) <= {"below inpaint.min_person_px"}, "no vehicle"
    with closing(sqlite3.connect(output / "masks.db")) as database:
        rows = database.execute("SELECT persons, boxes, targets, tracks FROM frames").fetchall()
    for persons, boxes, targets, tracks in rows:
        assert persons == len(json.loads(boxes)) == len(json.loads(tracks)) == 2
        assert [len(box) for box in json.loads(targets)["vehicle"]] == [4]
    capsys.readouterr()
    assert run_verify(source, output) == 0
    (line,) = [text for text in read_findings(capsys, "not checked") if "targets" in text]
    assert "targets that were missed (vehicle)" in line


class ParkedSegmenter(SentinelSegmenter):
    """Takes all three for vehicles."""

    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        return replace(found, class_ids=np.full(len(found), TARGET_STRIDE))


def write_drawing(folder: Path) -> str:
    """Return the path of a parameter file by which vehicles are drawn."""
    targets = {
        "preset": "person+vehicle",
        "vehicle": {"action": "inpaint", "prompt": "a bus", "beta_d": 0.4},
    }
    path = folder / "drawing.yaml"
    path.write_text(json.dumps({"/**": {"ros__parameters": {"targets": targets}}}))
    return str(path)


@pytest.mark.parametrize("mark", ["on", "off"])
def test_image_with_nothing_but_a_drawn_vehicle_is_marked(
    tmp_path: Path,
    draw_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    mark: str,
) -> None:
    sentinel_models.segmenter = ParkedSegmenter()
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    drawing = write_drawing(tmp_path)
    flags = ("--config", drawing, "--inpaint.method", "sdxl", "--output.mark", mark)
    assert draw_bag(source, output, *flags) == 0
    assert "not drawn" not in capsys.readouterr().out
    report = json.loads((output / "report.json").read_text())
    assert {topic.get("drawn") for topic in report["topics"]} == {6, None}
    assert set(report["persons_per_frame"]) == {"0"}
    marked = [XMP_MARK in m.data for m in read_messages(output) if m.topic == JPEG_TOPIC]
    assert marked == [mark == "on"] * 6
    assert (report["mark"] or {}).get("beta_d") == {"on": 0.4, "off": None}[mark]
    assert report["target_failures"] == {}
    capsys.readouterr()
    assert run_verify(source, output) == 0
    assert not read_findings(capsys, "mark")


@pytest.mark.parametrize("min_person_px", ["0", "4096"])
def test_vehicle_whose_drawing_failed_is_counted(
    tmp_path: Path,
    draw_bag: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    min_person_px: str,
) -> None:
    """With the reason, as a person is, and apart from persons; not one that was too small."""

    class FailingInpainter(NoiseInpainter):
        def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
            return [InpaintFailure("boom") for _ in crops]

    sentinel_models.segmenter = VehicleSegmenter()
    sentinel_models.inpainter = FailingInpainter(draws_persons=True)
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    flags = ("--config", write_drawing(tmp_path), "--inpaint.method", "sdxl")
    assert draw_bag(source, output, *flags, "--inpaint.min_person_px", min_person_px) == 0
    report = json.loads((output / "report.json").read_text())
    num_images = report["targets"]["vehicle"]
    assert sum(report["covered"].values()) == 2 * num_images
    summary = capsys.readouterr().out
    if min_person_px == "0":
        assert report["covered"] == {"boom": 2 * num_images}
        assert report["target_failures"] == {"boom": num_images}
        assert f", {num_images} targets not drawn; " in summary
    else:
        assert report["target_failures"] == {}
        assert "not drawn" not in summary
