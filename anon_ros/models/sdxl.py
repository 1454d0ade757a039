"""Drawing synthetic persons with Stable Diffusion XL or 2, over diffusers."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from anon_ros.config import InpaintConfig
from anon_ros.core import Crop, Mask, RgbImage
from anon_ros.errors import ModelError
from anon_ros.models.chain import chain_start
from anon_ros.models.device import resolve_device
from anon_ros.models.locate import find_pipeline, pipeline_index
from anon_ros.models.offline import go_offline

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


class SdxlInpainter:
    """An Inpainter over a diffusers inpainting pipeline, one crop at a time.

    Takes 9-channel inpainting and 4-channel base UNets of SDXL and SD 2. The crop's own pixels
    under noise are where the diffusion starts: that keeps pose and viewing direction.

    Args:
        config: what to draw, with which model.
        device: name of the device.

    Raises:
        ModelError: if the model is missing or damaged, its noise chain would not start at
            ``config.beta_d``, or the device is not there.
    """

    def __init__(self, config: InpaintConfig, device: str) -> None:
        directory = find_pipeline(config.model, config.revision)
        self._config = config
        self._pipeline = _load(directory, resolve_device(device), config.dtype)
        self._start = chain_start(self._pipeline.scheduler, config.steps, config.beta_d)
        _LOG.info(
            "the noise chain starts at timestep %d (noise %.2f) and runs %d of %d steps",
            self._start.timestep,
            self._start.noise_ratio,
            self._start.steps_run,
            config.steps,
        )
        for name in ("prompt", "negative_prompt"):
            _warn_of_cut(name, getattr(config, name), self._pipeline.tokenizer)

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage]:
        """One image per crop, of its shape.

        Raises:
            ModelError: if the GPU's memory does not suffice, or the result is not finite.
        """
        return [self._draw(crop) for crop in crops]

    def _draw(self, crop: Crop) -> RgbImage:
        drawn = self._generate(
            _resize(crop.image, self._config.generate_px),
            latent_cells(crop.mask, self._config.generate_px, self._pipeline.vae_scale_factor),
            crop.seed,
        )
        if not np.isfinite(drawn).all():
            message = "the diffusion returned NaN; set inpaint.dtype to bfloat16 or float32"
            raise ModelError(message)
        return _resize(np.rint(drawn * 255).astype(np.uint8), crop.mask.shape[0])

    def _generate(self, image: RgbImage, mask: Mask, seed: int) -> np.ndarray:
        """(S, S, 3) float in 0..1, of a square image and mask."""
        config = self._config
        try:
            output = self._pipeline(
                prompt=config.prompt,
                negative_prompt=config.negative_prompt,
                image=Image.fromarray(image),
                mask_image=Image.fromarray(mask.astype(np.uint8) * 255),
                width=config.generate_px,
                height=config.generate_px,
                strength=self._start.strength,
                num_inference_steps=config.steps,
                guidance_scale=config.guidance,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="np",
            )
        except torch.cuda.OutOfMemoryError:
            pass  # leaving the handler frees what the failed call still holds
        else:
            return np.asarray(output.images[0])
        torch.cuda.empty_cache()
        message = f"out of GPU memory; lower inpaint.generate_px = {config.generate_px}"
        raise ModelError(message)


def _load(directory: Path, device: torch.device, dtype: str) -> Any:
    kind = _KINDS.get(str(pipeline_index(directory).get("_class_name")))
    if kind is None:
        message = f"inpaint.model: {directory} is none of {', '.join(_KINDS)}"
        raise ModelError(message)
    go_offline()
    import diffusers  # noqa: PLC0415 - only after the switches are set
    import transformers  # noqa: PLC0415

    for library in (diffusers, transformers):
        library.logging.set_verbosity_error()  # or they tell of a cut prompt at every person
    diffusers.logging.disable_progress_bar()
    try:
        pipeline = getattr(diffusers, kind).from_pretrained(
            directory,
            dtype=_torch_dtype(dtype, device),
            variant=_variant(directory),
            local_files_only=True,
            use_safetensors=True,
            **_OPTIONS[kind],
        )
    except Exception as error:
        message = f"inpaint.model: {directory} cannot be loaded: {' '.join(str(error).split())}"
        raise ModelError(message) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _variant(directory: Path) -> str | None:
    """The name "fp16" where only the weights that are stored in float16 were fetched."""
    names = [path.name for path in (directory / "unet").glob("*.safetensors")]
    return "fp16" if all(".fp16" in name for name in names) else None


def _torch_dtype(name: str, device: torch.device) -> torch.dtype:
    # With float16 diffusers runs SDXL's VAE, which overflows there, in float32 by itself.
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return names.get(name, torch.float32 if device.type == "cpu" else torch.bfloat16)


def _warn_of_cut(parameter: str, prompt: str, tokenizer: Any) -> None:
    """Log what of a prompt the text encoder will not see."""
    tokens = tokenizer(prompt).input_ids
    limit = tokenizer.model_max_length
    if len(tokens) > limit:
        # The last token is always the end mark.
        cut = tokenizer.decode(tokens[limit - 1 : -1])
        _LOG.warning("inpaint.%s is cut after %d tokens; left out: %s", parameter, limit, cut)


def _resize(square: RgbImage, side_px: int) -> RgbImage:
    shrinks = side_px < square.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (side_px, side_px), interpolation=interpolation))


def latent_cells(mask: Mask, side_px: int, cell_px: int) -> Mask:
    """``mask`` at side_px, grown to whole cells of the latent image.

    The pipeline reads the mask once per cell. A cell on the person's border that it took for
    background would keep the person's own pixels.
    """
    cells = side_px // cell_px
    touched = _touched(_touched(mask, side_px), cells)
    return touched.repeat(cell_px, axis=0).repeat(cell_px, axis=1)


def _touched(mask: Mask, side_px: int) -> Mask:
    """The pixels of a square of side_px that a True pixel touches."""
    share = cv2.resize(mask.astype(np.float32), (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0)
