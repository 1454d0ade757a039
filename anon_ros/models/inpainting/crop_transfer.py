"""Transfer of crops to the device and of results back, in one copy per call."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from anon_ros.config import Style
from anon_ros.core import CoverReason, Crop, InpaintFailure, RgbImage
from anon_ros.models.inpainting.buckets import Bucket

OUT_OF_MEMORY = "out of GPU memory"


@dataclass(frozen=True)
class CropTask:
    """A crop on the device: image (H, W, 3) and mask (H, W) uint8."""

    index: int
    image: torch.Tensor
    mask: torch.Tensor
    init_image: torch.Tensor | None
    seed: int
    style: Style | None = None


def upload_crops(crops: Sequence[Crop], device: torch.device) -> list[CropTask]:
    """Copy all valid crops to the device at once."""
    valid = {index: crop for index, crop in enumerate(crops) if not _find_problem(crop)}
    arrays = [array for crop in valid.values() for array in _list_arrays(crop)]
    if not arrays:
        return []
    packed = torch.from_numpy(np.concatenate([array.reshape(-1) for array in arrays]))
    if device.type == "cuda":
        packed = packed.pin_memory()
    flat = packed.to(device, non_blocking=True).split_with_sizes([a.size for a in arrays])
    parts = (part.view(array.shape) for part, array in zip(flat, arrays, strict=True))
    tasks = []
    for index, crop in valid.items():
        image, mask = next(parts), next(parts)
        init_image = None if crop.init_image is None else next(parts)
        tasks.append(CropTask(index, image, mask, init_image, crop.seed, crop.style))
    return tasks


def _find_problem(crop: Crop) -> str:
    """Return the reason why the crop cannot be inpainted; empty if it can."""
    init, image = crop.init_image, crop.image
    if init is None or (init.shape == image.shape and init.dtype == image.dtype):
        return ""
    return f"the start is {init.dtype} {init.shape}, the crop {image.dtype} {image.shape}"


def _list_arrays(crop: Crop) -> list[npt.NDArray[np.uint8]]:
    """Return image, mask and, if there is one, initial image of a crop, all uint8."""
    arrays = [crop.image, crop.mask.view(np.uint8)]
    return arrays if crop.init_image is None else [*arrays, crop.init_image]


def stack_images(images: Sequence[torch.Tensor], bucket: Bucket) -> torch.Tensor:
    """Resize images (H, W, 3) uint8 to the bucket and stack them to (B, 3, H, W) in -1..1."""
    scaled = (image.permute(2, 0, 1).float() / 255 for image in images)
    resized = [_resize(image, bucket.height_px, bucket.width_px) for image in scaled]
    return torch.stack(resized).clamp_(0, 1) * 2 - 1


def restore_sizes(
    generated: torch.Tensor, shapes_hw: Sequence[tuple[int, int]]
) -> list[torch.Tensor]:
    """Resize images (B, 3, h, w) in 0..1 to the sizes of their crops.

    Returns:
        For each (H * W * 3 + 1,) uint8: the pixels of (H, W, 3), then 0 if the generated image was
        not finite.
    """
    is_finite = torch.isfinite(generated).flatten(1).all(dim=1, keepdim=True).float()
    parts = []
    for image, flag, (height_px, width_px) in zip(generated, is_finite, shapes_hw, strict=True):
        parts += [_resize(image, height_px, width_px).permute(1, 2, 0).reshape(-1), flag]
    # Few kernels for all, since a GPU waits for the host to start each.
    levels = (torch.cat(parts).clamp_(0, 1) * 255).round_().to(torch.uint8)
    return list(levels.split_with_sizes([h * w * 3 + 1 for h, w in shapes_hw]))


def _resize(image: torch.Tensor, height_px: int, width_px: int) -> torch.Tensor:
    """Resize an image (C, H, W) float; values may go a little beyond its range."""
    size = height_px, width_px
    return interpolate(image[None], size, mode="bicubic", antialias=True)[0]


def download_results(
    inpainted: dict[int, torch.Tensor], crops: Sequence[Crop]
) -> list[RgbImage | InpaintFailure]:
    """Copy all results from the device at once; a failure for every crop without one."""
    no_memory = (
        f"{OUT_OF_MEMORY}, even for one person at the smallest size; lower inpaint.generate_px"
    )
    results: list[RgbImage | InpaintFailure] = [
        InpaintFailure(problem)
        if (problem := _find_problem(crop))
        else InpaintFailure(no_memory, CoverReason.OUT_OF_MEMORY)
        for crop in crops
    ]
    if not inpainted:
        return results
    flat = (
        torch.cat(list(inpainted.values()))
        .cpu()
        .split_with_sizes([len(part) for part in inpainted.values()])
    )
    for index, part in zip(inpainted, flat, strict=True):
        if part[-1]:
            results[index] = part[:-1].numpy().reshape(crops[index].image.shape)
        else:
            results[index] = InpaintFailure(
                "the diffusion returned NaN or infinity; set inpaint.dtype to bfloat16 or float32",
                CoverReason.INVALID_RESULT,
            )
    return results
