"""The list of all weights that a configuration needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from anon_ros.config import Config, load_config
from anon_ros.models import required_models

pytestmark = pytest.mark.usefixtures("no_network")


def test_inventory_lists_weights(models_directory: Path) -> None:
    (models_directory / "yolov8x-seg.pt").write_bytes(b"12345")
    weights, model = required_models(Config())
    assert (weights.parameter, weights.size_bytes, weights.problem) == ("detect.weights", 5, "")
    assert weights.path == models_directory / "yolov8x-seg.pt"
    assert model.path is None
    assert model.fetch_command in model.problem
    assert model.fetch_command.startswith("hf download")


def test_inventory_of_classical_method(demo_weights: Path, tiny_sdxl: Path) -> None:
    overrides = {"detect.weights": str(demo_weights), "inpaint.model": str(tiny_sdxl)}
    (weights,) = required_models(load_config(overrides=overrides | {"inpaint.method": "blur"}))
    assert weights.path == demo_weights
    _, model = required_models(load_config(overrides=overrides))
    assert model.path == tiny_sdxl
    assert model.size_bytes > 100_000


def test_inventory_imports_no_torch() -> None:
    code = (
        "import sys\nfrom anon_ros.models import required_models\n"
        "from anon_ros.config import Config\n"
        "required_models(Config())\n"
        "names = 'torch', 'ultralytics', 'diffusers', 'transformers'\n"
        "print(*(name for name in names if sys.modules.get(name)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("weights", "license_"),
    [
        ("yolov8x-seg.pt", "AGPL-3.0 (Ultralytics)"),
        ("Roboflow/rf-detr-seg-xlarge", "Apache-2.0 (RF-DETR)"),
    ],
)
def test_inventory_names_license(models_directory: Path, weights: str, license_: str) -> None:
    overrides = {"detect.weights": weights, "inpaint.method": "fill"}
    (model,) = required_models(load_config(overrides=overrides))
    assert (model.license, model.path) == (license_, None)
    assert str(models_directory) in model.fetch_command
