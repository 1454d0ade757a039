"""An inpainter says what it needs and draws."""

from pathlib import Path

import pytest

from anon_ros.config import load_config
from anon_ros.models import build_inpainter
from anon_ros.models.inpainting.classical import CLASSICAL


@pytest.mark.parametrize("method", [*CLASSICAL])
def test_classical_inpainter_draws_no_person(method: str) -> None:
    config = load_config(overrides={"inpaint.method": method})
    inpainter = build_inpainter(config)
    assert not config.inpaint.is_diffusion
    assert (inpainter.max_batch, inpainter.draws_persons, inpainter.keeps_grid) == (1, False, False)
    assert inpainter.reconfigure(config.inpaint, config.inpaint)
    assert inpainter.fallbacks == {}


def test_diffusion_inpainter_draws_persons_in_batches(tiny_sdxl: Path) -> None:
    overrides = {
        "inpaint.method": "sdxl",
        "inpaint.model": str(tiny_sdxl),
        "inpaint.generate_px": 64,
        "inpaint.steps": 5,
    }
    config = load_config(overrides=overrides)
    inpainter = build_inpainter(config)
    assert config.inpaint.is_diffusion
    assert (inpainter.max_batch, inpainter.draws_persons, inpainter.keeps_grid) == (8, True, True)
