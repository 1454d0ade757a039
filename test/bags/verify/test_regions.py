"""Fixed regions in recordings, and what report and verify say of them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.core import Detections, RgbImage
from helpers.bag_editing import RunCommand, decode_shown_image, read_findings
from helpers.bag_reading import read_messages
from helpers.bags import IMAGE_TOPICS, write_rosbag2
from helpers.fake_models import SentinelModelProvider, SentinelSegmenter, find_sentinel_pixels

CORNER = "0.7,0 1,0 1,0.3 0.7,0.3"
LEFT = "0,0 0.3,0 0.3,1 0,1"


@pytest.mark.usefixtures("sentinel_models")
@pytest.mark.parametrize("memory", ["off", "both"])
def test_always_region_covered_in_all_images(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, memory: str
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    flags = ("--regions.always", CORNER, "--memory.mode", memory, "--identity.reuse", "off")
    assert run_bag(source, output, *flags) == 0
    pairs = zip(read_messages(source), read_messages(output), strict=True)
    num_images = 0
    for before, after in pairs:
        if before.topic not in IMAGE_TOPICS:
            continue
        num_images += 1
        images = [decode_shown_image(message) for message in (before, after)]
        height_px, width_px = images[0].shape[:2]
        corner = np.s_[: round(0.3 * height_px), round(0.7 * width_px) :]
        assert (images[0][corner] != images[1][corner]).mean() > 0.5
    assert num_images
    assert run_verify(source, output) == 0


@pytest.mark.usefixtures("sentinel_models")
def test_verify_never_calls_an_ignored_region_clean(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first person of the street lies wholly in it."""
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--regions.never", LEFT) == 0
    shown = [
        find_sentinel_pixels(decode_shown_image(message)).any()
        for message in read_messages(output)
        if message.topic in IMAGE_TOPICS
    ]
    assert all(shown)
    assert "regions.never" in (output / "report.json").read_text().split('"warnings"')[1]
    assert run_verify(source, output) == 1
    warnings = read_findings(capsys, "warning")
    assert any("regions.never: a person who lies wholly inside" in line for line in warnings)
    assert any("a person at" in line for line in warnings)
    assert run_verify(source, output, "--no-redetection") == 1


@pytest.mark.usefixtures("sentinel_models")
def test_changed_mask_image_is_another_run(
    tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output, mask = write_rosbag2(tmp_path / "in"), tmp_path / "out", tmp_path / "a.png"
    cv2.imwrite(str(mask), np.full((9, 9), 255, np.uint8))
    assert run_bag(source, output, "--regions.always", mask)
    assert "a.png has 9x9 px, the image 64x48" in capsys.readouterr().err
    cv2.imwrite(str(mask), np.full((48, 64), 255, np.uint8))
    assert run_bag(source, output, "--regions.always", mask)
    assert "an unfinished run that differs in: mask images" in capsys.readouterr().err


class NobodySegmenter(SentinelSegmenter):
    """Finds nobody."""

    def segment(self, image: RgbImage) -> Detections:
        return Detections.empty(*image.shape[:2])


def test_region_without_persons_is_no_defect(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
) -> None:
    """report.json and masks.db say what is covered where nobody is."""
    sentinel_models.segmenter = NobodySegmenter()
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--regions.always", "0,0 1,0 1,1 0,1") == 0
    report = json.loads((output / "report.json").read_text())
    assert report["targets"] == {"regions.always": 18}
    assert report["persons_per_frame"] == {"0": 18}
    assert run_verify(source, output) == 0


@pytest.mark.usefixtures("sentinel_models")
def test_regions_of_a_camera_count_in_recordings(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    """Those of /rear alone; report.json says it, and verify warns."""
    file = tmp_path / "cameras.yaml"
    section = f'{{"regions.never": ["{LEFT}"], "regions.always": ["{CORNER}"]}}'
    file.write_text(f"/**: {{ros__parameters: {{cameras: {{rear: {section}}}}}}}")
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--config", file) == 0
    hidden = {
        topic: not any(
            find_sentinel_pixels(decode_shown_image(message)).any()
            for message in read_messages(output)
            if message.topic == topic
        )
        for topic in IMAGE_TOPICS
    }
    assert hidden == {topic: not topic.startswith("/rear") for topic in IMAGE_TOPICS}
    report = json.loads((output / "report.json").read_text())
    assert report["parameters"]["cameras.rear.regions.never"] == [LEFT]
    assert report["targets"] == {"regions.always": 6}
    assert run_verify(source, output, "--no-redetection") == 1
