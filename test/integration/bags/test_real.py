"""The whole command on the pedestrian video, with real weights, as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.core import RgbImage
from helpers.bag_reading import decode_image, deserialize, get_image_metadata, read_messages
from helpers.bags import (
    COPIED_TOPICS,
    JPEG_TOPIC,
    RAW_TOPIC,
    START_NS,
    STEP_NS,
    BagMessage,
    generate_messages,
    make_jpeg_image,
    make_raw_image,
    write_rosbag2,
)
from helpers.paths import DATA


def read_persons_mask(name: str, height_px: int, width_px: int) -> RgbImage:
    """(H, W) uint8: 1 where somebody stands, by the labels."""
    mask = np.zeros((height_px, width_px), np.uint8)
    for line in (DATA / "masks" / f"{name}.txt").read_text().splitlines():
        points = np.array(line.split()[1:], np.float64).reshape(-1, 2) * (width_px, height_px)
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask


@pytest.fixture(scope="module")
def pedestrian_bag(
    tmp_path_factory: pytest.TempPathFactory, vtest_rgb: dict[str, RgbImage]
) -> Path:
    """Five frames, raw and as JPEG, between the messages of other sensors."""
    frames = list(vtest_rgb.values())
    messages = [each for each in generate_messages(len(frames)) if each.topic in COPIED_TOPICS]
    for index, frame in enumerate(frames):
        time_ns = START_NS + index * STEP_NS
        messages.append(
            BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", time_ns, make_raw_image(frame, index))
        )
        kind = "sensor_msgs/msg/CompressedImage"
        messages.append(BagMessage(JPEG_TOPIC, kind, time_ns + 1, make_jpeg_image(frame, index)))
    messages.sort(key=lambda each: each.time_ns)
    return write_rosbag2(tmp_path_factory.mktemp("video") / "in", "sqlite3", messages=messages)


def run_anon_ros(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).with_name("anon_ros"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def test_pedestrians_disappear_from_bag(
    tmp_path: Path, pedestrian_bag: Path, demo_weights: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    flags = ("--detect.weights", demo_weights, "--detect.inference_px", 768)
    classes = ("--detect.classes", "person", "fallen person", "--inpaint.method", "fill")
    done = run_anon_ros("bag", pedestrian_bag, tmp_path / "out", *flags, *classes)
    assert done.returncode == 0, done.stderr
    assert "ANONYMIZE  /cam/image_raw " in done.stdout
    before, after = read_messages(pedestrian_bag), read_messages(tmp_path / "out")
    assert [e for e in before if e.topic in COPIED_TOPICS] == [
        e for e in after if e.topic in COPIED_TOPICS
    ]
    names = [name for name in vtest_rgb for _ in range(2)]
    pairs = [pair for pair in zip(before, after, strict=True) if pair[0].topic not in COPIED_TOPICS]
    for name, (one, other) in zip(names, pairs, strict=True):
        was, now = deserialize(one), deserialize(other)
        assert get_image_metadata(was) == get_image_metadata(now)
        changed = np.abs(decode_image(was).astype(int) - decode_image(now)).max(axis=2) > 3
        labelled = read_persons_mask(name, *changed.shape).astype(np.bool_)
        assert changed[labelled].mean() > 0.8, name
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (model,) = report["models"]
    assert len(model["sha256"]) == 64
    assert sum(topic.get("persons", 0) for topic in report["topics"]) > 50
