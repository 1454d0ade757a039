"""A diffusers pipeline from somebody else: its files are data, and run nothing."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from anon_ros.config import load_config
from anon_ros.errors import ModelError
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.hostile_files import Payload

CODE = "from pathlib import Path\nPath({path!r}).touch()\nclass Hostile: pass\n"


@pytest.fixture
def pipeline(tiny_sdxl: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_sdxl, tmp_path / "pipeline"))


def edit_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def load(pipeline: Path) -> None:
    overrides = {"inpaint.model": str(pipeline), "compute.device": "cpu"}
    config = load_config(overrides=overrides)
    DiffusionInpainter.load(config.inpaint, config.compute)


def plant_pickle(pipeline: Path, planted: Path) -> None:
    (pipeline / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    weights = pipeline / "unet" / "diffusion_pytorch_model.bin"
    weights.write_bytes(pickle.dumps(Payload(planted)))


def plant_custom_class(pipeline: Path, planted: Path) -> None:
    (pipeline / "hostile.py").write_text(CODE.format(path=str(planted)))
    edit_json(pipeline / "model_index.json", _class_name=["hostile", "Hostile"])


def plant_custom_part(pipeline: Path, planted: Path) -> None:
    (pipeline / "unet" / "hostile.py").write_text(CODE.format(path=str(planted)))
    edit_json(pipeline / "model_index.json", unet=["hostile", "Hostile"])


def plant_auto_map(pipeline: Path, planted: Path) -> None:
    for part in ("text_encoder", "tokenizer", "unet"):
        (pipeline / part / "hostile.py").write_text(CODE.format(path=str(planted)))
    names = dict.fromkeys(("AutoModel", "AutoConfig", "AutoTokenizer"), "hostile.Hostile")
    edit_json(pipeline / "text_encoder" / "config.json", auto_map=names)
    edit_json(pipeline / "unet" / "config.json", auto_map=names)


@pytest.mark.parametrize("plant", [plant_pickle, plant_custom_class, plant_custom_part])
def test_code_in_pipeline_refused(pipeline: Path, tmp_path: Path, plant: Any) -> None:
    plant(pipeline, tmp_path / "planted")
    with pytest.raises(
        ModelError, match=r"cannot be loaded|is none of|holds no \.safetensors file"
    ):
        load(pipeline)
    assert not (tmp_path / "planted").exists()


def test_auto_map_ignored(pipeline: Path, tmp_path: Path) -> None:
    plant_auto_map(pipeline, tmp_path / "planted")
    load(pipeline)
    assert not (tmp_path / "planted").exists()
