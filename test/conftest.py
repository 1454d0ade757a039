"""Real images, real weights and tiny real diffusion pipelines, made without a network."""

import importlib.util
import json
import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anon_ros.core import RgbImage
from anon_ros.models.weights.offline import disable_network_access
from helpers.locks import hold_lock
from helpers.paths import ROOT

# Before the first import of a model library; the fixtures import them late, most tests never.
disable_network_access()
# Threads that wait for each other make the tiny networks ten times slower on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A suite that was started in the background ignores SIGINT, and so would what it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = ROOT / "test" / "data"
# For ``make test-no-agpl``: what tests Ultralytics itself, or takes its weights or pictures.
HAS_ULTRALYTICS = importlib.util.find_spec("ultralytics") is not None
_FIXTURES_OF_ULTRALYTICS = {"bus_rgb", "zidane_rgb", "demo_weights"}
collect_ignore = (
    []
    if HAS_ULTRALYTICS
    else [
        "models/detection/test_training.py",
        "models/detection/backends/test_yolo_backend.py",
        "models/trackers/test_bytetrack.py",
    ]
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if HAS_ULTRALYTICS:
        return
    left_out = [i for i in items if _FIXTURES_OF_ULTRALYTICS & set(getattr(i, "fixturenames", ()))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _read_rgb(path: Path) -> RgbImage:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None, path
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _read_packaged_image(name: str) -> RgbImage:
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    return _read_rgb(Path(spec.origin).parent / "assets" / name)


@pytest.fixture(scope="session")
def bus_rgb() -> RgbImage:
    """810 x 1080 px, four persons, one of them cut off on the left and one on the right."""
    return _read_packaged_image("bus.jpg")


@pytest.fixture(scope="session")
def zidane_rgb() -> RgbImage:
    """1280 x 720 px, two persons."""
    return _read_packaged_image("zidane.jpg")


@pytest.fixture(scope="session")
def vtest_rgb() -> dict[str, RgbImage]:
    """Five frames of 768 x 576 px of a pedestrian video, by name; see data/README.md."""
    return {path.stem: _read_rgb(path) for path in sorted(DATA.glob("vtest/*.jpg"))}


@pytest.fixture(scope="session")
def demo_weights() -> Path:
    """YOLOv8s-seg for persons, assembled once per checkout."""
    spec = importlib.util.spec_from_file_location("weights", ROOT / "demo" / "assemble_weights.py")
    assert spec is not None
    assert spec.loader is not None
    weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    path = ROOT / "build" / "demo" / "yolov8s-seg-demo.pt"
    with hold_lock(path.with_suffix(".lock")):  # several workers may come for it at once
        return Path(weights.assemble(path))


@pytest.fixture(scope="session")
def tiny_rfdetr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RF-DETR-Seg with random weights; its classes are LABEL_0, person and bicycle."""
    detectors = import_module("helpers.detectors")
    return Path(detectors.save_rfdetr(tmp_path_factory.mktemp("tiny_rfdetr")))


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SDXL inpainting (9 channels) with random weights; latents of 1/8."""
    return save_sdxl(tmp_path_factory.mktemp("tiny_sdxl"), unet_channels=9)


@pytest.fixture(scope="session")
def tiny_sdxl_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SDXL base (4 channels, saved as the text-to-image pipeline) with random weights."""
    return save_sdxl(tmp_path_factory.mktemp("tiny_sdxl_base"), unet_channels=4)


@pytest.fixture(scope="session")
def tiny_sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SD 2 inpainting with random weights."""
    diffusers = import_module("diffusers")
    folder = tmp_path_factory.mktemp("tiny_sd2")
    import_module("torch").manual_seed(0)
    diffusers.StableDiffusionInpaintPipeline(
        vae=_make_vae(diffusers, 0.18215),
        text_encoder=_make_text_encoder("CLIPTextModel"),
        tokenizer=_make_tokenizer(folder / "vocabulary"),
        unet=_make_unet(diffusers, in_channels=9, cross_attention_dim=32),
        scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, **_SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AutoencoderTiny, as TAESDXL is one, with random weights."""
    diffusers = import_module("diffusers")
    folder = tmp_path_factory.mktemp("tiny_vae")
    import_module("torch").manual_seed(0)
    diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_lora(tmp_path_factory: pytest.TempPathFactory, tiny_sdxl: Path) -> Path:
    """A LoRA for the UNet's attention, as distilled models come, with random weights."""
    diffusers, peft = import_module("diffusers"), import_module("peft")
    folder = tmp_path_factory.mktemp("tiny_lora")
    import_module("torch").manual_seed(0)
    unet = diffusers.UNet2DConditionModel.from_pretrained(tiny_sdxl / "unet")
    unet.add_adapter(
        peft.LoraConfig(r=2, init_lora_weights=False, target_modules=["to_q", "to_k", "ff.net.2"])
    )
    layers = diffusers.utils.convert_state_dict_to_diffusers(
        peft.utils.get_peft_model_state_dict(unet)
    )
    diffusers.StableDiffusionXLPipeline.save_lora_weights(folder, unet_lora_layers=layers)
    return folder


# The schedule of the published SD 2 and SDXL models.
_SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
}


def save_sdxl(folder: Path, unet_channels: int) -> Path:
    diffusers = import_module("diffusers")
    import_module("torch").manual_seed(0)
    kind: Callable[..., Any] = (
        diffusers.StableDiffusionXLPipeline
        if unet_channels == 4
        else diffusers.StableDiffusionXLInpaintPipeline
    )
    kind(
        vae=_make_vae(diffusers, 0.13025),
        text_encoder=_make_text_encoder("CLIPTextModel"),
        text_encoder_2=_make_text_encoder("CLIPTextModelWithProjection"),
        tokenizer=_make_tokenizer(folder / "vocabulary"),
        tokenizer_2=_make_tokenizer(folder / "vocabulary"),
        unet=_make_unet(
            diffusers,
            in_channels=unet_channels,
            cross_attention_dim=64,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=80,
        ),
        scheduler=diffusers.EulerDiscreteScheduler(**_SCHEDULE),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def _make_unet(diffusers: Any, **options: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(16, 32),
        norm_num_groups=8,
        layers_per_block=1,
        sample_size=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        **options,
    )


def _make_vae(diffusers: Any, scaling_factor: float) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        norm_num_groups=8,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=64,
        scaling_factor=scaling_factor,
    )


def _make_text_encoder(kind: str) -> Any:
    transformers = import_module("transformers")
    config = transformers.CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        projection_dim=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=1000,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return getattr(transformers, kind)(config).eval()


def _make_tokenizer(folder: Path) -> Any:
    """A CLIP tokenizer that knows single ASCII characters: each is one token."""
    transformers = import_module("transformers")
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    vocabulary = {word: index for index, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=77)
