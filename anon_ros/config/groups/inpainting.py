"""Parameters of the drawing of persons, and of the device."""

import math
from dataclasses import dataclass, replace

from anon_ros.config.parameter_spec import param

DISTILLED_TRAINING_STEPS = 50
"""Number of timesteps, every 20th of 1000, that models distilled for few steps were trained on."""

GENERATOR = "generator"
"""The value of ``inpaint.model`` that means the shipped one, which draws persons only."""

_SMALL_MODEL_STEPS = 10
_SMALL_MODEL_POWER = 1.5
_SMALL_MODEL_PX = 128
_SMALL_MODEL_MIN_PERSON_PX = 8


def num_denoising_steps(steps: int, beta_d: float) -> int:
    """Return the number of steps that run: int(steps * beta_d) (arXiv 2410.08551)."""
    # 0.58 * 50 is 28.999999999999996.
    return int(steps * beta_d + 1e-6)


@dataclass(frozen=True)
class Style:
    """Prompts and noise level that a model draws with."""

    prompt: str
    negative_prompt: str
    beta_d: float

    @property
    def prompts(self) -> tuple[str, str]:
        """Prompt and negative prompt."""
        return self.prompt, self.negative_prompt


@dataclass(frozen=True)
class InpaintConfig:
    """Replacement of a person."""

    method: str = param(
        "sdxl",
        "sdxl generates a synthetic person (Stable Diffusion XL, SDXL base or SD 2); fill, telea, "
        "blur and pixelate need no model. blur and pixelate are weak: they can be partly inverted.",
        choices=("sdxl", "fill", "telea", "blur", "pixelate"),
        reconfigurable=True,
        weak_choices=("blur", "pixelate"),
    )
    model: str = param(
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        "Directory of a diffusers pipeline, or the id of one in the local hub cache.",
        required=True,
        start_only=True,
    )
    revision: str = param(
        "115134f363124c53c7d878647567d04daf26e41e",
        "Commit of a hub id, so that the weights cannot change unseen; ignored for a directory.",
        start_only=True,
    )
    small_model: str = param(
        "",
        "With method sdxl: the model that draws small persons, with the settings of the profile "
        "street; generator for the one that is shipped, a directory, or the id of one in the local "
        "hub cache. Empty for none: inpaint.model draws everybody.",
        start_only=True,
    )
    small_below_px: int = param(
        96,
        "Persons less high than this, in px of the frame, are drawn by inpaint.small_model, and so "
        "are those below min_person_px, from 8 px on. A tracked person is as high as their steady "
        "crop window, so that the model does not change from frame to frame.",
        unit="px",
        minimum=1,
        maximum=4096,
        reconfigurable=True,
    )
    vae: str = param(
        "",
        "Directory of another VAE (AutoencoderKL or AutoencoderTiny), or its hub id; empty for the "
        "model's own.",
        start_only=True,
    )
    lora: str = param(
        "",
        "A .safetensors LoRA that is fused into the UNet, its directory or its hub id; empty for "
        "none.",
        start_only=True,
    )
    beta_d: float = param(
        0.6,
        "Noise level at which the diffusion starts, as a ratio of the full noise schedule (paper: "
        "at most 0.6). A lower value keeps more of the person's structure and colors: weaker "
        "anonymization.",
        minimum=0.05,
        maximum=1,
        reconfigurable=True,
        weaker="lower",
    )
    steps: int = param(
        50,
        "Steps of the whole noise schedule; int(steps * beta_d) of them run, from beta_d * 1000 "
        "down to 0.",
        minimum=1,
        maximum=1000,
        reconfigurable=True,
    )
    timestep_power: float = param(
        1.0,
        "Distribution of the steps that run: step i of n is at beta_d * 1000 * (1 - i / n) to "
        "this power. 1 is even; more puts more of few steps where fine detail is drawn. The start, "
        "and so the privacy, stays.",
        minimum=1,
        maximum=3,
        reconfigurable=True,
    )
    scheduler: str = param(
        "euler",
        "Solver of the denoising steps. dpm (DPM-Solver++) needs fewer; lcm and tcd are for models "
        "or LoRAs distilled with them, euler for Lightning.",
        choices=("euler", "dpm", "lcm", "tcd"),
    )
    guidance_scale: float = param(
        7.0, "Classifier-free guidance scale; 1 turns guidance off.", minimum=1, maximum=30
    )
    guidance_until: float = param(
        1.0,
        "Share of the steps that run, from the first, which are guided, rounded up to whole ones; "
        "a step without guidance costs half (arXiv 2404.07724). Below 1 the quality is unproven. "
        "The start, and so the privacy, stays.",
        minimum=0,
        maximum=1,
    )
    prompt: str = param(
        "RAW photo, a person, 8k uhd, dslr, soft lighting, high quality, film grain, Fujifilm XT3",
        "Description of the person to generate. Cut after 77 tokens, with a warning.",
        reconfigurable=True,
    )
    negative_prompt: str = param(
        "cgi, 3d, render, sketch, cartoon, drawing, anime, text, cropped, worst quality, low "
        "quality, jpeg artifacts, duplicate, mutilated, extra fingers, deformed, blurry, bad "
        "anatomy, bad proportions, extra limbs, cloned face, disfigured, fused fingers, long neck",
        "Description of unwanted results. Cut after 77 tokens, with a warning.",
        reconfigurable=True,
    )
    context_ratio: float = param(
        1.5,
        "Width and height of the crop around a person, as ratios of those of the person's mask.",
        minimum=1,
        maximum=10,
        reconfigurable=True,
    )
    aspect: str = param(
        "auto",
        "auto: generate at the aspect of the person (tall, wide or square) and the smallest of "
        "three sizes that is not below the crop. square: always generate_px x generate_px (the "
        "paper).",
        choices=("auto", "square"),
    )
    generate_px: int = param(
        1024,
        "Longer side of a generated crop; aspect = auto also uses 3/4 and 1/2 of it. A multiple "
        "of 8; with a multiple of 256 all sizes are multiples of 64, as SDXL was trained.",
        unit="px",
        minimum=64,
        maximum=2048,
    )
    min_person_px: int = param(
        32,
        "Persons whose mask is narrower or lower than this are covered with the fill instead.",
        unit="px",
        minimum=0,
        maximum=4096,
        reconfigurable=True,
    )
    init: str = param(
        "original",
        "Start of the diffusion. original: the person under noise, which keeps pose, viewing "
        "direction and colors (the paper's way). covered: the fill, which keeps none of them.",
        choices=("original", "covered"),
        reconfigurable=True,
        weak_choices=("original",),
    )
    dtype: str = param(
        "auto",
        "Precision of the diffusion; auto is bfloat16 on a GPU and on CPUs that have it (AVX-512 "
        "or AMX), else float32. With float16 a VAE that overflows there runs in bfloat16.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    seed: int = param(
        0,
        "Start of all random numbers: the same input, parameters and seed give the same image.",
        minimum=0,
        maximum=2**63 - 1,
        reconfigurable=True,
    )

    @property
    def is_diffusion(self) -> bool:
        """True if ``method`` loads a diffusion model."""
        return self.method == "sdxl"

    @property
    def style(self) -> Style:
        """Prompts and noise level."""
        return Style(self.prompt, self.negative_prompt, self.beta_d)

    @property
    def has_small_model(self) -> bool:
        """True if ``small_model`` draws the small persons."""
        return self.is_diffusion and bool(self.small_model)

    @property
    def min_drawn_px(self) -> int:
        """Persons whose mask is narrower or lower than this, in px, are covered."""
        if not self.has_small_model:
            return self.min_person_px
        return min(self.min_person_px, _SMALL_MODEL_MIN_PERSON_PX)

    def for_small_model(self) -> "InpaintConfig":
        """Return a copy for ``small_model``: the profile street at this noise level."""
        return replace(
            self,
            model=self.small_model,
            revision="",
            small_model="",
            vae="",
            lora="",
            scheduler="dpm",
            steps=max(_SMALL_MODEL_STEPS, math.ceil(1 / self.beta_d)),
            timestep_power=_SMALL_MODEL_POWER,
            guidance_scale=1.0,
            prompt="",
            negative_prompt="",
            aspect="auto",
            generate_px=_SMALL_MODEL_PX,
            min_person_px=_SMALL_MODEL_MIN_PERSON_PX,
        )


