"""Weights by name, in directories and in the hub's cache."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from anon_ros.errors import ModelError
from anon_ros.models.weights.digest import hash_model
from anon_ros.models.weights.generator import find_generator
from anon_ros.models.weights.locate import (
    fetch_pipeline_command,
    fetch_weights_command,
    find_lora,
    find_pipeline,
    find_training_start,
    find_vae,
    find_weights,
    find_weights_by_hash,
)
from helpers.paths import ROOT

pytestmark = pytest.mark.usefixtures("no_network")

HUB_ID = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1"


def test_bare_name_is_searched(models_directory: Path) -> None:
    (models_directory / "a.pt").touch()
    assert find_weights("a.pt") == models_directory / "a.pt"
    Path("a.pt").touch()
    assert find_weights("a.pt") == Path("a.pt")
    with pytest.raises(ModelError, match="no file"):
        find_weights("./folder/a.pt")


def test_missing_weights_name_remedy(models_directory: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_weights("yolov8x-seg.pt")
    told = str(caught.value)
    target = models_directory / "yolov8x-seg.pt"
    assert str(Path("yolov8x-seg.pt").absolute()) in told
    assert f"or {target}" in told
    assert "detect.weights" in told
    assert f"curl -fL --create-dirs -o {target} https://github.com/ultralytics/assets/" in told
    assert "\n" not in told


def test_printed_command_quotes_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "/models of mine; $(id)"
    monkeypatch.setenv("ANON_ROS_MODELS", folder)
    for command in (fetch_weights_command("yolov8x-seg.pt"), fetch_pipeline_command(HUB_ID, "a b")):
        words = shlex.split(command)
        assert any(word.startswith(f"{folder}/") for word in words)
        assert "a b" in words or words[0] == "curl"


def test_unknown_weights_no_command(models_directory: Path) -> None:
    with pytest.raises(ModelError, match=r"give the path of Ultralytics weights") as caught:
        find_weights(str(models_directory / "mine.pt"))
    assert "curl" not in str(caught.value)


def test_missing_hub_model_names_remedy(models_directory: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_pipeline(HUB_ID, "abc123")
    told = str(caught.value)
    folder = models_directory / "stable-diffusion-xl-1.0-inpainting-0.1"
    assert f"hf download {HUB_ID} --revision abc123 --local-dir {folder}" in told
    assert "put the folder at the same place here" in told
    assert "\n" not in told


def test_fetched_model_found(tiny_sd2: Path, models_directory: Path) -> None:
    shutil.copytree(tiny_sd2, models_directory / "stable-diffusion-xl-1.0-inpainting-0.1")
    assert find_pipeline(HUB_ID, "").is_dir()


def test_vae_and_lora_found_or_named(models_directory: Path) -> None:
    for find, parameter in ((find_vae, "inpaint.vae"), (find_lora, "inpaint.lora")):
        with pytest.raises(ModelError, match=rf"{parameter}: .*hf download some/thing"):
            find("some/thing")
    folder = models_directory / "thing"
    folder.mkdir(parents=True)
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        find_vae("some/thing")
    with pytest.raises(ModelError, match=r"holds 0 \.safetensors"):
        find_lora("some/thing")
    (folder / "config.json").touch()
    weights = folder / "one.safetensors"
    weights.touch()
    assert find_vae("some/thing") == folder
    assert find_lora("some/thing") == find_lora(str(weights)) == weights
    (folder / "two.safetensors").touch()
    with pytest.raises(ModelError, match="name the file"):
        find_lora("some/thing")


def test_missing_directory_named(models_directory: Path) -> None:
    with pytest.raises(ModelError, match=rf"no directory {models_directory}/none"):
        find_pipeline(str(models_directory / "none"), "")


def test_directory_and_bare_name_found(tiny_sd2: Path, models_directory: Path) -> None:
    assert find_pipeline(str(tiny_sd2), "") == tiny_sd2
    shutil.copytree(tiny_sd2, models_directory / "sd2")
    assert find_pipeline("sd2", "") == models_directory / "sd2"


def test_hub_cache_at_revision(tiny_sd2: Path, tmp_path: Path) -> None:
    # The cache's place is read when the library is imported: a new process.
    cache = tmp_path / "hub"
    shutil.copytree(tiny_sd2, cache / "models--owner--name" / "snapshots" / "abc123")
    code = (
        "from anon_ros.models.weights.locate import find_pipeline\n"
        "print(find_pipeline('owner/name', 'abc123'))\n"
        "try: find_pipeline('owner/name', 'def456')\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    environment = {"HF_HUB_CACHE": str(cache), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found, refused = done.stdout.split()
    assert found == str(cache / "models--owner--name" / "snapshots" / "abc123")
    assert refused == "ModelError"


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "unet holds no .safetensors"),
        ("vae", "vae is missing"),
        ("scheduler", "scheduler is missing"),
        ("model_index.json", "model_index.json cannot be read"),
    ],
)
def test_partial_download_named(tiny_sd2: Path, tmp_path: Path, lost: str, told: str) -> None:
    folder = tmp_path / "partial"
    shutil.copytree(tiny_sd2, folder)
    path = folder / lost
    path.unlink() if path.is_file() else shutil.rmtree(path)
    with pytest.raises(ModelError, match=told):
        find_pipeline(str(folder), "")


def test_generator_is_the_shipped_one(models_directory: Path) -> None:
    for folder in (Path("generator"), models_directory / "generator"):
        folder.mkdir(parents=True)
        (folder / "model_index.json").write_text("{}")
    assert find_pipeline("generator", "") == find_generator()
    assert find_pipeline("./generator", "") == Path("generator")
    assert fetch_pipeline_command("generator", "") == ""


def test_missing_generator_names_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "anon_ros.models.weights.generator.shared_candidates", lambda name: [tmp_path / name]
    )
    with pytest.raises(ModelError, match=rf"not at {tmp_path}/generator; install anon_ros again"):
        find_pipeline("generator", "")


@pytest.mark.parametrize("model", [HUB_ID, "/no/model"])
@pytest.mark.usefixtures("models_directory")
def test_missing_model_names_street_profile(model: str) -> None:
    """The remedy is named, not taken."""
    with pytest.raises(ModelError, match=r"profile street \(profile:=street\)"):
        find_pipeline(model, "")


def test_detector_directory_found(tiny_rfdetr: Path, models_directory: Path) -> None:
    with pytest.raises(ModelError, match=r"hf download Roboflow/rf-detr-seg-large --local-dir"):
        find_weights("rf-detr-seg-large")
    with pytest.raises(ModelError, match=r"hf download Roboflow/rf-detr-seg-large --local-dir"):
        find_weights("Roboflow/rf-detr-seg-large")
    fetched = shutil.copytree(tiny_rfdetr, models_directory / "rf-detr-seg-large")
    for name in ("rf-detr-seg-large", "Roboflow/rf-detr-seg-large", str(fetched)):
        assert find_weights(name) == fetched
    assert find_weights_by_hash([hash_model(tiny_rfdetr)]) == [str(fetched)]


def test_training_starts_from_no_directory(tiny_rfdetr: Path) -> None:
    with pytest.raises(ModelError, match=r"--train-from: .* is a directory"):
        find_training_start(str(tiny_rfdetr), "--train-from")
