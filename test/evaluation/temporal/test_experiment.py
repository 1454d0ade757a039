"""``anon_ros evaluate temporal`` on a still whose persons walk past, as the camera turns."""

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from helpers.paths import MASKS

LABELS = MASKS / "vtest0120.txt"
STEP_PX, FRAMES = 4, 6
LEFT, TOP, WIDTH, HEIGHT = 100, 100, 560, 420


@pytest.fixture(scope="module")
def video_folder(tmp_path_factory: pytest.TempPathFactory, vtest_rgb: dict[str, RgbImage]) -> Path:
    """Six frames, and the labels of those persons who are seen whole in all of them."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    still = vtest_rgb[LABELS.stem]
    for index in range(FRAMES):
        left = LEFT + STEP_PX * index
        view = still[TOP : TOP + HEIGHT, left : left + WIDTH]
        cv2.imwrite(str(folder / "images" / f"{index:03d}.png"), view[..., ::-1])
        (folder / "labels" / f"{index:03d}.txt").write_text(make_labels(still, left), "utf-8")
    return folder


def make_labels(still: RgbImage, left: int) -> str:
    height, width = still.shape[:2]
    lines = []
    for line in LABELS.read_text("utf-8").splitlines():
        corners = np.array(line.split()[1:], np.float64).reshape(-1, 2) * (width, height)
        moved = (corners - (left, TOP)) / (WIDTH, HEIGHT)
        room = STEP_PX * FRAMES / WIDTH
        if (moved > room).all() and (moved < 1 - room).all():
            lines.append(" ".join(["0", *(f"{value:.6f}" for value in moved.ravel())]))
    assert lines
    return "\n".join(lines)


def run_temporal(film: Path, out: Path, weights: Path, *more: str) -> int:
    flags = ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
    given = [str(film / "images"), "--output", str(out), *flags, *more]
    return main(["evaluate", "temporal", *given])


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_report_has_recall_and_flicker(
    video_folder: Path, demo_weights: Path, tmp_path: Path
) -> None:
    more = ["--labels", str(video_folder / "labels"), "--methods", "fill", "mask-out"]
    assert run_temporal(video_folder, tmp_path, demo_weights, *more) == 0
    off, both = read_rows(tmp_path / "recall.csv")
    assert (off["memory"], both["memory"]) == ("off", "both")
    assert off["person-frames"] == both["person-frames"]
    persons = int(off["persons"])
    assert int(off["person-frames"]) == persons * FRAMES  # linked: nobody is counted anew
    assert float(both["uncovered by more than 50 %, %"]) < 50
    fill, grey = read_rows(tmp_path / "flicker.csv")
    assert (fill["anonymized"], grey["anonymized"]) == ("fill", "mask-out")
    assert float(grey["warping error, gray levels"]) < 1  # one grey, wherever it moves
    assert float(grey["distance from the original, gray levels"]) > 20


def test_identity_modes_differ(
    video_folder: Path, demo_weights: Path, tiny_sdxl: Path, tmp_path: Path
) -> None:
    """Also in one folder, which keeps the frames that are drawn without a memory."""
    model = ["--inpaint.model", str(tiny_sdxl), "--inpaint.generate_px", "64"]
    more = ["--max-frames", "3", "--methods", "sdxl", *model]
    rows = []
    for reuse in ("noise", "previous"):
        flags = [*more, "--identity.reuse", reuse]
        assert run_temporal(video_folder, tmp_path, demo_weights, *flags) == 0
        rows += read_rows(tmp_path / "flicker.csv")
    noise, previous = (row["warping error, gray levels"] for row in rows)
    assert noise != previous


def test_original_has_ratio_one(video_folder: Path, demo_weights: Path, tmp_path: Path) -> None:
    assert (
        run_temporal(
            video_folder, tmp_path, demo_weights, "--anonymized", str(video_folder / "images")
        )
        == 0
    )
    (given,) = read_rows(tmp_path / "flicker.csv")
    assert float(given["ratio"]) == 1
    assert float(given["difference of differences, gray levels"]) == 0
    assert float(given["distance from the original, gray levels"]) == 0
    assert not (tmp_path / "recall.csv").exists()
    assert "give --labels" in (tmp_path / "report.html").read_text("utf-8")


def test_foreign_labels_rejected(
    video_folder: Path, demo_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "another.txt").write_text("0 0 0 1 0 1 1", "utf-8")
    assert (
        run_temporal(video_folder, tmp_path / "out", demo_weights, "--labels", str(tmp_path)) == 2
    )
    assert "none of its files belongs to a frame" in capsys.readouterr().err


def test_frames_of_two_sizes_rejected(
    video_folder: Path, demo_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(video_folder / "images", tmp_path / "images")
    cv2.imwrite(str(tmp_path / "images" / "002.png"), np.zeros((50, 60, 3), np.uint8))
    assert run_temporal(tmp_path, tmp_path / "out", demo_weights) == 2
    assert f"002 is 60 x 50 px, the frames before it {WIDTH} x {HEIGHT}" in capsys.readouterr().err
