"""Inputs of the evaluation."""

from pathlib import Path

from anon_ros.core import RgbImage

STEP_PX, FRAMES = 4, 6


def shift_view(still: RgbImage, index: int) -> RgbImage:
    """The camera turns, so that everybody moves."""
    return still[100:520, 100 + STEP_PX * index : 660 + STEP_PX * index]


def detection_flags(weights: Path) -> list[str]:
    return ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
