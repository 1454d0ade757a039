"""The whole way, with real weights on a real image: everybody is replaced."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from anon_ros import build_anonymizer, load_config
from anon_ros.cli.main import main
from anon_ros.core import AnonymizedFrame, OutcomeKind, RgbImage
from anon_ros.errors import SegmentationError
from anon_ros.images.files.synthetic_mark import DIGITAL_SOURCE_TYPE
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.exiftool import read_by_exiftool, requires_exiftool

# A point in the body of each person and in each face, x and y px.
BODIES = [(130, 560), (280, 520), (785, 560), (20, 680)]
FACES = [(132, 440), (287, 440), (798, 420)]


def assert_everybody_replaced(result: AnonymizedFrame, image: RgbImage) -> None:
    assert all(result.detections.masks[:, y, x].any() for x, y in [*BODIES, *FACES])
    assert not (result.detections.masks.any(axis=0) & ~result.replaced_mask).any()
    changed = (result.image != image).any(axis=2)
    assert np.array_equal(changed, result.replaced_mask)


@pytest.mark.parametrize("kind", ["fill", "telea", "blur", "pixelate"])
def test_classical_replaces_everybody(demo_weights: Path, bus_rgb: RgbImage, kind: str) -> None:
    overrides = {"detect.weights": str(demo_weights), "inpaint.method": kind}
    result = build_anonymizer(load_config(overrides=overrides)).anonymize(bus_rgb)
    assert_everybody_replaced(result, bus_rgb)
    assert {outcome.kind for outcome in result.outcomes} == {OutcomeKind.INPAINTED}


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_diffusion_replaces_everybody(
    demo_weights: Path, bus_rgb: RgbImage, model: str, request: pytest.FixtureRequest
) -> None:
    overrides = {
        "detect.weights": str(demo_weights),
        "inpaint.model": str(request.getfixturevalue(model)),
        "inpaint.generate_px": 64,
        "inpaint.steps": 10,
    }
    anonymizer = build_anonymizer(load_config(overrides=overrides))
    result = anonymizer.anonymize(bus_rgb, seed=3)
    assert_everybody_replaced(result, bus_rgb)
    assert {outcome.kind for outcome in result.outcomes} == {OutcomeKind.INPAINTED}
    again = anonymizer.anonymize(bus_rgb, seed=3)
    assert np.array_equal(again.image, result.image)
    assert not np.array_equal(anonymizer.anonymize(bus_rgb, seed=4).image, result.image)


def return_nan(diffusion: Any) -> None:
    with torch.no_grad():
        next(diffusion.unet.parameters()).fill_(torch.nan)


def return_black(diffusion: Any) -> None:
    with torch.no_grad():
        diffusion.vae.decoder.conv_out.weight.fill_(0)
        diffusion.vae.decoder.conv_out.bias.fill_(-9)


def run_out_of_memory(diffusion: Any) -> None:
    def fail(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    diffusion.unet.register_forward_pre_hook(fail)


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [(return_nan, "NaN"), (return_black, "black"), (run_out_of_memory, "out of GPU memory")],
)
def test_diffusion_failure_covers_all(
    demo_weights: Path,
    tiny_sdxl: Path,
    bus_rgb: RgbImage,
    break_it: Callable[[Any], None],
    reason: str,
) -> None:
    overrides = {
        "detect.weights": str(demo_weights),
        "inpaint.model": str(tiny_sdxl),
        "inpaint.generate_px": 64,
        "inpaint.steps": 10,
    }
    anonymizer = build_anonymizer(load_config(overrides=overrides))
    assert isinstance(anonymizer.inpainter, DiffusionInpainter)
    break_it(anonymizer.inpainter.diffusion)
    result = anonymizer.anonymize(bus_rgb)
    assert_everybody_replaced(result, bus_rgb)
    assert {outcome.kind for outcome in result.outcomes} == {OutcomeKind.COVERED}
    assert all(reason in outcome.reason_text for outcome in result.outcomes)


def test_too_many_persons_raise(demo_weights: Path, bus_rgb: RgbImage) -> None:
    overrides = {
        "detect.weights": str(demo_weights),
        "detect.max_persons": 2,
        "inpaint.method": "fill",
    }
    with pytest.raises(SegmentationError, match="max_persons"):
        build_anonymizer(load_config(overrides=overrides)).anonymize(bus_rgb)


@requires_exiftool
@pytest.mark.parametrize(("method", "is_marked"), [("sdxl", True), ("fill", False)])
def test_command_marks_what_a_diffusion_drew(
    demo_weights: Path,
    bus_rgb: RgbImage,
    tiny_sdxl: Path,
    tmp_path: Path,
    method: str,
    *,
    is_marked: bool,
) -> None:
    source = tmp_path / "bus.jpg"
    Image.fromarray(bus_rgb).save(source)
    flags = ["--detect.weights", demo_weights, "--detect.classes", "person", "fallen person"]
    flags += ["--inpaint.model", tiny_sdxl, "--inpaint.generate_px", 64, "--inpaint.steps", 10]
    words = ["image", source, "-o", tmp_path / "out", "--inpaint.method", method, *flags]
    assert main(list(map(str, words))) == 0
    tags = read_by_exiftool(tmp_path / "out" / source.name)
    assert tags.get("XMP:DigitalSourceType") == (DIGITAL_SOURCE_TYPE if is_marked else None)
