"""``anon_ros evaluate beta`` with a tiny diffusion model, and ``all`` on a recording."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from recordings import (
    RAW_TOPIC,
    START_NS,
    BagMessage,
    generate_messages,
    make_raw_image,
    write_rosbag2,
)

from anon_ros.cli.main import main
from anon_ros.config import InpaintConfig
from anon_ros.core import RgbImage
from anon_ros.evaluation.beta.tables import format_variant

STEP_PX, FRAMES = 4, 6


def shift_view(still: RgbImage, index: int) -> RgbImage:
    """The camera turns, so that everybody moves."""
    return still[100:520, 100 + STEP_PX * index : 660 + STEP_PX * index]


def detection_flags(weights: Path) -> list[str]:
    return ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]


def test_beta_sweeps_noise_and_sizes(
    vtest_rgb: dict[str, RgbImage],
    demo_weights: Path,
    tiny_sdxl: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "film").mkdir()
    for index in range(FRAMES):
        image = shift_view(vtest_rgb["vtest0120"], index)
        cv2.imwrite(str(tmp_path / "film" / f"{index:03d}.png"), image[..., ::-1])
    given = [str(tmp_path / "film"), "--out", str(tmp_path / "out"), *detection_flags(demo_weights)]
    given += ["--betas", "1", "0.2", "--sizes", "64", "128", "64", "--period-s", "0.3"]
    given += ["--inpaint.model", str(tiny_sdxl), "--inpaint.steps", "5", "--compute.device", "cpu"]
    given += ["--inpaint.prompt", "a person", "--inpaint.min_person_px", "24"]
    assert main(["evaluate", "beta", *given]) == 0
    with (tmp_path / "out" / "beta.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["beta_d, size, prompt"] for row in rows] == [
        "0.2, 64 px, 'a person'",
        "1, 64 px, 'a person'",
        "0.2, 128 px, 'a person'",
        "1, 128 px, 'a person'",
    ]
    assert [row["UNet steps"] for row in rows] == ["1", "5", "1", "5"]
    assert all(float(row["s per person"]) > 0 for row in rows)
    told = capsys.readouterr().out
    assert told.count("rank-1 within 5 points of chance") == 2  # per size
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "below inpaint.min_person_px = 24" in page
    # What was drawn is not drawn again, and says so.
    assert main(["evaluate", "beta", *given]) == 0
    with (tmp_path / "out" / "beta.csv").open(encoding="utf-8") as file:
        again = list(csv.DictReader(file))
    assert all(not row["s per person"] for row in again)
    assert [row["rank-1, %"] for row in again] == [row["rank-1, %"] for row in rows]


def test_beta_tells_prompts_apart() -> None:
    start = "a photo of a person walking"
    prompts = {f"{start}, summer", f"{start}, winter", "a person in a grey winter coat"}
    variants = {format_variant(replace(InpaintConfig(), prompt=each), prompts) for each in prompts}
    assert variants == {
        f"1024 px, '{start}, summer'",
        f"1024 px, '{start}, winter'",
        "1024 px, 'a person in a grey winte...'",
    }


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
    given = [str(recorded_bag), "--anonymized", str(output), "--out", str(tmp_path / "proof")]
    given += [*detection_flags(demo_weights), "--scenes", "3", "--period-s", "0.3"]
    assert main(["evaluate", "all", *given]) == 0
    report = json.loads((tmp_path / "proof" / "report.json").read_text("utf-8"))
    told = " ".join(report["summary"])
    for section in ("What was done", "Found again", "Through time", "Appearance", "Detection"):
        assert f"{section}. " in told, section
    assert "0 were found to be broken" in told
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
    given = [str(recorded_bag), "--anonymized", str(output), "--out", str(tmp_path / "a" / "proof")]
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
    given = [str(tmp_path / "one"), "--out", str(tmp_path / "proof"), "--scenes", "2"]
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
        "--out",
        str(tmp_path / "proof"),
        *detection_flags(demo_weights),
    ]
    assert main(["evaluate", "all", *given]) == 2
    assert "not one frame" in capsys.readouterr().err
    assert not (tmp_path / "proof" / "report.html").exists()
