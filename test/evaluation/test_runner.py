"""Inputs and outputs of every experiment."""

import logging
import shutil
from pathlib import Path

import cv2
import pytest

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from anon_ros.evaluation.inputs.frames import iter_frame_pairs
from anon_ros.evaluation.options import Comparison, FrameSelection
from anon_ros.evaluation.report.model import Report, Table
from anon_ros.evaluation.report.writer import write_report


def run_quality(source: Path, out: Path, weights: Path, *more: str) -> int:
    flags = ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
    return main(["evaluate", "detection", str(source), "--output", str(out), *flags, *more])


@pytest.fixture
def images(tmp_path: Path, vtest_rgb: dict[str, RgbImage]) -> Path:
    (tmp_path / "images").mkdir()
    for name, image in list(vtest_rgb.items())[:2]:
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image[..., ::-1])
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("out", "more", "problem"),
    [
        ("images", [], "lies in"),
        ("images/proof", [], "lies in"),
        ("given/proof", ["--anonymized", "given"], "lies in"),
        ("file", [], "file cannot be written: FileExistsError"),
        ("file/proof", [], "proof cannot be written: NotADirectoryError"),
        ("recording", [], "of another program"),
        ("account", [], "of another program"),
    ],
)
def test_output_never_inside_inputs(
    out: str,
    more: list[str],
    problem: str,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(images, "given")
    Path("file").touch()
    for name, file in (("recording", "metadata.yaml"), ("account", "report.json")):
        Path(name).mkdir()
        (Path(name) / file).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    assert run_quality(images, Path(out), tmp_path / "no weights needed.pt", *more) == 2
    assert problem in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_write_report_replaces_old(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_report(Report(name, [], [Table(name, name, ("a",), [[1]])]), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"other.csv", "report.html", "report.json"}


def test_inputs_accept_odd_names(images: Path, tmp_path: Path, demo_weights: Path) -> None:
    (images / "folder.png").mkdir()
    first = min(images.glob("vtest*.png"))
    first.rename(images / b"\xff\xe9.png".decode(errors="surrogateescape"))
    assert run_quality(images, tmp_path / "out", demo_weights, "--methods", "fill") == 0


def test_unpaired_frames_are_logged(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "given").mkdir()
    shutil.copy(min(images.iterdir()), tmp_path / "given")
    comparison = Comparison(anonymized=tmp_path / "given")
    with caplog.at_level(logging.WARNING, logger="anon_ros"):
        assert len(list(iter_frame_pairs(FrameSelection(path=images), comparison))) == 1
    assert "1 of 2 frames are not in" in caplog.text
