"""The networks of FID, IS and LPIPS from local files, with random weights of the right shape."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.functional.image.lpips import _LPIPS

from anon_ros.errors import ModelError
from anon_ros.models import NUM_FEATURES, load_inception, load_lpips
from anon_ros.models.weights.locate import INCEPTION_WEIGHTS, LPIPS_WEIGHTS


@pytest.fixture
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = [(40, 30), (64, 80), (64, 80)]
    return [random.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published network with random numbers, made without its constructor (it wants a file)."""
    path = tmp_path_factory.mktemp("inception") / INCEPTION_WEIGHTS.name
    torch.manual_seed(0)
    saved = {}

    def load(module: torch.nn.Module, *_: object, **__: object) -> None:
        saved.update({name: values.clone() for name, values in module.state_dict().items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", load)
        FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path="x")
    torch.save(saved, path)
    return path


def test_inception_equals_library(inception_file: Path, images: list[np.ndarray]) -> None:
    found = load_inception(str(inception_file), "cpu").embed(images)
    library = FeatureExtractorInceptionV3(
        "x", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(inception_file)
    ).eval()
    for row, image in zip(found, images, strict=True):
        batch = torch.from_numpy(image).permute(2, 0, 1)[None]
        with torch.inference_mode():
            features, logits = library(batch)
        np.testing.assert_allclose(row[:NUM_FEATURES], features[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(row[NUM_FEATURES:], logits[0], rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from torchvision.models import alexnet  # noqa: PLC0415 - seconds

    path = tmp_path_factory.mktemp("lpips") / LPIPS_WEIGHTS.name
    torch.manual_seed(1)
    torch.save(alexnet(weights=None).state_dict(), path)
    return path


class HarmfulPickle:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("load", [load_inception, load_lpips])
def test_weights_never_unpickled(load: object, tmp_path: Path) -> None:
    torch.save({"fc.weight": HarmfulPickle(tmp_path / "harm")}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="weights"):
        load(str(tmp_path / "weights.pth"), "cpu")  # type: ignore[operator]  # one of two functions
    assert not (tmp_path / "harm").exists()


def write_nan_weights(weights_file: Path, layer: str, folder: Path) -> str:
    weights = torch.load(weights_file)
    weights[layer][:] = torch.nan
    torch.save(weights, folder / "nan.pth")
    return str(folder / "nan.pth")


def test_inception_rejects_nan_weights(
    inception_file: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    inception = load_inception(write_nan_weights(inception_file, "fc.weight", tmp_path), "cpu")
    with pytest.raises(ModelError, match="not finite"):
        inception.embed(images)


def test_lpips_rejects_nan_weights(
    alexnet_file: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    lpips = load_lpips(write_nan_weights(alexnet_file, "features.0.weight", tmp_path), "cpu")
    with pytest.raises(ModelError, match="not finite"):
        lpips.compute(images[1:2], images[2:3])


def test_lpips_equals_torchmetrics(alexnet_file: Path, images: list[np.ndarray]) -> None:
    lpips = load_lpips(str(alexnet_file), "cpu")
    weights = torch.load(alexnet_file, weights_only=True)
    library = _LPIPS(net="alex", pnet_rand=True).eval()
    with torch.no_grad():
        for name, values in library.net.named_parameters():  # "slice2.3.weight"
            values.copy_(weights[f"features.{name.partition('.')[2]}"])
    one, other = images[1], images[2]
    tensors = [torch.from_numpy(i).permute(2, 0, 1)[None].float() / 255 for i in (one, other)]
    with torch.inference_mode():
        expected = float(library(*tensors, normalize=True))
    assert lpips.compute([one, one], [other, one]) == pytest.approx([expected, 0], rel=1e-4)
    assert expected > 0


def test_lpips_enlarges_small_images(alexnet_file: Path, images: list[np.ndarray]) -> None:
    (distance,) = load_lpips(str(alexnet_file), "cpu").compute(images[:1], [images[0][::-1]])
    assert distance > 0


@pytest.mark.parametrize(
    ("load", "file"), [(load_inception, INCEPTION_WEIGHTS.name), (load_lpips, LPIPS_WEIGHTS.name)]
)
def test_unusable_weights_named(
    load: object, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANON_ROS_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match=rf"curl -fL --create-dirs -o {tmp_path}/{file} https://"):
        load("", "cpu")  # type: ignore[operator]  # one of two functions
    (tmp_path / file).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=file):
        load("", "cpu")  # type: ignore[operator]
    torch.save({}, tmp_path / file)
    with pytest.raises(ModelError, match=file):
        load("", "cpu")  # type: ignore[operator]
