"""``anon_ros evaluate occlusion`` on real frames, with depth from files, a topic and a network."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from helpers.paths import MASKS


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory, vtest_rgb: dict[str, RgbImage]) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for name, image in list(vtest_rgb.items())[:3]:
        cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    return folder


def run_occlusion(frames: Path, out: Path, weights: Path, *more: str) -> int:
    flags = ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
    return main(["evaluate", "occlusion", str(frames), "--output", str(out), *flags, *more])


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row["persons and paste order"]: row for row in csv.DictReader(file)}


def test_report_has_scenes_and_frames(
    frames: Path, demo_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depths = tmp_path / "depths"
    depths.mkdir()
    for path in frames.iterdir():  # a plane: the lower, the nearer
        ramp = np.linspace(20_000, 2_000, 576).astype(np.uint16)
        cv2.imwrite(str(depths / path.name), np.repeat(ramp[:, None], 768, axis=1))
    more = ["--labels", str(MASKS), "--scenes", "6", "--depth", str(depths)]
    assert run_occlusion(frames, tmp_path / "out", demo_weights, *more) == 0
    table = read_rows(tmp_path / "out" / "occlusion.csv")
    exact = table["synthetic, exact masks: box bottom"]
    wrong = float(exact["misordered, % of overlap px"])
    assert wrong < float(table["synthetic, exact masks: detection"]["misordered, % of overlap px"])
    assert table["real frames: coverage"]["scenes"] == "3"
    assert "real frames: depth map" in table
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["provenance"]["models"]["detect.weights"].count("SHA-256")
    assert "misordered, % of overlap px" in capsys.readouterr().out
    assert (tmp_path / "out" / "wrong_on_top.svg").read_bytes().startswith(b"<?xml")


def test_depth_network_orders_persons(frames: Path, demo_weights: Path, tmp_path: Path) -> None:
    class Plane(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            rows = torch.arange(images.shape[2], dtype=torch.float32)
            return rows[None, :, None].expand(images.shape[0], -1, images.shape[3])

    path = tmp_path / "plane.pt"
    torch.jit.script(Plane()).save(path)
    more = ["--scenes", "4", "--depth-model", f"{path}@64x64"]
    assert run_occlusion(frames, tmp_path / "out", demo_weights, *more) == 0
    table = read_rows(tmp_path / "out" / "occlusion.csv")
    assert "synthetic, segmenter: depth map" in table


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--labels", "{tmp}"], "no .txt file"),
        (["--labels", "{tmp}/other"], "none of its files belongs to a frame"),
        (["--depth", "{tmp}/other"], "no depth for any frame"),
        (["--depth-topic", "/depth"], "is no recording"),
        (["--depth", "{tmp}/nowhere"], "is no folder"),
        (["--depth-model", "{tmp}/nowhere.onnx"], "no file"),
    ],
)
def test_missing_inputs_named(
    more: list[str],
    problem: str,
    frames: Path,
    demo_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if any("other" in each for each in more):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "another.txt").touch()
    given = [each.format(tmp=tmp_path) for each in more]
    assert run_occlusion(frames, tmp_path / "out", demo_weights, *given) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()
