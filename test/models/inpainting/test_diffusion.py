"""Our loop against diffusers' own inpainting pipelines: the same seeds, latents and timesteps."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from anon_ros.config import InpaintConfig
from anon_ros.models.inpainting.diffusion import Diffusion
from anon_ros.models.inpainting.pipeline_loader import load_diffusion
from helpers.diffusion import load_tiny_diffusion, make_reference, run_denoising

CONFIG = InpaintConfig(prompt="a person", negative_prompt="blurry", dtype="float32")
CPU = torch.device("cpu")
# What each profile in config/ runs, by (scheduler, steps, beta_d).
SCHEDULES = [
    ("euler", 50, 0.6),
    ("dpm", 20, 0.6),
    ("lcm", 5, 0.6),
    ("tcd", 8, 0.75),
    ("euler", 8, 1),
]


def make_inputs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, 3, 64, 32) in -1..1 and their cells."""
    generator = torch.Generator().manual_seed(count)
    images = torch.rand(count, 3, 64, 32, generator=generator) * 2 - 1
    cells = torch.zeros(count, 1, 8, 4)
    for index in range(count):
        cells[index, :, 1 + index % 3 : 7, 1:3] = 1
    return images, cells


@pytest.mark.parametrize("chain", SCHEDULES)
@pytest.mark.parametrize("guidance", [7.0, 1.0])
@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base"])
def test_latents_equal_diffusers(
    model: str,
    guidance: float,
    chain: tuple[str, int, float],
    request: pytest.FixtureRequest,
) -> None:
    scheduler, steps, beta_d = chain
    folder = request.getfixturevalue(model)
    config = replace(CONFIG, model=str(folder), guidance_scale=guidance, scheduler=scheduler)
    config = replace(config, steps=steps, beta_d=beta_d)
    ours = load_diffusion(config, CPU)
    draw = make_reference(folder, config, ours)
    for count in (1, 3, 8):
        images, cells = make_inputs(count)
        seeds = list(range(100, 100 + count))
        with torch.inference_mode():
            expected = draw(images, cells, seeds, "latent")
        actual = run_denoising(ours, images, cells, seeds)
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max() < 1e-4
        assert (actual - ours.encode(images)).abs().max() > 0.1  # something was drawn


@pytest.mark.parametrize("chain", SCHEDULES[:3])
@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sd2"])
@pytest.mark.parametrize(("until", "num_guided"), [(1.0, 9), (0.5, 5), (0.34, 4), (0.0, 0)])
def test_guidance_ends(
    model: str,
    chain: tuple[str, int, float],
    until: float,
    num_guided: int,
    request: pytest.FixtureRequest,
) -> None:
    """As if the negative prompt were the prompt in all steps after the last guided one."""
    folder = request.getfixturevalue(model)
    scheduler, beta_d = chain[0], 0.6
    config = replace(CONFIG, model=str(folder), scheduler=scheduler, steps=15, beta_d=beta_d)
    plain = load_diffusion(config, CPU)
    changed = load_diffusion(replace(config, guidance_until=until), CPU)
    assert len(plain.noise_schedule.timesteps) == 9
    images, cells = make_inputs(3)
    sizes: list[int] = []
    changed.unet.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    drawn = run_denoising(changed, images, cells, [1, 2, 3])
    assert sizes == [6] * num_guided + [3] * (9 - num_guided)
    steps = iter(range(9))

    def drop_negative(_module: object, _inputs: object, outputs: tuple[torch.Tensor]) -> object:
        positive = outputs[0][3:]
        return None if next(steps) < num_guided else (torch.cat([positive, positive]),)

    plain.unet.register_forward_hook(drop_negative)
    expected = run_denoising(plain, images, cells, [1, 2, 3])
    assert (drawn - expected).abs().max() < 1e-4


def test_images_equal_diffusers(tiny_sdxl: Path) -> None:
    config = replace(CONFIG, model=str(tiny_sdxl))
    ours = load_diffusion(config, CPU)
    images, cells = make_inputs(3)
    with torch.inference_mode():
        expected = make_reference(tiny_sdxl, config, ours)(images, cells, [1, 2, 3], "pt")
    assert (ours.inpaint_batch(images, cells, [1, 2, 3]) - expected).abs().max() < 1e-4


