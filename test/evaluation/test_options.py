"""Experiments from Python, without a command line."""

from dataclasses import replace
from pathlib import Path

import cv2

from anon_ros.config import Config
from anon_ros.core import RgbImage
from anon_ros.evaluation.options import (
    METHODS,
    PAPER_METHODS,
    Comparison,
    FrameSelection,
    QualityOptions,
)
from anon_ros.evaluation.quality.experiment import evaluate_quality
from anon_ros.evaluation.runner import run_evaluation
from anon_ros.models import BASELINES


def test_methods_include_all_baselines() -> None:
    assert set(BASELINES) == set(PAPER_METHODS)
    assert ("sdxl", "fill", "telea", "blur", "pixelate", *PAPER_METHODS) == METHODS


def test_experiment_runs_from_python(
    tmp_path: Path, demo_weights: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    (tmp_path / "images").mkdir()
    for name, image in list(vtest_rgb.items())[:2]:
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image[..., ::-1])
    options = QualityOptions(
        frames=FrameSelection(path=tmp_path / "images"),
        output=tmp_path / "report",
        comparison=Comparison(methods=("fill", "blur")),
    )
    detect = replace(Config().detect, weights=(str(demo_weights),), classes=("person",))
    report = run_evaluation(evaluate_quality, options, replace(Config(), detect=detect))
    assert [row[0] for row in report.tables[0].rows] == ["original", "fill", "blur"]
    assert (tmp_path / "report" / "report.html").is_file()
