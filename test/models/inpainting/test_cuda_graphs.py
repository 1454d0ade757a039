"""A UNet behind graphs: what a GPU would do, with graphs that run the recorded function anew."""

import gc
import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from anon_ros.config import ComputeConfig, InpaintConfig, SkipConfig, Style
from anon_ros.core import Crop, InpaintFailure, RgbImage, Roi
from anon_ros.live import InferenceWorker, Mailbox, QueuedFrame
from anon_ros.models.inpainting import acceleration
from anon_ros.models.inpainting.acceleration import compile_blocks, graph_unet
from anon_ros.models.inpainting.buckets import Buckets
from anon_ros.models.inpainting.cuda_graphs import CudaGraphRecorder, GraphedUnet
from anon_ros.models.inpainting.diffusion import Diffusion, Prompt
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from anon_ros.models.inpainting.pipeline_loader import load_diffusion
from anon_ros.models.inpainting.tiers import TieredInpainter
from helpers.cuda import GPU, requires_cuda
from helpers.diffusion import load_tiny_diffusion
from helpers.graphs import FakeRecorder

SIDE_PX = 64


class LinearUnet:
    """Stand-in for a UNet that notes the addresses of its inputs."""

    config = SimpleNamespace(in_channels=4)

    def __init__(self) -> None:
        self.addresses: list[tuple[int, ...]] = []

    def __call__(self, **named: Any) -> tuple[torch.Tensor]:
        assert named.pop("return_dict") is False
        sample, timestep, tokens, added = (
            named[name]
            for name in ("sample", "timestep", "encoder_hidden_states", "added_cond_kwargs")
        )
        tensors = [sample, timestep, tokens, *(added or {}).values()]
        self.addresses.append(tuple(tensor.data_ptr() for tensor in tensors))
        extra = sum(tensor.sum() for tensor in (added or {}).values())
        return (sample * 2 + timestep + tokens.sum() + extra,)


def make_inputs(value: float, count: int = 1, *, is_xl: bool = True) -> dict[str, Any]:
    value = float(value)
    added = {"text_embeds": torch.full((count, 2), value), "time_ids": torch.full((count, 3), 1.0)}
    return {
        "sample": torch.full((count, 4, 2, 2), value),
        "timestep": torch.tensor(int(value)),
        "encoder_hidden_states": torch.full((count, 5, 2), value),
    } | ({"added_cond_kwargs": added} if is_xl else {})


def call(unet: GraphedUnet, inputs: dict[str, Any]) -> torch.Tensor:
    inputs = {"added_cond_kwargs": None} | inputs | {"return_dict": False}
    return unet(inputs.pop("sample"), inputs.pop("timestep"), **inputs)[0]


def call_plainly(inputs: dict[str, Any]) -> torch.Tensor:
    return LinearUnet()(**({"added_cond_kwargs": None} | inputs | {"return_dict": False}))[0]


@pytest.mark.parametrize("is_xl", [True, False])
def test_addresses_stay(*, is_xl: bool) -> None:
    unet, recorder = LinearUnet(), FakeRecorder()
    graphed = GraphedUnet(unet, recorder)
    for count in (1, 2):
        call(graphed, make_inputs(1, count, is_xl=is_xl))
    graphed.record_waiting()
    recorded, outputs = unet.addresses[2:], [graph.output.data_ptr() for graph in recorder.graphs]
    unet.addresses.clear()
    for value in (2, 3):
        for count in (1, 2):
            inputs = make_inputs(value, count, is_xl=is_xl)
            assert torch.equal(call(graphed, inputs), call_plainly(inputs))
    assert unet.addresses == recorded * 2
    assert [graph.output.data_ptr() for graph in recorder.graphs] == outputs
    assert [graph.num_replays for graph in recorder.graphs] == [2, 2]