@dataclass(frozen=True)
class ComputeConfig:
    """Device, batches and compilation of the models."""

    device: str = param(
        "auto", "auto: the first GPU, or else the CPU; or cpu, cuda, cuda:1.", required=True
    )
    batch_size: int = param(
        0,
        "Max persons per diffusion call, from all waiting frames (0: 8 on a GPU, 1 on the CPU); "
        "fewer if the GPU's memory does not suffice. Batch size affects rounding.",
        minimum=0,
        maximum=64,
    )
    compile_mode: str = param(
        "off",
        "Acceleration of the diffusion's UNet on a GPU. graphs: a CUDA graph for each size of "
        "persons and batch, recorded after the first frame that needs it, in about a second. "
        "blocks: that, and compiled transformer blocks, about 10 s at the start. Off on the CPU.",
        choices=("off", "graphs", "blocks"),
    )
    quantize: str = param(
        "none",
        "8-bit linear layers in the UNet (torchao); pays only with compile_mode. fp8 needs a GPU "
        "of compute capability 8.9 or later.",
        choices=("none", "int8", "fp8"),
    )
    weight_storage: str = param(
        "gpu",
        "Storage of the UNet's weights between its calls. For small GPUs: float8 halves their "
        "memory (8 bits, cast back layer by layer; pictures change slightly); host holds them in "
        "the host's memory and sends them at every call (the same pictures, slow). Both need "
        "compile_mode off and quantize none.",
        choices=("gpu", "float8", "host"),
    )
