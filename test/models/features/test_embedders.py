"""Networks of the user: TorchScript and ONNX, and what is said of those that do not work."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anon_ros.errors import ModelError
from anon_ros.models import load_depth_network, load_embedder
from anon_ros.models.features.embedders import NetworkEmbedder

MEAN, DEVIATION = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))


class TinyNetwork(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 5, 8, stride=8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).relu().mean(dim=(2, 3))


class FixedSizeNetwork(TinyNetwork):
    """One that takes 32 x 64 px alone."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(5 * 8 * 4, 7)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.layer(images).flatten(1))


class PairNetwork(torch.nn.Module):
    """One that compares two images."""

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (one - other).abs().mean(dim=(2, 3))


@pytest.fixture
def images() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (64, 32, 3), np.uint8) for _ in range(5)]


def save_torchscript(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.trace(module.eval(), torch.zeros(2, 3, 64, 32)).save(path)
    return path


def compute_expected(module: torch.nn.Module, images: list[np.ndarray]) -> np.ndarray:
    batch = torch.from_numpy(np.stack(images)).float() / 255
    with torch.inference_mode():
        return module.eval()(((batch - MEAN) / DEVIATION).permute(0, 3, 1, 2)).numpy()


def test_torchscript_embeds_images(tmp_path: Path, images: list[np.ndarray]) -> None:
    path = save_torchscript(TinyNetwork(), tmp_path / "tiny.pt")
    embedder = load_embedder(f"{path}@64x32", "cpu")
    assert embedder.name == "tiny"
    np.testing.assert_allclose(
        embedder.embed(images), compute_expected(TinyNetwork(), images), atol=1e-5
    )
    assert embedder.embed([]).shape == (0, 0)


def test_onnx_declares_its_size(tmp_path: Path, images: list[np.ndarray]) -> None:
    path = tmp_path / "tiny.onnx"
    torch.onnx.export(
        FixedSizeNetwork().eval(), (torch.zeros(1, 3, 64, 32),), str(path), dynamo=False
    )
    embedder = load_embedder(f"mine={path}", "cpu")
    assert (embedder.name, embedder.input_hw) == ("mine", (64, 32))
    np.testing.assert_allclose(
        embedder.embed(images), compute_expected(FixedSizeNetwork(), images), atol=1e-4
    )


def test_key_follows_weights_and_size(tmp_path: Path) -> None:
    one, other = (
        save_torchscript(TinyNetwork(), tmp_path / "a.pt"),
        save_torchscript(FixedSizeNetwork(), tmp_path / "b.pt"),
    )
    keys = {
        load_embedder(spec, "cpu").cache_key
        for spec in (f"{one}@64x32", f"{one}@32x32", f"{other}@64x32", f"x={one}@64x32")
    }
    assert len(keys) == 3  # a name changes nothing


def test_depth_network_returns_maps(tmp_path: Path, images: list[np.ndarray]) -> None:
    class Depth(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch.mean(dim=1)

    path = save_torchscript(Depth(), tmp_path / "depth.pt")
    maps = load_depth_network(f"{path}@64x32", "cpu").predict(images[:2])
    assert [depth.shape for depth in maps] == [(64, 32), (64, 32)]
    tiny = save_torchscript(TinyNetwork(), tmp_path / "tiny.pt")
    with pytest.raises(ModelError, match="expected a map"):
        load_depth_network(f"{tiny}@64x32", "cpu").predict(images[:1])


def test_unusable_network_named(tmp_path: Path, images: list[np.ndarray]) -> None:
    with pytest.raises(ModelError, match=r"no file .*nowhere\.pt"):
        load_embedder(str(tmp_path / "nowhere.pt"), "cpu")
    for name in ("broken.pt", "broken.onnx"):
        (tmp_path / name).write_bytes(b"no network")
        with pytest.raises(ModelError, match="cannot be loaded"):
            load_embedder(str(tmp_path / name), "cpu")
    path = save_torchscript(FixedSizeNetwork(), tmp_path / "fixed.pt")
    with pytest.raises(ModelError, match="@HEIGHTxWIDTH"):
        load_embedder(str(path), "cpu").embed(images)
    with pytest.raises(ModelError, match="no pixels"):
        load_embedder(f"{path}@0x32", "cpu")


def test_invalid_features_rejected(images: list[np.ndarray]) -> None:
    for answer, problem in (
        (np.full((5, 2), np.nan, np.float32), "not finite"),
        (np.ones((1, 2), np.float32), "a vector each"),
        (np.ones((5, 0), np.float32), "a vector each"),
        (np.ones(5, np.float32), "a vector each"),
        (np.float32(1), "a vector each"),
    ):
        embedder = NetworkEmbedder("x", "x", lambda _, answer=answer: answer, (64, 32))
        with pytest.raises(ModelError, match=problem):
            embedder.embed(images)


@pytest.mark.parametrize(
    ("module", "given", "problem"),
    [
        (TinyNetwork().half(), (torch.zeros(1, 3, 64, 32).half(),), "float16.*expected one tensor"),
        (TinyNetwork(), (torch.zeros(4, 3, 64, 32),), "4 images at a time"),
        (PairNetwork(), (torch.zeros(1, 3, 64, 32),) * 2, "tensor.*, tensor.*expected one tensor"),
    ],
)
def test_other_onnx_signature_rejected(
    module: torch.nn.Module, given: tuple[torch.Tensor, ...], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.onnx"
    torch.onnx.export(module.eval(), given, str(path), dynamo=False)
    with pytest.raises(ModelError, match=problem):
        load_embedder(str(path), "cpu")


def test_torchreid_needs_package(tmp_path: Path) -> None:
    path = tmp_path / "model.pth.tar"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelError, match=r"needs the package torchreid|name its architecture"):
        load_embedder(str(path), "cpu")