def test_buffers_are_copied() -> None:
    """Neither the caller's tensors nor a result change with a later call."""
    recorder = FakeRecorder()
    graphed = GraphedUnet(LinearUnet(), recorder)
    first = make_inputs(1)
    call(graphed, first)
    first["sample"].fill_(torch.nan)
    graphed.record_waiting()
    inputs = make_inputs(2)
    result = call(graphed, inputs)
    expected = result.clone()
    call(graphed, make_inputs(3))
    assert torch.equal(result, expected)
    assert first["sample"].isnan().all()
    assert torch.equal(inputs["sample"], make_inputs(2)["sample"])
    assert result.data_ptr() != recorder.graphs[0].output.data_ptr()


def test_reuse_after_release_refused() -> None:
    unet = LinearUnet()
    gone = weakref.ref(unet)
    graphed = GraphedUnet(unet, FakeRecorder())
    for _ in range(2):
        call(graphed, make_inputs(1))
        graphed.record_waiting()
    del unet
    graphed.release()
    gc.collect()
    assert gone() is None
    with pytest.raises(RuntimeError, match="released"):
        call(graphed, make_inputs(1))
    graphed.record_waiting()
    assert not graphed.has_graphs


def test_recorded_after_first_call_only() -> None:
    recorder = FakeRecorder()
    graphed = GraphedUnet(LinearUnet(), recorder)
    for _ in range(3):
        call(graphed, make_inputs(1))
        assert not graphed.has_replayed
    assert not recorder.graphs
    graphed.record_waiting()
    graphed.record_waiting()
    assert len(recorder.graphs) == 1
    call(graphed, make_inputs(1))
    assert graphed.has_replayed
    # Another type of the same size is another graph. Of a chain that replayed some of its calls
    # the memory says nothing about a person's.
    other = make_inputs(1) | {"timestep": torch.tensor(1.0)}
    call(graphed, other)
    assert graphed.has_replayed
    graphed.has_replayed = False
    call(graphed, other)
    assert not graphed.has_replayed


def test_failed_recording_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    recorder = FakeRecorder()
    graphed = GraphedUnet(LinearUnet(), recorder)
    call(graphed, make_inputs(1))
    graphed.record_waiting()
    call(graphed, make_inputs(1, count=2))
    recorder.error = RuntimeError("operation not permitted\nwhen stream is capturing")
    caplog.clear()  # whatever the level was before
    with caplog.at_level(logging.WARNING):
        graphed.record_waiting()
    assert caplog.messages == [
        "no CUDA graphs until the next start: operation not permitted when stream is capturing"
    ]
    for count in (1, 2):
        inputs = make_inputs(2, count)
        assert torch.equal(call(graphed, inputs), call_plainly(inputs))
        assert not graphed.has_replayed
    graphed.record_waiting()
    assert not graphed.is_recording
    assert len(caplog.messages) == 1


@pytest.fixture
def _clean_dynamo() -> Iterator[None]:
    dynamo: Any = torch._dynamo  # noqa: SLF001 - its only home
    dynamo.reset()
    dynamo.utils.counters.clear()
    yield
    dynamo.reset()


def count_graphs() -> int:
    """Return the number of graphs that torch.compile made."""
    counters = torch._dynamo.utils.counters  # noqa: SLF001
    assert not counters["graph_break"]
    return int(counters["stats"]["unique_graphs"])


