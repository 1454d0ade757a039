"""Verify and evaluate with a network of persons and one of plates, which only targets need."""

import json
from pathlib import Path

import cv2
import pytest

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from helpers.bags import RAW_TOPIC, START_NS, BagMessage, make_raw_image, write_rosbag2
from helpers.detectors import save_plate_finder


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory, demo_weights: Path) -> list[str]:
    plates = save_plate_finder(tmp_path_factory.mktemp("networks") / "plates.pt")
    flags = ["--detect.max_persons", "9000"]
    return ["--detect.weights", str(demo_weights), "--detect.weights", str(plates), *flags]


def test_verify_of_run_with_two_networks(
    tmp_path: Path,
    networks: list[str],
    vtest_rgb: dict[str, RgbImage],
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = vtest_rgb["vtest0120"][::2, ::2].copy()
    message = BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS, make_raw_image(image, 0))
    source = str(write_rosbag2(tmp_path / "in", messages=[message]))
    output = str(tmp_path / "out")
    options = ["--targets.preset", "person+plate", "--inpaint.method", "fill"]
    assert main(["bag", source, output, *networks, *options]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["targets"]["plate"]
    capsys.readouterr()
    assert main(["verify", source, output, *networks]) == 0
    assert "re-detection in 1 images" in capsys.readouterr().out


def test_evaluate_with_two_networks(
    tmp_path: Path, networks: list[str], vtest_rgb: dict[str, RgbImage]
) -> None:
    (tmp_path / "frames").mkdir()
    for name, image in list(vtest_rgb.items())[:3]:
        cv2.imwrite(str(tmp_path / "frames" / f"{name}.png"), image[..., ::-1])
    config = tmp_path / "anonymize.yaml"
    config.write_text("/**: {ros__parameters: {targets: {preset: person+plate}}}\n", "utf-8")
    words = ["--scenes", "6", "--output", str(tmp_path / "out"), *networks, "--config", str(config)]
    assert main(["evaluate", "occlusion", str(tmp_path / "frames"), *words]) == 0
