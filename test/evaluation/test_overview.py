"""``anon_ros evaluate all`` on a recording."""

import json
from pathlib import Path

import cv2
import pytest

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from helpers.bags import (
    RAW_TOPIC,
    START_NS,
    BagMessage,
    generate_messages,
    make_raw_image,
    write_rosbag2,
)
from helpers.evaluation import FRAMES, detection_flags, shift_view


@pytest.fixture(scope="module")
def recorded_bag(tmp_path_factory: pytest.TempPathFactory, vtest_rgb: dict[str, RgbImage]) -> Path:
    messages = [each for each in generate_messages(2) if each.topic == "/imu/data"]
    for index in range(FRAMES):
        image = shift_view(vtest_rgb["vtest0120"], index)
        time_ns = START_NS + index * 100_000_000
        messages.append(
            BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", time_ns, make_raw_image(image, index))
        )
    messages.sort(key=lambda each: each.time_ns)
    return write_rosbag2(tmp_path_factory.mktemp("bag") / "in", "sqlite3", messages=messages)


def test_all_reports_bag_on_one_page(
    recorded_bag: Path, demo_weights: Path, tmp_path: Path
) -> None:
    output = tmp_path / "anonymized"
    flags = [*detection_flags(demo_weights), "--inpaint.method", "fill"]
    assert main(["bag", str(recorded_bag), str(output), *flags]) == 0
    given = [str(recorded_bag), "--anonymized", str(output), "--output", str(tmp_path / "proof")]
    given += [*detection_flags(demo_weights), "--scenes", "3", "--period-s", "0.3"]
    assert main(["evaluate", "all", *given]) == 0
    report = json.loads((tmp_path / "proof" / "report.json").read_text("utf-8"))
    told = " ".join(report["summary"])
    for section in ("What was done", "Found again", "Through time", "Appearance", "Detection"):
        assert f"{section}. " in told, section
    assert "message by message: 0 errors" in told
    assert {table["name"] for table in report["tables"]} >= {
        "what_was_done_topics",
        "found_again_reid",
        "through_time_flicker",
        "appearance_persons",
        "detection_retained",
        "occlusion_occlusion",
    }
    (row,) = [row for row in report["tables"][0]["rows"] if row[0] == RAW_TOPIC]
    assert row[1:4] == ["sensor_msgs/msg/Image", "ANONYMIZE", FRAMES]
    assert row[6] > FRAMES  # persons
    made = report["provenance"]
    assert "SHA-256" in made["anonymized with"]["detect.weights"]
    assert made["anonymized with parameters"]["inpaint.method"] == "fill"
    assert any(line.startswith("detector: ") and "SHA-256" in line for line in made["networks"])
    assert any(line.startswith("colours: ") for line in made["networks"])
    assert any("only where labels say" in line for line in report["limitations"])
    page = (tmp_path / "proof" / "report.html").read_text("utf-8")
    assert "http" not in page.replace("http-equiv", "").replace("https://github.com", "").replace(
        "https://download.pytorch.org", ""
    )


def test_all_names_missing_run_report(
    recorded_bag: Path, demo_weights: Path, tmp_path: Path
) -> None:
    output = tmp_path / "anonymized"
    flags = [*detection_flags(demo_weights), "--inpaint.method", "fill"]
    assert main(["bag", str(recorded_bag), str(output), *flags]) == 0
    (output / "report.json").unlink()
    given = [
        str(recorded_bag),
        "--anonymized",
        str(output),
        "--output",
        str(tmp_path / "a" / "proof"),
    ]
    given += [*detection_flags(demo_weights), "--scenes", "2", "--period-s", "0.3"]
    assert main(["evaluate", "all", *given]) == 0
    report = json.loads((tmp_path / "a" / "proof" / "report.json").read_text("utf-8"))
    (gap,) = [
        line for line in report["limitations"] if line.startswith("Not measured: What was done")
    ]
    assert "report.json is missing" in gap
    assert any(line.startswith("Appearance. ") for line in report["summary"])


def test_all_survives_failed_section(
    demo_weights: Path, tmp_path: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    (tmp_path / "one").mkdir()
    cv2.imwrite(str(tmp_path / "one" / "a.png"), vtest_rgb["vtest0120"][..., ::-1])
    given = [str(tmp_path / "one"), "--output", str(tmp_path / "proof"), "--scenes", "2"]
    assert main(["evaluate", "all", *given, *detection_flags(demo_weights)]) == 0
    report = json.loads((tmp_path / "proof" / "report.json").read_text("utf-8"))
    assert any(line.startswith("Not measured: Found again: ") for line in report["limitations"])
    assert any(line.startswith("Appearance. ") for line in report["summary"])


def test_all_fails_without_any_result(
    demo_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    given = [
        str(tmp_path / "none"),
        "--output",
        str(tmp_path / "proof"),
        *detection_flags(demo_weights),
    ]
    assert main(["evaluate", "all", *given]) == 2
    assert "no frame" in capsys.readouterr().err
    assert not (tmp_path / "proof" / "report.html").exists()
