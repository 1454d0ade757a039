"""Loader of diffusion models from files in diffusers' format."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import InpaintConfig, Style
from anon_ros.errors import ModelError
from anon_ros.models.device import has_bfloat16
from anon_ros.models.inpainting.diffusion import Diffusion, Prompt
from anon_ros.models.inpainting.noise_schedule import NoiseSchedule, make_scheduler, plan_timesteps
from anon_ros.models.inpainting.weight_storage import place_unet
from anon_ros.models.weights.locate import find_lora, find_pipeline, find_vae, read_pipeline_index
from anon_ros.models.weights.offline import disable_network_access

_LOG = logging.getLogger(__name__)
_XL, _SD = "StableDiffusionXLInpaintPipeline", "StableDiffusionInpaintPipeline"
# Pipelines by the class that a model_index.json may name.
_PIPELINE_CLASSES = {
    _XL: _XL,
    "StableDiffusionXLPipeline": _XL,
    "StableDiffusionXLImg2ImgPipeline": _XL,
    _SD: _SD,
    "StableDiffusionPipeline": _SD,
    "StableDiffusionImg2ImgPipeline": _SD,
}
_PIPELINE_OPTIONS: dict[str, dict[str, Any]] = {
    _XL: {"add_watermarker": False},
    _SD: {"safety_checker": None, "requires_safety_checker": False},
}
_TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
_VAE_CLASSES = ("AutoencoderKL", "AutoencoderTiny")


def load_diffusion(
    config: InpaintConfig,
    device: torch.device,
    styles: Sequence[Style] = (),
    weight_storage: str = "gpu",
) -> Diffusion:
    """Load the model, its VAE and LoRA; encode the prompts once and free the text encoders.

    Args:
        config: the model, and the style of persons.
        device: of the networks.
        styles: of what else it draws.
        weight_storage: of ``ComputeConfig``.

    Raises:
        ModelError: if a file is missing or damaged, or no schedule can start at a ``beta_d``.
    """
    directory = find_pipeline(config.model, config.revision)
    vae = find_vae(config.vae) if config.vae else None
    lora = find_lora(config.lora) if config.lora else None
    dtype = _resolve_dtype(config.dtype, device)
    pipeline = _load_pipeline(directory, dtype)
    if pipeline.unet.config.time_cond_proj_dim is not None:
        message = (
            f"inpaint.model: {directory} has a UNet with built-in guidance, which is not "
            f"supported; use the same distillation as a LoRA (inpaint.lora)"
        )
        raise ModelError(message)
    scheduler = make_scheduler(config.scheduler, pipeline.scheduler)
    schedules = [plan_schedule(config, scheduler, style) for style in (config.style, *styles)]
    if lora is not None:
        _fuse_lora(pipeline, lora)
    if vae is not None:
        pipeline.vae = _load_vae(vae)
    pipeline.vae.to(device, _choose_vae_dtype(pipeline.vae, dtype))
    prompts = _encode_prompts(pipeline, config, (config.style, *styles), device)
    unet, autoencoder = (
        part.eval().requires_grad_(False) for part in (pipeline.unet, pipeline.vae)
    )
    place_unet(unet, device, weight_storage)
    guidance = config.guidance_scale, config.guidance_until
    diffusion = Diffusion(unet, autoencoder, scheduler, schedules[0], prompts[0], *guidance)
    diffusion.styles = dict(zip(styles, zip(prompts[1:], schedules[1:], strict=True), strict=True))
    return diffusion


def plan_schedule(config: InpaintConfig, scheduler: Any, style: Style) -> NoiseSchedule:
    """Return the noise schedule of a style.

    Raises:
        ModelError: if none can start at its ``beta_d``.
    """
    steps, power = config.steps, config.timestep_power
    return plan_timesteps(config.scheduler, scheduler, steps, style.beta_d, power)


def encode_prompts(
    config: InpaintConfig, styles: Sequence[Style], device: torch.device, dtype: torch.dtype
) -> list[Prompt]:
    """Encode the prompts of the styles; load the model's text encoders for that alone.

    Raises:
        ModelError: if a file is missing or damaged.
    """
    directory = find_pipeline(config.model, config.revision)
    pipeline = _load_pipeline(directory, dtype, unet=None, vae=None)
    return _encode_prompts(pipeline, config, styles, device)


def _load_pipeline(directory: Path, dtype: torch.dtype, **parts: None) -> Any:
    class_name = _PIPELINE_CLASSES.get(str(read_pipeline_index(directory).get("_class_name")))
    if class_name is None:
        message = f"inpaint.model: {directory} is none of {', '.join(_PIPELINE_CLASSES)}"
        raise ModelError(message)
    disable_network_access()
    # torchao, which diffusers imports if it is installed, makes torch warn of a deprecation that
    # concerns only the two.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    import diffusers  # noqa: PLC0415 - only after the switches are set
    import transformers  # noqa: PLC0415

    for library in (diffusers, transformers):
        library.logging.set_verbosity_error()  # or they warn of a cut prompt at every person
    diffusers.logging.disable_progress_bar()
    try:
        return getattr(diffusers, class_name).from_pretrained(
            directory,
            dtype=dtype,
            variant=_find_variant(directory),
            local_files_only=True,
            use_safetensors=True,
            **_PIPELINE_OPTIONS[class_name],
            **parts,
        )
    except Exception as error:
        raise _make_load_error(directory, "inpaint.model", error) from error


def _load_vae(directory: Path) -> Any:
    import diffusers  # noqa: PLC0415 - after the switches

    try:
        class_name = json.loads((directory / "config.json").read_text(encoding="utf-8"))[
            "_class_name"
        ]
        if class_name not in _VAE_CLASSES:
            message = f"it is {class_name}, none of {', '.join(_VAE_CLASSES)}"
            raise ModelError(message)
        return getattr(diffusers, class_name).from_pretrained(
            directory, local_files_only=True, use_safetensors=True
        )
    except Exception as error:
        raise _make_load_error(directory, "inpaint.vae", error) from error


def _fuse_lora(pipeline: Any, file: Path) -> None:
    """Add the LoRA to the weights themselves, so that it costs nothing at run time."""
    try:
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name, local_files_only=True)
        if not pipeline.get_list_adapters().get("unet"):
            message = "it holds nothing for the UNet"
            raise ModelError(message)
        pipeline.fuse_lora(safe_fusing=True)
        pipeline.unload_lora_weights()
    except Exception as error:
        raise _make_load_error(file, "inpaint.lora", error) from error


def _make_load_error(path: Path, parameter: str, error: Exception) -> ModelError:
    return ModelError(f"{parameter}: {path} cannot be loaded: {' '.join(str(error).split())}")


def _encode_prompts(
    pipeline: Any, config: InpaintConfig, styles: Sequence[Style], device: torch.device
) -> list[Prompt]:
    """Encode on the device, and drop the text encoders: the UNet needs their memory."""
    encoders = [name for name in _TEXT_ENCODERS if getattr(pipeline, name, None) is not None]
    for name in encoders:
        getattr(pipeline, name).to(device)
    prompts = [_encode_style(pipeline, config, style, device) for style in styles]
    for name in encoders:
        setattr(pipeline, name, None)
    return prompts


def _encode_style(
    pipeline: Any, config: InpaintConfig, style: Style, device: torch.device
) -> Prompt:
    for name in ("prompt", "negative_prompt"):
        text = getattr(style, name)
        parameter = f"inpaint.{name}" if text == getattr(config, name) else f"{name} of a target"
        _warn_if_truncated(parameter, text, pipeline.tokenizer)
    guided = config.guidance_scale > 1
    with torch.no_grad():
        positive, negative, *pooled = pipeline.encode_prompt(
            prompt=style.prompt,
            device=device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guided,
            negative_prompt=style.negative_prompt if guided else None,
        )
    if not guided:
        return Prompt(positive, pooled[0] if pooled else None)
    return Prompt(
        torch.cat([negative, positive]), torch.cat([pooled[1], pooled[0]]) if pooled else None
    )


def _find_variant(directory: Path) -> str | None:
    """Return "fp16" if only the weights that are stored in float16 were fetched."""
    names = [path.name for path in (directory / "unet").glob("*.safetensors")]
    return "fp16" if all(".fp16" in name for name in names) else None


def _resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        name = "bfloat16" if has_bfloat16(device) else "float32"
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _choose_vae_dtype(vae: Any, dtype: torch.dtype) -> torch.dtype:
    # SDXL's own VAE overflows in float16; diffusers moves it to float32 and back at each call.
    overflows = dtype == torch.float16 and vae.config.force_upcast
    return torch.bfloat16 if overflows else dtype


def _warn_if_truncated(parameter: str, prompt: str, tokenizer: Any) -> None:
    """Log the part of a prompt that the text encoder will not see."""
    tokens = tokenizer(prompt).input_ids
    limit = tokenizer.model_max_length
    if len(tokens) > limit:
        # The last token is always the end mark.
        truncated = tokenizer.decode(tokens[limit - 1 : -1])
        _LOG.warning("%s is cut after %d tokens; left out: %s", parameter, limit, truncated)
