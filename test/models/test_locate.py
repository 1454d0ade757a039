import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from anon_ros.config import Config, load_config
from anon_ros.errors import ModelError
from anon_ros.models import build_anonymizer, required_models
from anon_ros.models.weights.locate import find_lora, find_pipeline, find_vae, find_weights

HUB_ID = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1"


@pytest.fixture
def models_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("ANON_ROS_MODELS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        message = "the network was used"
        raise AssertionError(message)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


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
        cwd=Path(__file__).resolve().parents[2],
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


@pytest.mark.usefixtures("models_directory")
@pytest.mark.parametrize("parameter", ["detect.weights", "inpaint.model"])
def test_build_needs_weights(parameter: str, demo_weights: Path) -> None:
    """In particular no other inpainter takes the place of the diffusion model."""
    overrides = {"detect.weights": str(demo_weights)} if parameter == "inpaint.model" else {}
    kind = "sdxl" if parameter == "inpaint.model" else "fill"
    config = load_config(overrides={"inpaint.method": kind, **overrides})
    start_s = time.monotonic()
    with pytest.raises(ModelError, match=parameter):
        build_anonymizer(config)
    assert time.monotonic() - start_s < 5


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
        "print(*{'torch', 'ultralytics', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_libraries_stay_offline(demo_weights: Path, tmp_path: Path) -> None:
    """In a process where every look-up of a host fails loudly."""
    code = f"""
import socket
def refuse(*_, **__): raise SystemExit("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
from anon_ros import build_anonymizer, load_config
build_anonymizer(load_config(overrides={{
    "inpaint.method": "fill", "detect.weights": {str(demo_weights)!r}}}))
from ultralytics.utils import AUTOINSTALL, ONLINE
print(AUTOINSTALL, ONLINE)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == ["False", "False"]
    assert done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} <= {".cache"}
