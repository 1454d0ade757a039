"""The order of attention's kernels, with a clock that makes up the times of a GPU."""

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend

from anon_ros.config import ComputeConfig, InpaintConfig
from anon_ros.core import Crop, InpaintFailure, RgbImage, Roi
from anon_ros.models.inpainting.attention import (
    AttentionShape,
    AttentionTimer,
    choose_backends,
    list_attention_shapes,
    make_attention_timer,
    prefer_backends,
)
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.cuda import GPU, requires_cuda
from helpers.diffusion import CPU, inpaint_random, load_tiny_diffusion
from helpers.graphs import FakeRecorder

FLASH = SDPBackend.FLASH_ATTENTION
CUDNN = SDPBackend.CUDNN_ATTENTION
EFFICIENT = SDPBackend.EFFICIENT_ATTENTION
MATH = SDPBackend.MATH
IMAGE = AttentionShape(8, 10, 1024, 1024, 64, layers=2)
PROMPT = AttentionShape(8, 10, 1024, 77, 64, layers=2)
DEEP = AttentionShape(8, 20, 256, 256, 64, layers=10)


def make_timer(times: dict[SDPBackend | None, float]) -> AttentionTimer:
    """Return a timer of such seconds; a kernel without any cannot do it."""

    def measure(backend: SDPBackend | None, _shape: AttentionShape) -> float:
        if backend not in times:
            message = "No available kernel.\nAborting execution."
            raise RuntimeError(message)
        return times[backend]

    return measure


@pytest.mark.parametrize(
    ("times", "order"),
    [
        ({None: 3.0, FLASH: 3.0, CUDNN: 2.0, EFFICIENT: 6.0}, [CUDNN, FLASH, EFFICIENT, MATH]),
        ({None: 3.0, FLASH: 2.0, CUDNN: 3.0, EFFICIENT: 6.0}, [FLASH, CUDNN, EFFICIENT, MATH]),
        ({None: 2.0, FLASH: 2.0, EFFICIENT: 1.0}, [EFFICIENT, FLASH, MATH]),
        # An H200 with a slow host, that timed launches: flash was chosen, and cuDNN is faster.
        ({None: 0.80, FLASH: 0.75, CUDNN: 0.83, EFFICIENT: 0.92}, None),
        ({None: 1.0}, None),
        ({FLASH: 1.0}, None),
    ],
)
def test_fastest_first_if_faster_than_own_choice(
    times: dict[SDPBackend | None, float], order: list[SDPBackend] | None
) -> None:
    assert choose_backends([IMAGE, PROMPT], make_timer(times)) == order


