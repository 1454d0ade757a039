"""Losses and gradients: the same whether they are recorded as graphs or not."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.cuda import GPU, requires_cuda
from helpers.graphs import FakeRecorder
from training.crops import CropBatch, CropMaker
from training.gradients import GradientStep, choose_recorder
from training.networks import make_unet, make_vae
from training.random_values import RandomValues
from training.unet_training import compute_loss, draw_noise, make_alphas

_SIZES = ((64, 32), (32, 64), (64, 32))


def make_step(unet: Any, vae: Any, device: torch.device, recorder: Any) -> GradientStep:
    optimizer = torch.optim.SGD(unet.parameters())
    return GradientStep(partial(compute_loss, unet, vae, make_alphas(device)), optimizer, recorder)


def list_gradients(unet: Any) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in unet.parameters()]


def list_inputs(batch: CropBatch, random: RandomValues) -> tuple[torch.Tensor, ...]:
    return batch.images, batch.cells, *draw_noise(batch, random)


def test_recorded_steps_give_the_same(crop_maker: CropMaker, random: RandomValues) -> None:
    """A step has its own gradients alone, whatever size came before."""
    torch.manual_seed(0)
    vae, unet = make_vae().eval().requires_grad_(False), make_unet()
    other, recorder = copy.deepcopy(unet), FakeRecorder()
    plain = make_step(unet, vae, random.device, None)
    recorded = make_step(other, vae, random.device, recorder)
    for size in _SIZES:
        inputs = list_inputs(crop_maker.make_batch(2, *size), random)
        assert recorded(*inputs).item() == pytest.approx(plain(*inputs).item(), rel=1e-3)
        for gradient, expected in zip(list_gradients(other), list_gradients(unet), strict=True):
            assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-5)
    assert [graph.num_replays for graph in recorder.graphs] == [2, 1]


@pytest.mark.parametrize("num_recorded", [0, 1])
def test_goes_on_when_recording_fails(
    crop_maker: CropMaker,
    random: RandomValues,
    num_recorded: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sizes that were recorded before are replayed still."""
    vae, unet = make_vae().eval().requires_grad_(False), make_unet()
    other, recorder = copy.deepcopy(unet), FakeRecorder()
    step = make_step(unet, vae, random.device, recorder)
    plain = make_step(other, vae, random.device, None)
    for index, size in enumerate(_SIZES):
        if index == num_recorded:
            recorder.error = RuntimeError("no\nmemory")
        inputs = list_inputs(crop_maker.make_batch(2, *size), random)
        assert step(*inputs).item() == pytest.approx(plain(*inputs).item(), rel=1e-3)
        for gradient, expected in zip(list_gradients(unet), list_gradients(other), strict=True):
            assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-5)
    assert capsys.readouterr().out == "no CUDA graphs: no memory\n"
    assert [graph.num_replays for graph in recorder.graphs] == [2] * num_recorded


class _Waits(TorchDispatchMode):
    """Lists operations that would let the host wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        del types
        if str(function.overloadpacket) in {
            "aten._local_scalar_dense",  # reads a number
            "aten.lift_fresh",  # copies Python's numbers
            "aten.nonzero",
        }:
            self.found.append(str(function))
        return function(*args, **(kwargs or {}))


def test_nothing_waits_for_the_device(crop_maker: CropMaker, random: RandomValues) -> None:
    crop_maker.make_batch(4, 64, 32)  # constants are copied once
    for _ in range(8):  # not all batches lose pixels
        with _Waits() as waits:
            inputs = list_inputs(crop_maker.make_batch(4, 64, 32), random)
        assert waits.found == []
    vae, unet = make_vae().requires_grad_(False), make_unet()
    alphas = make_alphas(random.device)
    with _Waits() as waits:
        compute_loss(unet, vae, alphas, *inputs).backward()
    assert waits.found == []
    with _Waits() as waits:
        random.uniform(0, 1, 1).item()
    assert waits.found != []


@requires_cuda
def test_graph_gives_the_same(
    figures: torch.Tensor, streets: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    random = RandomValues.seed(0, GPU)
    crops = CropMaker(figures.to(GPU), streets.to(GPU), random)
    vae, unet = make_vae().to(GPU).eval().requires_grad_(False), make_unet().to(GPU)
    other = copy.deepcopy(unet)
    plain = make_step(unet, vae, GPU, None)
    recorded = make_step(other, vae, GPU, choose_recorder(GPU))
    for size in _SIZES:
        inputs = list_inputs(crops.make_batch(8, *size), random)
        assert recorded(*inputs).item() == pytest.approx(plain(*inputs).item(), rel=2e-2)
        ours = torch.cat([gradient.flatten() for gradient in list_gradients(other)])
        expected = torch.cat([gradient.flatten() for gradient in list_gradients(unet)])
        assert (ours - expected).norm() < 0.05 * expected.norm()
    assert capsys.readouterr().out == ""  # no recording failed
