import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anon_ros.config import ComputeConfig, InpaintConfig, Style
from anon_ros.core import Crop, InpaintFailure, RgbImage, Roi
from anon_ros.errors import ModelError
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.diffusion import CONFIG


def load_inpainter(
    folder: Path, batch_size: int = 0, styles: Sequence[Style] = (), **options: Any
) -> DiffusionInpainter:
    config = replace(CONFIG, model=str(folder), generate_px=64, **options)
    compute = ComputeConfig(device="cpu", batch_size=batch_size)
    return DiffusionInpainter.load(config, compute, styles)


def make_crop(image: RgbImage, side_px: int = 90, seed: int = 1) -> Crop:
    square = np.ascontiguousarray(image[400 : 400 + side_px, 60 : 60 + side_px])
    mask = np.zeros((side_px, side_px), np.bool_)
    mask[side_px // 4 : -side_px // 4, side_px // 3 : -side_px // 3] = True
    return Crop(square, mask, mask, Roi(60, 400, 60 + side_px, 400 + side_px), seed)


def get_unet(inpainter: DiffusionInpainter) -> torch.nn.Module:
    unet = inpainter.diffusion.unet
    assert isinstance(unet, torch.nn.Module)
    return unet


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_each_pipeline_type_inpaints(
    model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage
) -> None:
    crop = make_crop(bus_rgb)
    (drawn,) = load_inpainter(request.getfixturevalue(model)).inpaint([crop])
    assert drawn.shape == crop.image.shape
    assert drawn.dtype == np.uint8
    assert (drawn[crop.mask] != crop.image[crop.mask]).mean() > 0.9


@pytest.mark.parametrize(("beta_d", "calls"), [(0.6, 30), (0.3, 15), (1.0, 50)])
@pytest.mark.parametrize("guidance", [7.0, 1.0])
def test_steps_times_beta_d_are_run(
    tiny_sdxl: Path, bus_rgb: RgbImage, beta_d: float, calls: int, guidance: float
) -> None:
    inpainter = load_inpainter(tiny_sdxl, steps=50, beta_d=beta_d, guidance_scale=guidance)
    timesteps: list[float] = []
    get_unet(inpainter).register_forward_pre_hook(
        lambda _, positional: timesteps.append(float(positional[1]))
    )
    inpainter.inpaint([make_crop(bus_rgb)])
    assert len(timesteps) == calls
    assert abs(timesteps[0] / 1000 - beta_d) <= 0.02


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_more_noise_changes_more(
    model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage
) -> None:
    crop = make_crop(bus_rgb)
    folder = request.getfixturevalue(model)
    # Against the same pipeline with hardly any noise: a random VAE changes all pixels by itself.
    base, little, much = (
        load_inpainter(folder, steps=20, beta_d=beta_d).inpaint([crop])[0].astype(int)
        for beta_d in (0.05, 0.3, 0.6)
    )
    assert np.abs(much - base)[crop.mask].mean() > np.abs(little - base)[crop.mask].mean() > 0


def test_seed_gives_same_bytes(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load_inpainter(tiny_sdxl)
    crop, other = make_crop(bus_rgb, seed=5), make_crop(bus_rgb, side_px=70, seed=6)
    alone = inpaint_all(inpainter, [crop])[0]
    assert np.array_equal(alone, inpaint_all(inpainter, [other, crop])[1])
    assert not np.array_equal(alone, inpaint_all(inpainter, [replace(crop, seed=7)])[0])


def test_batching_changes_rounding(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    crops = [make_crop(bus_rgb, side_px=60 + 5 * index, seed=index) for index in range(5)]
    batched, alone = (
        load_inpainter(tiny_sdxl, batch_size=8),
        load_inpainter(tiny_sdxl, batch_size=1),
    )
    sizes = record_batch_sizes(batched)
    pairs = zip(inpaint_all(batched, crops), inpaint_all(alone, crops), strict=True)
    assert max(int(np.abs(one.astype(int) - two).max()) for one, two in pairs) <= 1
    assert set(sizes) == {5}


def record_batch_sizes(inpainter: DiffusionInpainter) -> list[int]:
    """Filled with the number of persons of each call of the network, two images each."""
    sizes: list[int] = []
    get_unet(inpainter).register_forward_pre_hook(
        lambda _, positional: sizes.append(len(positional[0]) // 2)
    )
    return sizes


def inpaint_all(inpainter: DiffusionInpainter, crops: list[Crop]) -> list[RgbImage]:
    answers = inpainter.inpaint(crops)
    assert not [answer for answer in answers if isinstance(answer, InpaintFailure)]
    return [answer for answer in answers if not isinstance(answer, InpaintFailure)]


def run_out_of_memory(inpainter: DiffusionInpainter, allowed: Callable[[int, int], bool]) -> None:
    """Let the network fail for more persons, or larger latents, than allowed."""

    def fail(_: object, positional: tuple[torch.Tensor, ...]) -> None:
        if not allowed(len(positional[0]) // 2, positional[0].shape[-2]):
            raise torch.cuda.OutOfMemoryError

    get_unet(inpainter).register_forward_pre_hook(fail)


def make_tall_crops(image: RgbImage, count: int) -> list[Crop]:
    pixels = np.ascontiguousarray(image[400:500, 60:110])
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[20:80, 15:35] = True
    roi = Roi(60, 400, 110, 500)
    return [Crop(pixels, mask, mask, roi, seed) for seed in range(count)]


def test_out_of_memory_halves_batch(
    tiny_sdxl: Path, bus_rgb: RgbImage, caplog: pytest.LogCaptureFixture
) -> None:
    crops = make_tall_crops(bus_rgb, 5)
    expected = inpaint_all(load_inpainter(tiny_sdxl, batch_size=8), crops)
    inpainter = load_inpainter(tiny_sdxl, batch_size=8)
    run_out_of_memory(inpainter, lambda count, _: count <= 2)
    for drawn, wanted in zip(inpaint_all(inpainter, crops), expected, strict=True):
        assert np.abs(drawn.astype(int) - wanted).max() <= 1
    assert inpainter.fallbacks == {
        "out of GPU memory for 5 persons at 32x64 px: 2 at once": 1,
        "out of GPU memory for 3 persons at 32x64 px: 1 at once": 1,
    }
    inpainter.inpaint(crops)
    assert caplog.text.count("for 5 persons") == 1
    assert inpainter.fallbacks["out of GPU memory for 5 persons at 32x64 px: 2 at once"] == 2


def test_out_of_memory_shrinks_crop(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load_inpainter(tiny_sdxl, batch_size=8)
    run_out_of_memory(inpainter, lambda _, height: height <= 4)
    (drawn,) = inpaint_all(inpainter, make_tall_crops(bus_rgb, 1))
    assert drawn.shape == (100, 50, 3)
    assert inpainter.fallbacks == {
        "out of GPU memory at 32x64 px: 24x48 px": 1,
        "out of GPU memory at 24x48 px: 16x32 px": 1,
    }


def test_out_of_memory_at_minimum_fails(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load_inpainter(tiny_sdxl, batch_size=8)
    allowed = {"largest": 0}
    run_out_of_memory(inpainter, lambda count, _: count <= allowed["largest"])
    answers = inpainter.inpaint(make_tall_crops(bus_rgb, 2))
    assert all(isinstance(answer, InpaintFailure) for answer in answers)
    assert "out of GPU memory" in str(answers[0])
    assert inpainter.fallbacks["out of GPU memory at 16x32 px: covered"] == 2
    allowed["largest"] = 8
    inpaint_all(inpainter, make_tall_crops(bus_rgb, 2))


def with_init_image(crop: Crop, colour: int = 128) -> Crop:
    """The crop with a start that shows nobody."""
    return replace(crop, init_image=np.where(crop.mask[..., None], np.uint8(colour), crop.image))


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_init_image_is_used(model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage) -> None:
    inpainter = load_inpainter(request.getfixturevalue(model), beta_d=0.1)
    crop = make_crop(bus_rgb)
    usual, same, other = inpaint_all(
        inpainter, [crop, replace(crop, init_image=crop.image), with_init_image(crop, 250)]
    )
    assert np.array_equal(same, usual)
    assert (other != usual)[crop.mask].mean() > 0.2


@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_init_image_never_shows_person(
    model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage
) -> None:
    inpainter = load_inpainter(request.getfixturevalue(model), beta_d=0.6)
    crop = make_crop(bus_rgb, side_px=64)  # is not scaled, which would smear the person
    cells = np.kron(crop.mask.reshape(8, 8, 8, 8).any(axis=(1, 3)), np.ones((8, 8), np.bool_))
    crop = replace(crop, mask=cells, persons_mask=cells)
    persons = [
        replace(crop, image=np.where(cells[..., None], np.uint8(grey), crop.image))
        for grey in (20, 235)
    ]
    one, other = inpaint_all(inpainter, persons)
    assert (one != other)[cells].mean() > 0.1
    start = with_init_image(crop).init_image
    one, other = inpaint_all(inpainter, [replace(crop, init_image=start) for crop in persons])
    assert np.array_equal(one[cells], other[cells])


def test_batch_may_mix_init_images(tiny_sdxl_base: Path, bus_rgb: RgbImage) -> None:
    crops = [make_crop(bus_rgb, side_px=60 + 5 * index, seed=index) for index in range(5)]
    crops = [
        with_init_image(crop, 250) if index in {1, 4} else crop for index, crop in enumerate(crops)
    ]
    batched, alone = (
        load_inpainter(tiny_sdxl_base, batch_size=8),
        load_inpainter(tiny_sdxl_base, batch_size=1),
    )
    sizes = record_batch_sizes(batched)
    for one, two in zip(inpaint_all(batched, crops), inpaint_all(alone, crops), strict=True):
        assert np.abs(one.astype(int) - two).max() <= 1
    assert set(sizes) == {5}


def test_bad_init_image_fails_alone(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load_inpainter(tiny_sdxl)
    crop = make_crop(bus_rgb)
    small, floats = crop.image[:-1], crop.image.astype(np.float32)
    wrong = [replace(crop, init_image=start) for start in (small, floats)]
    *refused, drawn = inpainter.inpaint([*wrong, crop])
    assert [answer.detail for answer in refused if isinstance(answer, InpaintFailure)] == [
        "the start is uint8 (89, 90, 3), the crop uint8 (90, 90, 3)",
        "the start is float32 (90, 90, 3), the crop uint8 (90, 90, 3)",
    ]
    assert np.array_equal(drawn, inpaint_all(inpainter, [crop])[0])
    assert isinstance(inpainter.inpaint(wrong)[0], InpaintFailure)


def test_small_person_generated_small(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    inpainter = load_inpainter(tiny_sdxl)
    seen = set()
    get_unet(inpainter).register_forward_pre_hook(
        lambda _, positional: seen.add(tuple(positional[0].shape[-2:]))
    )
    small = np.ascontiguousarray(bus_rgb[400:430, 60:75])
    mask = np.ones(small.shape[:2], np.bool_)
    inpainter.inpaint([Crop(small, mask, mask, Roi(60, 400, 75, 430), 0)])
    assert seen == {(4, 2)}


@pytest.mark.parametrize("side_px", [1, 7, 64, 200])
def test_crops_of_any_size_inpainted(tiny_sdxl: Path, side_px: int) -> None:
    image = np.full((side_px, side_px, 3), 90, np.uint8)
    mask = np.ones((side_px, side_px), np.bool_)
    crop = Crop(image, mask, mask, Roi(0, 0, side_px, side_px), 0)
    (drawn,) = load_inpainter(tiny_sdxl).inpaint([crop])
    assert drawn.shape == image.shape


def test_touched_latent_cell_inpainted(tiny_sdxl: Path) -> None:
    inpainter = load_inpainter(tiny_sdxl)
    seen: list[torch.Tensor] = []
    get_unet(inpainter).register_forward_pre_hook(
        lambda _, positional: seen.append(positional[0][:, 4])
    )
    mask = np.zeros((100, 100), np.bool_)
    mask[47, 21] = True
    image = np.full((100, 100, 3), 90, np.uint8)
    inpainter.inpaint([Crop(image, mask, mask, Roi(0, 0, 100, 100), 0)])
    assert seen[0].shape[1:] == (8, 8)
    assert seen[0][0].nonzero().tolist() == [[3, 1]]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_no_number_is_an_inpaint_failure(tiny_sdxl: Path, bus_rgb: RgbImage, value: float) -> None:
    """Float16 overflows to infinity, which limited to 0..1 would be a white or black picture."""
    inpainter = load_inpainter(tiny_sdxl)
    decode = inpainter.diffusion.vae.decode

    def overflow(*arguments: Any, **options: Any) -> tuple[torch.Tensor]:
        (image,) = decode(*arguments, **options)
        image[..., 3, 3] = value
        return (image,)

    inpainter.diffusion.vae.decode = overflow
    (answer,) = inpainter.inpaint([make_crop(bus_rgb)])
    assert isinstance(answer, InpaintFailure)
    assert "NaN or infinity" in answer.detail


def test_schedule_start_logged(tiny_sdxl: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="anon_ros"):
        load_inpainter(tiny_sdxl, steps=50)
    assert "timestep 599 (noise 0.92) and runs 30 of 50 steps" in caplog.text


def test_truncated_prompt_logged(
    tiny_sdxl: Path, caplog: pytest.LogCaptureFixture, bus_rgb: RgbImage
) -> None:
    with caplog.at_level(logging.WARNING):
        inpainter = load_inpainter(tiny_sdxl, prompt="x" * 75 + "unseen")
    (record,) = caplog.records
    assert record.getMessage() == "inpaint.prompt is cut after 77 tokens; left out: unseen"
    inpainter.inpaint([make_crop(bus_rgb)])
    assert len(caplog.records) == 1


BUS = Style("a gray bus", "a logo", 0.9)


@pytest.mark.parametrize("guidance", [7.0, 1.0])
@pytest.mark.parametrize("model", ["tiny_sdxl", "tiny_sdxl_base", "tiny_sd2"])
def test_style_draws_as_if_it_were_that_of_persons(
    model: str, request: pytest.FixtureRequest, bus_rgb: RgbImage, guidance: float
) -> None:
    """Prompt, negative prompt and noise level; the persons beside it are as without it."""
    folder, crop = request.getfixturevalue(model), make_crop(bus_rgb)
    mixed = load_inpainter(folder, styles=[BUS], guidance_scale=guidance)
    person, bus, again = inpaint_all(mixed, [crop, replace(crop, style=BUS), crop])
    plain = load_inpainter(folder, guidance_scale=guidance)
    assert np.array_equal(person, inpaint_all(plain, [crop])[0])
    assert np.array_equal(person, again)
    as_persons = load_inpainter(folder, guidance_scale=guidance, **vars(BUS))
    assert np.array_equal(bus, inpaint_all(as_persons, [crop])[0])
    assert not np.array_equal(bus, person)


def test_crops_of_one_style_share_calls(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    styles = [BUS, Style("a sign", "", 0.9)]
    inpainter = load_inpainter(tiny_sdxl, batch_size=8, styles=styles)
    sizes = record_batch_sizes(inpainter)
    crop = make_crop(bus_rgb)
    crops = [replace(crop, style=style) for style in (None, BUS, None, styles[1], BUS)]
    inpaint_all(inpainter, crops)
    assert sizes == [2] * 6 + [2] * 9 + [1] * 9


def test_failed_call_of_a_style_ends_with_it(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    """The next call is that of persons again."""
    inpainter = load_inpainter(tiny_sdxl, batch_size=8, styles=[BUS])
    crop = make_tall_crops(bus_rgb, 1)[0]
    expected = inpaint_all(inpainter, [crop])
    main = inpainter.diffusion.prompt, inpainter.noise_schedule
    run_out_of_memory(inpainter, lambda *_: inpainter.noise_schedule == main[1])
    bus, person = inpainter.inpaint([replace(crop, style=BUS), crop])
    assert isinstance(bus, InpaintFailure)
    assert np.array_equal(person, expected[0])
    with pytest.raises(KeyError):
        inpainter.inpaint([replace(crop, style=Style("", "", 0.5))])
    assert (inpainter.diffusion.prompt, inpainter.noise_schedule) == main


def test_truncated_prompt_of_a_target_logged(
    tiny_sdxl: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_inpainter(tiny_sdxl, styles=[Style("x" * 75 + "unseen", "", 0.5)])
    (record,) = (r for r in caplog.records if r.levelno == logging.WARNING)
    assert record.getMessage() == "prompt of a target is cut after 77 tokens; left out: unseen"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_runs(tiny_sdxl: Path, bus_rgb: RgbImage, dtype: str) -> None:
    inpainter = load_inpainter(tiny_sdxl, dtype=dtype)
    assert next(get_unet(inpainter).parameters()).dtype == getattr(torch, dtype)
    (drawn,) = inpainter.inpaint([make_crop(bus_rgb)])
    assert drawn.any()


def test_fp16_files_alone_suffice(tiny_sdxl: Path, tmp_path: Path) -> None:
    for path in tiny_sdxl.rglob("*"):
        copy = tmp_path / path.relative_to(tiny_sdxl)
        copy = copy.with_suffix(".fp16.safetensors") if path.suffix == ".safetensors" else copy
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            copy.write_bytes(path.read_bytes())
    load_inpainter(tmp_path)


def test_other_pipeline_type_rejected(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(ModelError, match="is none of StableDiffusionXL"):
        load_inpainter(tmp_path)


def test_damaged_weights_named(tiny_sd2: Path, tmp_path: Path) -> None:
    for path in tiny_sd2.rglob("*"):
        copy = tmp_path / path.relative_to(tiny_sd2)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            copy.write_bytes(b"" if path.parent.name == "unet" else path.read_bytes())
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_inpainter(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_network")
def test_missing_model_named() -> None:
    with pytest.raises(ModelError, match="hf download"):
        DiffusionInpainter.load(InpaintConfig(), ComputeConfig())
