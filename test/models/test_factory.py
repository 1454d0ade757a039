"""Models built from a configuration."""

from pathlib import Path

import pytest

from anon_ros.config import load_config
from anon_ros.errors import ModelError
from anon_ros.models import build_anonymizer, build_inpainter
from helpers.paths import ROOT

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.mark.usefixtures("models_directory")
@pytest.mark.parametrize("parameter", ["detect.weights", "inpaint.model"])
def test_build_needs_weights(parameter: str, demo_weights: Path) -> None:
    """In particular no other inpainter takes the place of the diffusion model."""
    overrides = {"detect.weights": str(demo_weights)} if parameter == "inpaint.model" else {}
    kind = "sdxl" if parameter == "inpaint.model" else "fill"
    config = load_config(overrides={"inpaint.method": kind, **overrides})
    with pytest.raises(ModelError, match=parameter):
        build_anonymizer(config)


def test_generator_by_its_path_draws_no_target() -> None:
    """The configuration refuses its name; a path is known once files are looked for."""
    overrides = {
        "inpaint.model": str(ROOT / "generator"),
        "targets.sign.classes": ["stop sign"],
        "targets.sign.action": "inpaint",
        "targets.sign.prompt": "a sign",
    }
    with pytest.raises(ModelError, match=r"^targets\.sign\.action: .* draws persons only; set"):
        build_inpainter(load_config(overrides=overrides))
