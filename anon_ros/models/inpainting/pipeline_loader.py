"""Loader of diffusion models from files in diffusers' format."""

import json
import logging
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import InpaintConfig
from anon_ros.errors import ModelError
from anon_ros.models.device import has_bfloat16
from anon_ros.models.inpainting.diffusion import Diffusion, Prompt
from anon_ros.models.inpainting.noise_schedule import make_scheduler, plan_timesteps
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
_VAE_CLASSES = ("AutoencoderKL", "AutoencoderTiny")


def load_diffusion(config: InpaintConfig, device: torch.device) -> Diffusion:
    """Load the model, its VAE and LoRA; encode the prompts once and free the text encoders.

    Raises:
        ModelError: if a file is missing or damaged, or no schedule can start at ``config.beta_d``.
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
    noise_schedule = plan_timesteps(
        config.scheduler, scheduler, config.steps, config.beta_d, config.timestep_power
    )
    if lora is not None:
        _fuse_lora(pipeline, lora)
    if vae is not None:
        pipeline.vae = _load_vae(vae)
    pipeline.vae.to(_choose_vae_dtype(pipeline.vae, dtype))
    pipeline.to(device)
    prompt = _encode_prompts(pipeline, config)
    unet, autoencoder = (
        part.eval().requires_grad_(False) for part in (pipeline.unet, pipeline.vae)
    )
    return Diffusion(unet, autoencoder, scheduler, noise_schedule, prompt, config.guidance_scale)


def encode_prompts(config: InpaintConfig, device: torch.device, dtype: torch.dtype) -> Prompt:
    """Encode the prompts of ``config``; load the model's text encoders for that alone.

    Raises:
        ModelError: if a file is missing or damaged.
    """
    directory = find_pipeline(config.model, config.revision)
    pipeline = _load_pipeline(directory, dtype, unet=None, vae=None)
    pipeline.to(device)
    return _encode_prompts(pipeline, config)


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


def _encode_prompts(pipeline: Any, config: InpaintConfig) -> Prompt:
    for name in ("prompt", "negative_prompt"):
        _warn_if_truncated(name, getattr(config, name), pipeline.tokenizer)
    guided = config.guidance_scale > 1
    with torch.no_grad():
        positive, negative, *pooled = pipeline.encode_prompt(
            prompt=config.prompt,
            device=pipeline.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guided,
            negative_prompt=config.negative_prompt if guided else None,
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
        _LOG.warning("inpaint.%s is cut after %d tokens; left out: %s", parameter, limit, truncated)
