"""Colors, patterns and light for rendered figures, drawn anew for every batch."""

import torch
from torch.nn.functional import interpolate

from training.constants import keep_constants
from training.figures import Material
from training.random_values import RandomValues

# sRGB, from light to dark, after the scale of Monk (skintone.google).
_SKIN = (
    (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
    (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
)  # fmt: skip
_HAIR = (
    (18, 15, 14), (28, 21, 18), (42, 30, 24), (66, 46, 32), (100, 70, 44), (150, 114, 68),
    (196, 164, 110), (120, 116, 112), (176, 174, 170), (222, 220, 216), (110, 50, 28),
)  # fmt: skip
_DENIM = ((34, 38, 52), (48, 60, 88), (74, 92, 124), (110, 128, 156), (150, 164, 182))
_DENIM_RATIO = 0.35
# Materials of cloth and the probability that one of them is dark or without color.
_CLOTHS = {
    Material.TOP: 0.6,
    Material.BOTTOM: 0.75,
    Material.SHOES: 0.75,
    Material.SECOND_CLOTH: 0.45,
    Material.BAG: 0.7,
    Material.HEADGEAR: 0.65,
    Material.VEHICLE: 0.5,
    Material.LEGWEAR: 0.8,
    Material.BOOTS: 0.8,
}
_PATTERNED = {Material.TOP: 0.35, Material.BOTTOM: 0.1}
_GAMMA = 2.2


def dress(figures: torch.Tensor, random: RandomValues) -> torch.Tensor:
    """Return figures in random clothes and light.

    Args:
        figures: (B, 4, H, W) uint8, see ``load_figures``.
        random: on their device.

    Returns:
        (B, 4, H, W) float32: sRGB in 0..1 multiplied by alpha, and alpha (0 or 1).
    """
    material = figures[:, 0].long()
    alpha = (material > 0).float()[:, None]
    reflected = _color_materials(material, figures[:, 3].float() / 255, random)
    lit = reflected * _light(_read_normals(figures), random)
    return torch.cat([lit.clamp(1e-5, 1) ** (1 / _GAMMA) * alpha, alpha], 1)


def _color_materials(
    material: torch.Tensor, height: torch.Tensor, random: RandomValues
) -> torch.Tensor:
    """Return linear RGB, (B, 3, H, W)."""
    colors, second_colors = (
        _draw_palette(len(material), random),
        _draw_palette(len(material), random),
    )
    batch = torch.arange(len(material), device=material.device)[:, None, None]
    first, second = colors[batch, material], second_colors[batch, material]
    has_pattern = torch.zeros_like(material, dtype=torch.bool)
    for cloth, ratio in _PATTERNED.items():
        has_pattern |= (material == cloth) & _draw_pattern(height, ratio, random)
    mixed = torch.where(has_pattern[..., None], second, first).permute(0, 3, 1, 2)
    return mixed * _draw_folds(material.shape, random)


def _draw_palette(count: int, random: RandomValues) -> torch.Tensor:
    """Return one linear color per material, (B, materials, 3)."""
    palette = torch.zeros(count, len(Material), 3, device=random.device)
    palette[:, Material.SKIN] = _mix_tones(_SKIN, count, random)
    palette[:, Material.HAIR] = _mix_tones(_HAIR, count, random)
    palette[:, Material.TYRE] = random.uniform(0.005, 0.06, count, 1)
    for cloth, neutral_ratio in _CLOTHS.items():
        palette[:, cloth] = _draw_cloth_color(count, neutral_ratio, random)
    is_denim = random.happens(_DENIM_RATIO, count)[:, None]
    denim = _mix_tones(_DENIM, count, random)
    palette[:, Material.BOTTOM] = torch.where(is_denim, denim, palette[:, Material.BOTTOM])
    return palette


def _mix_tones(
    tones: tuple[tuple[int, int, int], ...], count: int, random: RandomValues
) -> torch.Tensor:
    """Return mixtures of neighboring tones, (B, 3) linear."""
    linear = (keep_constants(tones, random.device) / 255) ** _GAMMA
    position = random.uniform(0, len(tones) - 1.001, count)
    low, ratio = position.long(), position.frac()[:, None]
    return linear[low].lerp(linear[low + 1], ratio) * random.uniform(0.85, 1.15, count, 3)


def _draw_cloth_color(count: int, neutral_ratio: float, random: RandomValues) -> torch.Tensor:
    """Return colors of cloth, (B, 3) linear: near black to white, or of any hue."""
    is_neutral = random.happens(neutral_ratio, count)[:, None]
    # More dark than light ones, as in streets.
    value = torch.where(
        random.happens(0.6, count, 1),
        random.uniform(0.006, 0.1, count, 1),
        random.uniform(0.08, 0.85, count, 1),
    )
    tint = 1 + random.uniform(-0.18, 0.18, count, 3)
    hue = random.uniform(0, 1, count, 1) + torch.arange(3, device=random.device) / 3
    saturation = 0.2 + 0.75 * random.uniform(0, 1, count, 1).square()
    pure = 1 - saturation * (0.5 - 0.5 * torch.cos(2 * torch.pi * hue))
    colored = (pure**_GAMMA) * random.uniform(0.03, 0.9, count, 1)
    return torch.where(is_neutral, value * tint, colored)


def _draw_pattern(height: torch.Tensor, ratio: float, random: RandomValues) -> torch.Tensor:
    """Return where cloth shows its second color, (B, H, W) bool; anywhere in ``ratio`` of them."""
    count, height_px, width_px = height.shape
    frequency = random.uniform(8, 40, count, 1, 1)
    stripes = (height * frequency).frac() < random.uniform(0.2, 0.6, count, 1, 1)
    across = torch.arange(width_px, device=height.device)[None, None] / width_px
    checks = stripes ^ ((across * frequency).frac() < 0.5)
    coarse = random.normal(count, 1, 12, 8)
    prints = interpolate(coarse, (height_px, width_px), mode="bicubic")[:, 0] > random.uniform(
        0.6, 1.5, count, 1, 1
    )
    kind = random.uniform(0, 1 / ratio, count, 1, 1)
    return (
        (stripes & (kind < 0.3))
        | (checks & (kind >= 0.3) & (kind < 0.45))
        | (prints & (kind >= 0.45) & (kind < 1))
    )


def _draw_folds(shape: torch.Size, random: RandomValues) -> torch.Tensor:
    """Return brightness of folds and dirt, (B, 1, H, W) around 1."""
    count, height_px, width_px = shape
    coarse = random.normal(count, 1, 24, 12)
    folds = interpolate(coarse, (height_px, width_px), mode="bicubic")
    return (1 + random.uniform(0, 0.12, count, 1, 1, 1) * folds).clamp(0.5, 1.5)


def _read_normals(figures: torch.Tensor) -> torch.Tensor:
    """Return unit normals in camera space (right, up, towards the camera), (B, 3, H, W)."""
    across = (figures[:, 1:3].float() - 127.5) / 127
    toward = (1 - across.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    return torch.cat([across, toward], 1)


def _light(normals: torch.Tensor, random: RandomValues) -> torch.Tensor:
    """Return irradiance, (B, 3, H, W): sky, ground and one sun or lamp above the horizon."""
    count = len(normals)
    direction = random.normal(count, 3)
    direction[:, 1] = direction[:, 1].abs() + 0.2
    direction = direction / direction.norm(dim=1, keepdim=True)
    facing = torch.einsum("bchw,bc->bhw", normals, direction)[:, None]
    sun = random.uniform(0, 1.3, count, 1, 1, 1) * random.happens(0.6, count, 1, 1, 1)
    sky = random.uniform(0.45, 1.0, count, 1, 1, 1)
    from_above = 0.5 + 0.5 * normals[:, 1:2]
    ground_ratio = random.uniform(0.3, 0.8, count, 1, 1, 1)
    # Where a surface turns away, folds and limbs hide a part of the sky.
    hidden = 0.7 + 0.3 * normals[:, 2:3]
    ambient = sky * hidden * (ground_ratio + (1 - ground_ratio) * from_above)
    warm = 1 + random.uniform(-0.1, 0.1, count, 3, 1, 1)
    return ambient + sun * warm * facing.clamp(min=0)
