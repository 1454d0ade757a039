"""Costs of the profiles by arithmetic, not by measurement."""

from collections.abc import Sequence

import numpy as np
import random_networks as networks
from gpu_speed.bench import ROOT
from street_scene import BOXES_XYXY

from anon_ros.config import InpaintConfig, MaskConfig, load_config, num_denoising_steps
from anon_ros.core import make_region
from anon_ros.core.crops import plan_crop
from anon_ros.models.inpainting.buckets import Buckets

PROFILES = ("paper", "quality", "balanced", "fast")
# Dense bf16: measured by others on an H200, the makers' data sheets for the rest.
_TFLOP_PER_S = {"H200": 790, "RTX 4090": 165, "L4": 121, "AGX Orin": 42.5}
_SHARE = 0.45


def predict(scenes: Sequence[int]) -> str:
    """Return a table of the UNet's cost for the scenes of so many persons."""
    lines = [
        f"| | persons | TFLOP / frame | {' | '.join(f'{gpu}, s' for gpu in _TFLOP_PER_S)} |",
        "| --- |" + " ---: |" * (2 + len(_TFLOP_PER_S)),
    ]
    for profile in PROFILES:
        inpaint = load_config(ROOT / "config" / "profiles" / f"{profile}.yaml").inpaint
        for count in scenes:
            tflop = _count_frame_tflop(inpaint, count)
            seconds = (f"{tflop / (_SHARE * ceiling):.2f}" for ceiling in _TFLOP_PER_S.values())
            lines.append(f"| {profile} | {count} | {tflop:.0f} | {' | '.join(seconds)} |")
    return "\n".join(lines)


def _count_frame_tflop(inpaint: InpaintConfig, persons: int) -> float:
    square = inpaint.aspect == "square"
    buckets = Buckets(inpaint.generate_px, square=square)
    calls = num_denoising_steps(inpaint.steps, inpaint.beta_d) * (
        2 if inpaint.guidance_scale > 1 else 1
    )
    tflop = 0.0
    for box in BOXES_XYXY[:persons]:
        x0, y0, x1, y1 = (int(value) for value in box)
        mask = np.zeros((1080, 1920), np.bool_)
        mask[y0:y1, x0:x1] = True
        region = make_region(mask, box, MaskConfig())
        roi = plan_crop(region, 1920, 1080, inpaint.context_ratio, square=square)
        bucket = buckets.choose(roi.height_px, roi.width_px)
        tflop += calls * networks.get_unet_tflop(bucket.height_px, bucket.width_px, 1, tiny=False)
    return tflop
