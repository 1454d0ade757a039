"""Methods whose inpainting fails."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from anon_ros.config import Config, DetectionConfig, InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Crop, InpaintFailure, RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluation.frame_cache import FrameCache
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.models import build_segmenter


class FailingInpainter:
    """Draws every second person; what a GPU does that has no memory left."""

    max_batch, draws_persons, keeps_grid = 1, True, True

    def __init__(self, fails: Sequence[bool]) -> None:
        self.fails = fails

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        refusal = InpaintFailure("out of memory after 3 MB")
        return [
            refusal if self.fails[index % len(self.fails)] else _draw_noise(crop, index)
            for index, crop in enumerate(crops)
        ]


def _draw_noise(crop: Crop, seed: int) -> RgbImage:
    return np.random.default_rng(seed).integers(0, 256, crop.image.shape, np.uint8)


def make_failing_methods(
    kind: str, fails: Sequence[bool], weights: Path, drawn: Path | None
) -> MethodRunner:
    detect = DetectionConfig(weights=(str(weights),), classes=("person", "fallen person"))
    segmenter = build_segmenter(Config(detect=detect))
    inpaint = InpaintConfig(method=kind, min_person_px=48)
    anonymizer = Anonymizer(segmenter, FailingInpainter(fails), MaskConfig(), inpaint)
    return MethodRunner(segmenter, {kind: anonymizer}, Config(), drawn and FrameCache(drawn))


@pytest.mark.parametrize("fails", [[True], [True, False], [False]])
def test_failed_inpainting_is_retried(
    fails: list[bool], vtest_rgb: dict[str, RgbImage], demo_weights: Path, tmp_path: Path
) -> None:
    modes = make_failing_methods("sdxl", fails, demo_weights, tmp_path / "drawn")
    image = vtest_rgb["vtest0120"]
    modes.anonymize(image, modes.detect(image))
    if all(fails):
        with pytest.raises(ModelError, match="no person could be inpainted: out of memory"):
            modes.limitations()
    else:
        told = "\n".join(modes.limitations())
        assert "are below inpaint.min_person_px = 48" in told
        assert ("stayed covered: out of memory after 3 MB" in told) == any(fails)
    assert (tmp_path / "drawn").is_dir() == (not any(fails))


def test_fill_cover_is_no_failure(vtest_rgb: dict[str, RgbImage], demo_weights: Path) -> None:
    modes = make_failing_methods("fill", [True], demo_weights, None)
    modes.anonymize(vtest_rgb["vtest0120"], modes.detect(vtest_rgb["vtest0120"]))
    assert modes.limitations() == []
