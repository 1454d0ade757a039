"""The profiles of config/: what the command line and the launch file can choose by name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from anon_ros.config import load_config
from anon_ros.core import Crop, Roi
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.paths import ROOT

PROFILES = ROOT / "config" / "profiles"


@pytest.mark.parametrize(
    ("profile", "timesteps", "guided"),
    [
        ("paper", range(599, 0, -20), True),
        ("quality", range(599, 0, -20), True),
        ("balanced", range(599, 0, -50), True),
        ("fast", range(599, 0, -200), False),
        ("small", range(599, 0, -200), False),
        ("street", (599, 456, 326, 212, 115, 40), False),
    ],
)
def test_profile_runs_its_timesteps(
    tiny_sdxl: Path,
    tiny_vae: Path,
    tiny_lora: Path,
    profile: str,
    timesteps: Sequence[int],
    guided: bool,  # noqa: FBT001 - a column of the table
) -> None:
    overrides: dict[str, object] = {
        "inpaint.model": str(tiny_sdxl),
        "inpaint.prompt": "a person",
        "inpaint.negative_prompt": "blurry",
        "inpaint.generate_px": 64,
        "inpaint.dtype": "float32",
        "compute.device": "cpu",
    }
    if profile in {"fast", "small"}:
        overrides |= {"inpaint.vae": str(tiny_vae), "inpaint.lora": str(tiny_lora)}
    if profile == "street":
        del overrides["inpaint.model"]
    config = load_config(PROFILES / f"{profile}.yaml", overrides)
    inpainter = DiffusionInpainter.load(config.inpaint, config.compute)
    ran: list[tuple[int, int]] = []
    inpainter.diffusion.unet.register_forward_pre_hook(
        lambda _, positional: ran.append((int(positional[1]), len(positional[0])))
    )
    image = np.full((60, 30, 3), 90, np.uint8)
    mask = np.ones((60, 30), np.bool_)
    inpainter.inpaint([Crop(image, mask, mask, Roi(0, 0, 30, 60), 0)])
    assert [timestep for timestep, _ in ran] == list(timesteps)
    assert {images for _, images in ran} == {2 if guided else 1}
    assert inpainter.noise_schedule.timesteps[0] == 599
    assert inpainter.noise_schedule.noise_ratio == pytest.approx(0.92, abs=0.005)


def test_each_profile_tested() -> None:
    tested = {"paper", "quality", "balanced", "fast", "small", "street"}
    assert {path.stem for path in PROFILES.iterdir()} == tested
