"""Effects of cameras: exposure, blur, few pixels, noise, JPEG."""

import math

import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from training.constants import keep_constants
from training.random_values import RandomValues

_LUMA = (0.299, 0.587, 0.114)
_BLOCK_PX = 8
# Annex K of ITU-T T.81.
_LUMA_STEPS = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA_STEPS = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *([99] * 32),
)  # fmt: skip


def photograph(images: torch.Tensor, random: RandomValues) -> torch.Tensor:
    """Return images as cameras of many kinds would give them.

    Args:
        images: (B, 3, H, W) in 0..1, sides multiples of 16.
        random: on their device.

    Returns:
        (B, 3, H, W) in 0..1.
    """
    images = expose(images, random)
    if random.host.random() < 0.4:
        images = lose_pixels(images, random)
    count = len(images)
    sigma = random.uniform(0.2, 1.2, count) * random.happens(0.4, count)
    images = blur(images, sigma)
    sharpness = random.uniform(0, 1.2, count, 1, 1, 1) * random.happens(0.3, count, 1, 1, 1)
    images = images + sharpness * (images - blur(images, torch.full_like(sigma, 0.8)))
    images = add_noise(images, random).clamp(0, 1)
    quality = random.uniform(35, 98, count)
    is_jpeg = random.happens(0.5, count)[:, None, None, None]
    return torch.where(is_jpeg, compress_jpeg(images, quality), images).clamp(0, 1)


def expose(images: torch.Tensor, random: RandomValues) -> torch.Tensor:
    """Change contrast, brightness, white balance and saturation; some cameras see no color."""
    count = len(images)
    contrast = random.uniform(0.8, 1.25, count, 1, 1, 1)
    brightness = 0.05 * random.normal(count, 1, 1, 1)
    balance = 1 + 0.06 * random.normal(count, 3, 1, 1)
    images = (((images - 0.5) * contrast + 0.5) * balance + brightness).clamp(0, 1)
    gray = sum(weight * images[:, index : index + 1] for index, weight in enumerate(_LUMA))
    saturation = torch.where(
        random.happens(0.06, count, 1, 1, 1), 0.0, random.uniform(0.5, 1.2, count, 1, 1, 1)
    )
    return (gray + saturation * (images - gray)).clamp(0, 1)


def lose_pixels(images: torch.Tensor, random: RandomValues) -> torch.Tensor:
    """Show images of fewer pixels enlarged, as a crop of a distant person is."""
    height, width = images.shape[-2:]
    ratio = random.host.uniform(0.3, 0.9)
    few = (max(8, round(height * ratio)), max(8, round(width * ratio)))
    small = interpolate(images, few, mode="bilinear", antialias=True)
    return interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


def blur(images: torch.Tensor, sigma_px: torch.Tensor) -> torch.Tensor:
    """Blur each image by a Gaussian of its own width (B,), 0 for none; up to 2 px."""
    count, channels, height, width = images.shape
    offsets = torch.arange(-4, 5, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    flat = images.reshape(1, count * channels, height, width)
    groups = count * channels
    padded = torch.nn.functional.pad(flat, (4, 4, 4, 4), mode="replicate")
    across = conv2d(padded, kernel[:, :, None], groups=groups)
    return conv2d(across, kernel[..., None], groups=groups).view_as(images)


def add_noise(images: torch.Tensor, random: RandomValues) -> torch.Tensor:
    """Add sensor noise, gray and colored, of one and of two pixels."""
    count, _, height, width = images.shape
    gray = random.normal(count, 1, height, width)
    colored = random.normal(count, 3, height, width)
    coarse = interpolate(
        random.normal(count, 3, height // 2, width // 2), (height, width), mode="bilinear"
    )
    strength = random.uniform(0, 0.018, count, 1, 1, 1) * random.happens(0.7, count, 1, 1, 1)
    return images + strength * (gray + 0.5 * colored + coarse)


def compress_jpeg(images: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Return what JPEG with half the chroma pixels leaves (ITU-T T.81, IJG's quality scale).

    Args:
        images: (B, 3, H, W) in 0..1, sides multiples of 16.
        quality: (B,), 1 to 100.
    """
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    chroma = avg_pool2d(torch.cat([(blue - luma) / 1.772, (red - luma) / 1.402], 1), 2)
    luma = _quantize(luma, _LUMA_STEPS, quality)
    chroma = interpolate(_quantize(chroma, _CHROMA_STEPS, quality), scale_factor=2, mode="bilinear")
    blue, red = luma + 1.772 * chroma[:, :1], luma + 1.402 * chroma[:, 1:]
    green = (luma - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
    return torch.cat([red, green, blue], 1)


def _quantize(planes: torch.Tensor, steps: tuple[int, ...], quality: torch.Tensor) -> torch.Tensor:
    """Round the cosine transform of each 8 x 8 block to multiples of its step."""
    count, channels, height, width = planes.shape
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = keep_constants(steps, planes.device).view(8, 8) / 255
    table = (table * scale[:, None, None]).clamp(min=1 / 255)[:, None, None, :, None, :]
    basis = _make_cosine_basis(planes.device)
    blocks = planes.reshape(
        count, channels, height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX
    )
    transformed = torch.einsum("ui,bcyixj,vj->bcyuxv", basis, blocks, basis)
    rounded = (transformed / table).round() * table
    return torch.einsum("ui,bcyuxv,vj->bcyixj", basis, rounded, basis).reshape(planes.shape)


def _make_cosine_basis(device: torch.device) -> torch.Tensor:
    """Return the orthonormal cosine basis, (8 frequencies, 8 pixels)."""
    pixel = torch.arange(_BLOCK_PX, device=device)
    basis = torch.cos((2 * pixel + 1) * pixel[:, None] * math.pi / (2 * _BLOCK_PX)) / 2
    basis[0] /= math.sqrt(2)
    return basis