def draw(diffusion: Diffusion, height_px: int, width_px: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    images = torch.rand(count, 3, height_px, width_px, generator=generator) * 2 - 1
    cells = torch.zeros(count, 1, height_px // 8, width_px // 8)
    cells[:, :, 1:] = 1
    images, cells = images.to(diffusion.device), cells.to(diffusion.device)
    return diffusion.inpaint_batch(images, cells, list(range(count)))


@pytest.mark.usefixtures("_clean_dynamo")
@pytest.mark.parametrize(
    ("model", "guidance_scale", "compile_mode", "every"),
    [
        ("tiny_sdxl", 1.0, "blocks", 1),
        ("tiny_sdxl_base", 1.5, "graphs", 5),
        ("tiny_sd2", 1.5, "graphs", 5),
    ],
)
def test_every_size_draws_same_picture(
    model: str,
    guidance_scale: float,
    compile_mode: str,
    every: int,
    tiny_vae: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Of every bucket and batch: at the first call, when recorded, and with another prompt."""
    folder: Path = request.getfixturevalue(model)
    plain, changed = (
        load_tiny_diffusion(folder, vae=str(tiny_vae), guidance_scale=guidance_scale, steps=3)
        for _ in range(2)
    )
    recorder = FakeRecorder()
    changed.unet = graph_unet(changed.unet, compile_mode, recorder)
    sizes = [
        (bucket.height_px, bucket.width_px, count)
        for bucket in Buckets(SIDE_PX, square=False)
        for count in (1, 2, 4)
    ][::every]
    expected = {size: draw(plain, *size) for size in sizes}
    for _ in range(2):
        for size in sizes:
            assert (draw(changed, *size) - expected[size]).abs().max() < 1e-4
        changed.unet.record_waiting()
    assert len(recorder.graphs) == len(sizes)
    plain.prompt = changed.prompt = Prompt(
        plain.prompt.tokens * 0.5, None if plain.prompt.pooled is None else plain.prompt.pooled * 2
    )
    for size in sizes[::4]:
        assert (draw(changed, *size) - draw(plain, *size)).abs().max() < 1e-4
        assert changed.unet.has_replayed
    assert len(recorder.graphs) == len(sizes)


@requires_cuda
def test_recorded_call_equals_plain_call(tiny_sdxl: Path) -> None:
    """Of sizes whose graphs share their memory, in turns."""
    config = InpaintConfig(model=str(tiny_sdxl), steps=4, dtype="float32")
    diffusion = load_diffusion(config, GPU)
    sizes = [(64, 64, 1), (64, 32, 2), (32, 32, 4)]
    expected = [draw(diffusion, *size) for size in sizes]
    diffusion.unet = graphed = GraphedUnet(diffusion.unet, CudaGraphRecorder(GPU))
    for size in sizes:
        draw(diffusion, *size)
    graphed.record_waiting()
    assert graphed.is_recording  # nothing failed
    for _ in range(2):
        for size, plain in zip(sizes, expected, strict=True):
            graphed.has_replayed = False
            # Float32 in TF32, whose algorithms may differ.
            assert (draw(diffusion, *size) - plain).abs().max() < 1e-2
            assert graphed.has_replayed


CONFIG = InpaintConfig(generate_px=SIDE_PX, steps=4, prompt="a person", negative_prompt="blurry")


def make_inpainter(
    diffusion: Diffusion,
    recorder: FakeRecorder,
    compile_mode: str = "blocks",
    batch_size: int = 8,
) -> DiffusionInpainter:
    compute = ComputeConfig(device="cpu", batch_size=batch_size, compile_mode=compile_mode)
    return DiffusionInpainter(diffusion, CONFIG, compute, recorder)


def make_crops(image: RgbImage, height_px: int, width_px: int, count: int) -> list[Crop]:
    pixels = np.ascontiguousarray(image[400 : 400 + height_px, 60 : 60 + width_px])
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[height_px // 4 : -height_px // 4, width_px // 4 : -width_px // 4] = True
    roi = Roi(60, 400, 60 + width_px, 400 + height_px)
    return [Crop(pixels, mask, mask, roi, seed) for seed in range(count)]


@pytest.mark.usefixtures("_clean_dynamo")
@pytest.mark.parametrize("guidance", [{"guidance_scale": 1.0}, {"guidance_until": 0.5}])
def test_nothing_compiled_after_warm_up(
    guidance: dict[str, float], tiny_sdxl: Path, tiny_vae: Path, bus_rgb: RgbImage
) -> None:
    recorder = FakeRecorder()
    # With guidance throughout there is no batch of one image, which torch compiles by itself.
    diffusion = load_tiny_diffusion(tiny_sdxl, vae=str(tiny_vae), steps=4, **guidance)
    inpainter = make_inpainter(diffusion, recorder)
    compiled = count_graphs()
    assert compiled > 0
    warm_up = 2 if "guidance_scale" in guidance else 3  # images: 1 and 2, or 1, 2 and 4
    assert len(recorder.graphs) == warm_up
    assert len(inpainter.noise_schedule.timesteps) > 1
    buckets = list(Buckets(SIDE_PX, square=False))[1::2]
    for bucket in buckets:
        for count in (1, 2, 3, 7):  # three are filled up to four, seven to eight
            inpainter.inpaint(make_crops(bus_rgb, bucket.height_px, bucket.width_px, count))
    inpainter.run_idle_work()
    sizes = {1, 2, 4, 8} if "guidance_scale" in guidance else {1, 2, 4, 8, 16}
    assert len(recorder.graphs) == warm_up + len(sizes) * len(buckets)
    assert count_graphs() == compiled


def test_recorded_between_frames(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    """At the latest before the next frame; a frame itself records nothing."""
    recorder = FakeRecorder()
    inpainter = make_inpainter(load_tiny_diffusion(tiny_sdxl, steps=4), recorder, "graphs")
    both = TieredInpainter(inpainter, inpainter)
    crops = make_crops(bus_rgb, 64, 32, 1)
    first = inpainter.inpaint(crops)
    assert not recorder.graphs
    both.run_idle_work()
    assert len(recorder.graphs) == 1
    second = inpainter.inpaint(crops)
    assert recorder.graphs[0].num_replays == len(inpainter.noise_schedule.timesteps)
    for drawn, wanted in zip(second, first, strict=True):
        assert isinstance(drawn, np.ndarray)
        assert isinstance(wanted, np.ndarray)
        assert np.array_equal(drawn, wanted)
    inpainter.inpaint(make_crops(bus_rgb, 64, 64, 1))
    inpainter.inpaint(crops)
    assert len(recorder.graphs) == 2
    both.release()
    with pytest.raises(RuntimeError, match="released"):
        inpainter.inpaint(crops)


def test_styles_share_a_graph(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    """Prompt and number of steps are no size: what is recorded for persons serves targets."""
    diffusion = load_tiny_diffusion(tiny_sdxl, steps=4)
    tokens, pooled = diffusion.prompt.tokens * 0.5, diffusion.prompt.pooled
    schedule, bus = diffusion.noise_schedule, Style("a bus", "", 0.3)
    few = replace(schedule, timesteps=schedule.timesteps[1:])
    diffusion.styles[bus] = Prompt(tokens, pooled), few
    recorder = FakeRecorder()
    inpainter = make_inpainter(diffusion, recorder, "graphs")
    (person,) = make_crops(bus_rgb, 64, 32, 1)
    crops = [person, replace(person, style=bus)]
    first = inpainter.inpaint(crops)
    assert not np.array_equal(*first)
    inpainter.run_idle_work()
    for drawn, wanted in zip(inpainter.inpaint(crops), first, strict=True):
        assert np.array_equal(drawn, wanted)
    assert len(recorder.graphs) == 1
    assert recorder.graphs[0].num_replays == len(schedule.timesteps) + len(few.timesteps)


def test_memory_learned_from_first_call(
    tiny_sdxl: Path, bus_rgb: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay takes no memory, so it says nothing about the next size."""
    inpainter = make_inpainter(load_tiny_diffusion(tiny_sdxl, steps=4), FakeRecorder(), "graphs")
    learned: list[int] = []
    monkeypatch.setattr(
        inpainter._batch_sizer,  # noqa: SLF001 - measured on a GPU alone
        "record_success",
        lambda _bucket, count, _bytes: learned.append(count),
    )
    for count in (1, 1, 2, 2):
        inpainter.inpaint(make_crops(bus_rgb, 64, 32, count))
    assert learned == [1, 2]


def test_out_of_memory_drops_graphs(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    diffusion = load_tiny_diffusion(tiny_sdxl, steps=4)
    unet, recorder = diffusion.unet, FakeRecorder()
    inpainter = make_inpainter(diffusion, recorder, "graphs")
    crops = make_crops(bus_rgb, 64, 32, 1)
    inpainter.inpaint(crops)
    inpainter.run_idle_work()
    graphed = diffusion.unet

    def fail(*_: object) -> None:
        if graphed.has_graphs:  # they hold the memory
            raise torch.cuda.OutOfMemoryError

    unet.register_forward_pre_hook(fail, with_kwargs=True)
    for _ in range(2):
        (drawn,) = inpainter.inpaint(make_crops(bus_rgb, 64, 64, 1))
        assert not isinstance(drawn, InpaintFailure)
    assert inpainter.fallbacks == {
        "out of GPU memory for CUDA graphs: uncompiled from now on": 1,
    }
    assert len(recorder.graphs) == 1


@dataclass
class InpaintingProcessor:
    """A BatchProcessor that draws a crop with an inpainter that it makes when it loads."""

    make_inpainter: Callable[[], DiffusionInpainter]
    crops: Sequence[Crop]
    results: list[object] = field(default_factory=list)
    max_batch: int = 1
    inpainter: DiffusionInpainter | None = None

    def load(self) -> None:
        self.inpainter = self.make_inpainter()

    def process(self, frames: Sequence[QueuedFrame[int]]) -> list[Exception | None]:
        assert self.inpainter is not None
        self.results += self.inpainter.inpaint(self.crops)
        self.inpainter.run_idle_work()
        return [None] * len(frames)

    def close(self) -> None:
        if self.inpainter is not None:
            self.inpainter.release()
        self.inpainter = None


@pytest.mark.usefixtures("_clean_dynamo")
def test_worker_restarts_ten_times(
    tiny_sdxl: Path, bus_rgb: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time in a new thread, as the node's lifecycle does; nothing of it is left."""
    # A part of a block, which is compiled ten times faster.
    monkeypatch.setattr(acceleration, "compile_blocks", partial(compile_blocks, kind="GEGLU"))
    loaded = load_tiny_diffusion(tiny_sdxl, steps=4, guidance_scale=1.0)
    crops = make_crops(bus_rgb, 64, 32, 1)
    (expected,) = make_inpainter(deepcopy(loaded), FakeRecorder(), "off").inpaint(crops)
    unets: list[weakref.ref[Any]] = []
    compiled: list[int] = []

    def make() -> DiffusionInpainter:
        diffusion, recorder = deepcopy(loaded), FakeRecorder()
        unets.append(weakref.ref(diffusion.unet))
        torch._dynamo.utils.counters.clear()  # noqa: SLF001 - its only home
        inpainter = make_inpainter(diffusion, recorder, batch_size=1)
        compiled.append(count_graphs())
        return inpainter

    for _ in range(10):
        box: Mailbox[int] = Mailbox(SkipConfig())
        processor = InpaintingProcessor(make, crops)
        worker = InferenceWorker(box, processor, lambda *_: None)
        worker.start()
        assert worker.ready.wait(60)
        for frame in range(2):
            box.put("camera", frame)
            while box.counts()["camera"].waiting:
                worker.finished.wait(0.005)
        assert worker.stop(60)
        assert worker.error is None
        assert box.counts()["camera"].processed == len(processor.results) == 2
        for drawn in processor.results:
            assert isinstance(drawn, np.ndarray)
            assert isinstance(expected, np.ndarray)
            assert np.array_equal(drawn, expected)
    gc.collect()
    assert [unet() for unet in unets] == [None] * 10
    assert compiled == [max(compiled[0], 1)] * 10
