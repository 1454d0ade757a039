"""``anon_ros evaluate beta`` with a tiny diffusion model."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from anon_ros.cli.main import main
from anon_ros.config import InpaintConfig
from anon_ros.core import RgbImage
from anon_ros.evaluation.beta.tables import format_variant
from helpers.evaluation import FRAMES, detection_flags, shift_view


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
    given = [
        str(tmp_path / "film"),
        "--output",
        str(tmp_path / "out"),
        *detection_flags(demo_weights),
    ]
    given += ["--betas", "1", "0.2", "--sizes", "64", "128", "64", "--period-s", "0.3"]
    given += ["--inpaint.model", str(tiny_sdxl), "--inpaint.steps", "5", "--compute.device", "cpu"]
    given += ["--inpaint.prompt", "a person", "--inpaint.min_person_px", "24"]
    given += ["--detect.inference_px", "320"]  # finds persons all the same, in half the time
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