def test_result_independent_of_batch(tiny_sdxl: Path) -> None:
    ours = load_diffusion(replace(CONFIG, model=str(tiny_sdxl)), CPU)
    images, cells = make_inputs(8)
    together = ours.inpaint_batch(images, cells, list(range(8)))
    for index in range(8):
        one = slice(index, index + 1)
        alone = ours.inpaint_batch(images[one], cells[one], [index])
        assert (alone - together[one]).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [("avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16), ("avx2", torch.float32)],
)
def test_auto_dtype_is_fast_one(
    tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch, capability: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    diffusion = load_tiny_diffusion(tiny_sdxl, dtype="auto")
    assert (diffusion.dtype, diffusion.unet.dtype, diffusion.vae.dtype) == (dtype,) * 3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_equals_diffusers(tiny_sdxl: Path, dtype: str) -> None:
    config = replace(CONFIG, model=str(tiny_sdxl), dtype=dtype)
    ours = load_diffusion(config, CPU)
    images, cells = make_inputs(3)
    with torch.inference_mode():
        expected = make_reference(tiny_sdxl, config, ours)(
            images, cells, [1, 2, 3], "latent"
        ).float()
    actual = run_denoising(ours, images, cells, [1, 2, 3]).float()
    assert (actual - expected).norm() < 2e-2 * expected.norm()


def test_overflowing_vae_is_bfloat16(tiny_sdxl: Path) -> None:
    diffusion = load_diffusion(replace(CONFIG, model=str(tiny_sdxl), dtype="float16"), CPU)
    assert diffusion.vae.config.force_upcast
    assert (diffusion.dtype, diffusion.vae.dtype) == (torch.float16, torch.bfloat16)


def test_full_call_is_one_part_for_vae(tiny_sdxl: Path) -> None:
    diffusion = load_diffusion(replace(CONFIG, model=str(tiny_sdxl)), CPU)
    diffusion.vae = vae = BlockMeanVae()
    for count, sizes in ((8, [8]), (9, [8, 1])):
        vae.batch_sizes.clear()
        diffusion.encode(torch.zeros(count, 3, 768, 384))
        assert vae.batch_sizes == sizes


@pytest.mark.parametrize(("model", "encodes"), [("tiny_sdxl", 2), ("tiny_sdxl_base", 1)])
def test_prompts_are_encoded_once(model: str, encodes: int, request: pytest.FixtureRequest) -> None:
    diffusion = load_diffusion(replace(CONFIG, model=str(request.getfixturevalue(model))), CPU)
    calls = []
    diffusion.vae.encoder.register_forward_hook(lambda *_: calls.append(1))
    images, cells = make_inputs(3)
    diffusion.inpaint_batch(images, cells, [1, 2, 3])
    assert len(calls) == encodes
    assert not [name for name in vars(diffusion) if "text" in name]


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base"])
def test_init_images_keep_shapes(model: str, request: pytest.FixtureRequest) -> None:
    diffusion = load_diffusion(replace(CONFIG, model=str(request.getfixturevalue(model))), CPU)
    shapes: list[torch.Size] = []
    for network in (diffusion.vae.encoder, diffusion.vae.decoder, diffusion.unet):
        network.register_forward_pre_hook(lambda _, positional: shapes.append(positional[0].shape))
    images, cells = make_inputs(3)
    diffusion.inpaint_batch(images, cells, [1, 2, 3])
    without = shapes.copy()
    shapes.clear()
    diffusion.inpaint_batch(images, cells, [1, 2, 3], -images)
    assert shapes == without


@pytest.mark.parametrize("chain", SCHEDULES)
@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base"])
def test_init_images_default_to_images(
    model: str, chain: tuple[str, int, float], request: pytest.FixtureRequest
) -> None:
    diffusion = load_on_schedule(request.getfixturevalue(model), *chain)
    images, cells = make_inputs(3)
    expected = diffusion.inpaint_batch(images, cells, [1, 2, 3])
    assert torch.equal(diffusion.inpaint_batch(images, cells, [1, 2, 3], images), expected)


def test_pure_noise_ignores_init(tiny_sdxl: Path) -> None:
    diffusion = load_on_schedule(tiny_sdxl, "euler", 8, 1)
    images, cells = make_inputs(2)
    expected = diffusion.inpaint_batch(images, cells, [1, 2])
    assert torch.equal(diffusion.inpaint_batch(images, cells, [1, 2], -images), expected)


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base"])
@pytest.mark.parametrize("beta_d", [0.05, 0.6])
@pytest.mark.parametrize("vae", ["blocks", "random"])
def test_init_image_never_shows_person(
    model: str, beta_d: float, vae: str, request: pytest.FixtureRequest
) -> None:
    diffusion = load_on_schedule(request.getfixturevalue(model), "euler", 20, beta_d)
    if vae == "blocks":
        diffusion.vae = BlockMeanVae()
    scene, cells = make_inputs(1)
    inside = expand_cells(cells).bool().expand_as(scene)
    person, other = (torch.where(inside, torch.full_like(scene, grey), scene) for grey in (-1, 1))
    start = torch.where(inside, torch.zeros_like(scene), scene)
    both = [diffusion.inpaint_batch(images, cells, [1]) for images in (person, other)]
    assert (both[0] - both[1])[inside].abs().mean() > {"blocks": 0.02, "random": 0.001}[vae]
    both = [diffusion.inpaint_batch(images, cells, [1], start) for images in (person, other)]
    assert torch.equal(*both)


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base"])
def test_low_noise_resembles_init(model: str, request: pytest.FixtureRequest) -> None:
    diffusion = load_on_schedule(request.getfixturevalue(model), "euler", 50, 0.05)
    diffusion.vae = BlockMeanVae()
    images, cells = make_inputs(3)
    starts = torch.zeros_like(images) + 0.5
    drawn = diffusion.inpaint_batch(images, cells, [1, 2, 3], starts) * 2 - 1
    inside = expand_cells(cells).bool().expand_as(images)
    to_start, to_image = ((drawn - each)[inside].abs().mean() for each in (starts, images))
    assert to_start < 0.5 * to_image


def test_outside_stays_with_4_channels(tiny_sdxl_base: Path) -> None:
    diffusion = load_on_schedule(tiny_sdxl_base, "euler", 10, 0.6)
    diffusion.vae = BlockMeanVae()
    images, cells = make_inputs(3)
    drawn = diffusion.inpaint_batch(images, cells, [1, 2, 3], torch.ones_like(images)) * 2 - 1
    kept = expand_cells(torch.nn.functional.avg_pool2d(images, 8))
    outside = ~expand_cells(cells).bool().expand_as(images)
    assert (drawn - kept)[outside].abs().max() < 1e-5


def load_on_schedule(folder: Path, scheduler: str, steps: int, beta_d: float) -> Diffusion:
    config = replace(CONFIG, model=str(folder), scheduler=scheduler, steps=steps, beta_d=beta_d)
    return load_diffusion(config, CPU)


class BlockMeanVae:
    """A VAE whose latents are the mean colours of 8 x 8 px: random weights reconstruct nothing."""

    config = SimpleNamespace(scaling_factor=1.0)
    dtype = torch.float32

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []

    def encode(self, images: torch.Tensor) -> SimpleNamespace:
        self.batch_sizes.append(len(images))
        colours = torch.nn.functional.avg_pool2d(images, 8)
        return SimpleNamespace(latents=torch.cat([colours, colours[:, :1]], dim=1))

    def decode(self, latents: torch.Tensor, *, return_dict: bool) -> tuple[torch.Tensor]:
        assert not return_dict
        return (expand_cells(latents[:, :3]),)


def expand_cells(cells: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) to (B, C, 8 h, 8 w)."""
    return torch.nn.functional.interpolate(cells, scale_factor=8)
