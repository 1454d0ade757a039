"""Loading what the diffusion is made of from files in diffusers' format."""

import json
import logging
from pathlib import Path
from typing import Any

import torch

from anon_ros.config import InpaintConfig
from anon_ros.errors import ModelError
from anon_ros.models.inpainting.diffusion import Diffusion, Prompt
from anon_ros.models.inpainting.noise_schedule import make_scheduler, plan_timesteps
from anon_ros.models.weights.locate import find_lora, find_pipeline, find_vae, read_pipeline_index
from anon_ros.models.weights.offline import disable_network_access

_LOG = logging.getLogger(__name__)
_XL, _SD = "StableDiffusionXLInpaintPipeline", "StableDiffusionInpaintPipeline"
# What a model_index.json may name, and the pipeline that takes its parts.
_KINDS = {
    _XL: _XL,
    "StableDiffusionXLPipeline": _XL,
    "StableDiffusionXLImg2ImgPipeline": _XL,
    _SD: _SD,
    "StableDiffusionPipeline": _SD,
    "StableDiffusionImg2ImgPipeline": _SD,
}
_OPTIONS: dict[str, dict[str, Any]] = {
    _XL: {"add_watermarker": False},
    _SD: {"safety_checker": None, "requires_safety_checker": False},
}
_VAES = ("AutoencoderKL", "AutoencoderTiny")


def load_diffusion(config: InpaintConfig, device: torch.device) -> Diffusion:
    """Load the model, its VAE and LoRA; encode the prompts once and free the text encoders.

    Raises:
        ModelError: if a file is missing or damaged, or no chain can start at ``config.beta_d``.
    """
    directory = find_pipeline(config.model, config.revision)
    vae = find_vae(config.vae) if config.vae else None
    lora = find_lora(config.lora) if config.lora else None
    dtype = _torch_dtype(config.dtype, device)
    pipeline = _load_pipeline(directory, dtype)
    if pipeline.unet.config.time_cond_proj_dim is not None:
        message = (
            f"inpaint.model: {directory} has a UNet with built-in guidance, which is not "
            f"supported; use the same distillation as a LoRA (inpaint.lora)"
        )
        raise ModelError(message)
    scheduler = make_scheduler(config.scheduler, pipeline.scheduler)
    chain = plan_timesteps(config.scheduler, scheduler, config.steps, config.beta_d)
    if lora is not None:
        _fuse_lora(pipeline, lora)
    if vae is not None:
        pipeline.vae = _load_vae(vae)
    pipeline.vae.to(_vae_dtype(pipeline.vae, dtype))
    pipeline.to(device)
    prompt = _encode_prompts(pipeline, config)
    unet, autoencoder = (
        part.eval().requires_grad_(False) for part in (pipeline.unet, pipeline.vae)
    )
    return Diffusion(unet, autoencoder, scheduler, chain, prompt, config.guidance_scale)


def encode_prompts(config: InpaintConfig, device: torch.device, dtype: torch.dtype) -> Prompt:
    """Encode other prompts: load the model's text encoders for as long as that takes.

    Raises:
        ModelError: if a file is missing or damaged.
    """
    directory = find_pipeline(config.model, config.revision)
    pipeline = _load_pipeline(directory, dtype, unet=None, vae=None)
    pipeline.to(device)
    return _encode_prompts(pipeline, config)


def _load_pipeline(directory: Path, dtype: torch.dtype, **parts: None) -> Any:
    kind = _KINDS.get(str(read_pipeline_index(directory).get("_class_name")))
    if kind is None:
        message = f"inpaint.model: {directory} is none of {', '.join(_KINDS)}"
        raise ModelError(message)
    disable_network_access()
    # torchao, which diffusers imports where it is installed, makes torch tell users of a
    # deprecation between the two.
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    import diffusers  # noqa: PLC0415 - only after the switches are set
    import transformers  # noqa: PLC0415

    for library in (diffusers, transformers):
        library.logging.set_verbosity_error()  # or they tell of a cut prompt at every person
    diffusers.logging.disable_progress_bar()
    try:
        return getattr(diffusers, kind).from_pretrained(
            directory,
            dtype=dtype,
            variant=_variant(directory),
            local_files_only=True,
            use_safetensors=True,
            **_OPTIONS[kind],
            **parts,
        )
    except Exception as error:
        raise _damaged(directory, "inpaint.model", error) from error


def _load_vae(directory: Path) -> Any:
    import diffusers  # noqa: PLC0415 - after the switches

    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8"))["_class_name"]
        if kind not in _VAES:
            message = f"it is {kind}, none of {', '.join(_VAES)}"
            raise ModelError(message)
        return getattr(diffusers, kind).from_pretrained(
            directory, local_files_only=True, use_safetensors=True
        )
    except Exception as error:
        raise _damaged(directory, "inpaint.vae", error) from error


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
        raise _damaged(file, "inpaint.lora", error) from error


def _damaged(path: Path, parameter: str, error: Exception) -> ModelError:
    return ModelError(f"{parameter}: {path} cannot be loaded: {' '.join(str(error).split())}")


def _encode_prompts(pipeline: Any, config: InpaintConfig) -> Prompt:
    for name in ("prompt", "negative_prompt"):
        _warn_of_cut(name, getattr(config, name), pipeline.tokenizer)
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


def _variant(directory: Path) -> str | None:
    """The name "fp16" where only the weights that are stored in float16 were fetched."""
    names = [path.name for path in (directory / "unet").glob("*.safetensors")]
    return "fp16" if all(".fp16" in name for name in names) else None


def _torch_dtype(name: str, device: torch.device) -> torch.dtype:
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return names.get(name, torch.float32 if device.type == "cpu" else torch.bfloat16)


def _vae_dtype(vae: Any, dtype: torch.dtype) -> torch.dtype:
    # SDXL's own VAE overflows in float16; diffusers moves it to float32 and back at each call.
    overflows = dtype == torch.float16 and vae.config.force_upcast
    return torch.bfloat16 if overflows else dtype


def _warn_of_cut(parameter: str, prompt: str, tokenizer: Any) -> None:
    """Log what of a prompt the text encoder will not see."""
    tokens = tokenizer(prompt).input_ids
    limit = tokenizer.model_max_length
    if len(tokens) > limit:
        # The last token is always the end mark.
        cut = tokenizer.decode(tokens[limit - 1 : -1])
        _LOG.warning("inpaint.%s is cut after %d tokens; left out: %s", parameter, limit, cut)
