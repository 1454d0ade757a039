"""Image files and a recording in a process that has no Ultralytics."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.core import RgbImage
from helpers.bag_reading import decode_image, deserialize, read_messages
from helpers.bags import RAW_TOPIC, START_NS, STEP_NS, BagMessage, make_raw_image, write_rosbag2
from helpers.detectors import load_segmenter, save_person_finder
from helpers.paths import WITHOUT_ULTRALYTICS

SIDE_PX = 96
PERSONS = 3
SCRIPT = """
import importlib.util, json, sys
from anon_ros.cli.main import main
assert importlib.util.find_spec("ultralytics") is None
codes = [main(words) for words in json.loads(sys.argv[1])]
assert sys.modules.get("ultralytics") is None
print("CODES", *codes)
"""


@pytest.fixture(scope="module")
def frame(vtest_rgb: dict[str, RgbImage]) -> RgbImage:
    return np.ascontiguousarray(vtest_rgb["vtest0120"][100:340, 200:520])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, frame: RgbImage) -> Path:
    return save_person_finder(tmp_path_factory.mktemp("finder"), frame, PERSONS, SIDE_PX)


def run_commands(*commands: list[object]) -> "subprocess.CompletedProcess[str]":
    folders = (WITHOUT_ULTRALYTICS, os.environ.get("PYTHONPATH", ""))
    words = json.dumps([list(map(str, command)) for command in commands])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_images_and_recording_need_no_ultralytics(
    tmp_path: Path, frame: RgbImage, weights: Path
) -> None:
    photos, bag = tmp_path / "photos", tmp_path / "bag"
    photos.mkdir()
    cv2.imwrite(str(photos / "a.png"), frame[..., ::-1])
    times_ns = [START_NS + index * STEP_NS for index in range(3)]
    kind = "sensor_msgs/msg/Image"
    messages = [
        BagMessage(RAW_TOPIC, kind, time_ns, make_raw_image(frame, index))
        for index, time_ns in enumerate(times_ns)
    ]
    write_rosbag2(bag, messages=messages)
    flags = ["--detect.weights", weights, "--detect.inference_px", SIDE_PX]
    flags += ["--inpaint.method", "fill"]
    done = run_commands(
        ["image", photos, "-o", tmp_path / "images", *flags],
        ["bag", bag, tmp_path / "out", *flags],
        ["verify", bag, tmp_path / "out", "--detect.weights", weights],
        ["models", *flags],
    )
    *_, last = done.stdout.splitlines()
    # 1: fill is not gray enough for a network of random weights to find nobody in it.
    assert last in {"CODES 0 0 0 0", "CODES 0 0 1 0"}, done.stdout + done.stderr
    assert "license: Apache-2.0 (RF-DETR)" in done.stdout
    assert "AGPL" not in done.stdout
    segmenter = load_segmenter(weights, inference_px=SIDE_PX)
    masks = segmenter.segment(frame).masks
    assert len(masks) == PERSONS
    drawn = cv2.imread(str(tmp_path / "images" / "a.png"))[..., ::-1]
    copies = [decode_image(deserialize(message)) for message in read_messages(tmp_path / "out")]
    assert len(copies) == len(messages)
    for picture in (drawn, *copies):
        changed = (picture != frame).any(axis=2)
        assert changed[masks.any(axis=0)].mean() > 0.9
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["models"][0]["licence"] == "Apache-2.0 (RF-DETR)"