def test_layers_count(caplog: pytest.LogCaptureFixture) -> None:
    """Ten layers of the deep level outweigh two of the other."""
    on_image = {None: 1.0, FLASH: 1.0, CUDNN: 2.0}
    in_depth = {None: 2.0, FLASH: 1.0, CUDNN: 0.7}

    def measure(backend: SDPBackend | None, shape: AttentionShape) -> float:
        if backend is EFFICIENT:
            message = "no\nkernel"
            raise RuntimeError(message)
        return (on_image if shape is IMAGE else in_depth)[backend] / 1000

    with caplog.at_level(logging.INFO):
        assert choose_backends([IMAGE, DEEP], measure) == [CUDNN, FLASH, MATH]
    assert caplog.messages == [
        "attention: not EFFICIENT_ATTENTION: no kernel",
        (
            "attention: torch's own choice 22.00 ms, "
            "CUDNN_ATTENTION 11.00 ms, FLASH_ATTENTION 12.00 ms"
        ),
        "attention: CUDNN_ATTENTION first",
    ]


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sd2"])
def test_shapes_are_those_of_unet(
    model: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    diffusion = load_tiny_diffusion(request.getfixturevalue(model), steps=4)
    listed = list_attention_shapes(diffusion.unet.config, (16, 4), 6)
    called = set()
    attend = torch.nn.functional.scaled_dot_product_attention

    def note(query: torch.Tensor, key: torch.Tensor, *args: object, **named: object) -> object:
        called.add((*query.shape[:3], key.shape[2], query.shape[3]))
        return attend(query, key, *args, **named)  # type: ignore[arg-type]

    diffusion.vae = None  # its attention is another
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", note)
    diffusion.denoise(
        torch.zeros(3, 4, 16, 4), torch.zeros(3, 4, 16, 4), torch.ones(3, 1, 16, 4), [1, 2, 3]
    )
    sizes = {(s.count, s.heads, s.queries, s.keys, s.head_dim) for s in listed}
    assert sizes <= called
    assert {size[3] for size in called - sizes} <= {1, 2, 4, 77}  # the middle of the UNet


def test_layers_of_a_level_may_differ() -> None:
    config = SimpleNamespace(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        block_out_channels=(32, 64, 64),
        attention_head_dim=4,
        layers_per_block=(2, 2, 3),
        transformer_layers_per_block=(0, (2, 5), 4),
    )
    shapes = list_attention_shapes(config, (16, 16), 1)
    assert [shape.layers for shape in shapes] == [7, 7, 12, 12]


def test_torch_without_priority_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def sdpa_kernel(backends: object) -> None: ...

    gpu = torch.device("cuda")
    monkeypatch.setattr("anon_ros.models.inpainting.attention.sdpa_kernel", sdpa_kernel)
    assert make_attention_timer(gpu, torch.float32) is None


def read_order() -> list[int]:
    return list(torch._C._get_sdp_priority_order())  # noqa: SLF001


def test_order_holds_within_unet_alone(tiny_sdxl: Path) -> None:
    diffusion = load_tiny_diffusion(tiny_sdxl, steps=4)
    own, expected = read_order(), inpaint_random(diffusion)
    orders: list[list[int]] = []
    undo_first = prefer_backends(diffusion.unet, [FLASH, MATH])
    undo = prefer_backends(diffusion.unet, [CUDNN, FLASH, MATH])  # the later one counts
    fails = False

    def note(*_: object) -> None:
        orders.append(read_order()[:3])
        if fails:
            message = "cuDNN error"
            raise RuntimeError(message)

    diffusion.unet.conv_in.register_forward_pre_hook(note)
    assert (inpaint_random(diffusion) - expected).abs().max() < 1e-4
    assert orders == [[CUDNN.value, FLASH.value, MATH.value]] * len(orders)
    assert read_order() == own
    fails = True
    with pytest.raises(RuntimeError, match="cuDNN"):
        inpaint_random(diffusion)
    assert read_order() == own
    fails = False
    for function in (undo_first, undo):
        function()
    inpaint_random(diffusion)
    assert orders[-1] == own[:3]


@pytest.mark.parametrize("compile_mode", ["off", "graphs"])
def test_failing_kernel_is_dropped(compile_mode: str, tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    """A kernel that was fastest at the first size, and fails at another, covers nobody."""
    diffusion = load_tiny_diffusion(tiny_sdxl, steps=4)
    unet, own = diffusion.unet, read_order()
    timer = make_timer({None: 3.0, FLASH: 3.0, CUDNN: 2.0})
    compute = ComputeConfig(device="cpu", batch_size=2, compile_mode=compile_mode)
    config = InpaintConfig(generate_px=64, steps=4)
    inpainter = DiffusionInpainter(diffusion, config, compute, FakeRecorder(), timer)

    def fail(_: object, inputs: tuple[torch.Tensor]) -> None:
        if read_order()[0] == CUDNN.value and inputs[0].shape[-1] < 8:
            message = "No execution plans support the graph."
            raise RuntimeError(message)

    unet.conv_in.register_forward_pre_hook(fail)
    for height_px, width_px, count in ((64, 64, 1), (64, 32, 2), (64, 32, 2)):
        pixels = np.ascontiguousarray(bus_rgb[400 : 400 + height_px, 60 : 60 + width_px])
        mask = np.ones(pixels.shape[:2], np.bool_)
        roi = Roi(60, 400, 60 + width_px, 400 + height_px)
        crops = [Crop(pixels, mask, mask, roi, seed) for seed in range(count)]
        assert not any(isinstance(r, InpaintFailure) for r in inpainter.inpaint(crops))
        inpainter.run_idle_work()
    assert list(inpainter.fallbacks.values()) == [1]
    assert "No execution plans" in next(iter(inpainter.fallbacks))
    assert read_order() == own


@requires_cuda
def test_times_rise_with_work() -> None:
    measure = make_attention_timer(GPU, torch.float16)
    assert measure is not None
    small, large = (AttentionShape(4, 8, tokens, tokens, 64, layers=1) for tokens in (64, 2048))
    for backend in (None, MATH):
        assert 0 < measure(backend, small) < measure(backend, large)


def test_cpu_measures_nothing() -> None:
    assert make_attention_timer(CPU, torch.float32) is None
