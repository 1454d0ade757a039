"""Training samples: a figure in a street, cut out and masked as the product does it."""

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d, grid_sample, max_pool2d

from training.camera import blur, photograph
from training.dressing import dress
from training.figures import HEIGHT_PX, WIDTH_PX, measure_extents
from training.random_values import RandomValues

VAE_FACTOR = 4
_GROUPS = 4  # parts of a batch that share what cannot differ within a call


@dataclass(frozen=True)
class CropBatch:
    """Crops of one size.

    Attributes:
        images: (B, 3, H, W) in -1..1.
        cells: (B, 1, H / 4, W / 4), 1 where the person is to be generated.
    """

    images: torch.Tensor
    cells: torch.Tensor

    @property
    def masked_images(self) -> torch.Tensor:
        """Images without the person: 0 (gray) in all pixels of ``cells``."""
        pixels = self.cells.repeat_interleave(VAE_FACTOR, 2).repeat_interleave(VAE_FACTOR, 3)
        return self.images * (1 - pixels)


@dataclass(frozen=True)
class _Placement:
    """Place of figures in crops: center and pixels per pixel of the figure, (B,) each."""

    x: torch.Tensor
    y: torch.Tensor
    scale: torch.Tensor

    def shift(self, right: torch.Tensor, down: torch.Tensor) -> "_Placement":
        return _Placement(self.x + right, self.y + down, self.scale)


class CropMaker:
    """Makes crops of random figures in random streets.

    Args:
        figures: (N, 4, 192, 128) uint8.
        streets: (M, 3, S, S) uint8, on the same device.
        random: on their device.
    """

    def __init__(self, figures: torch.Tensor, streets: torch.Tensor, random: RandomValues) -> None:
        self._figures, self._streets, self._random = figures, streets, random

    @torch.no_grad()
    def make_batch(self, count: int, height: int, width: int) -> CropBatch:
        """Return ``count`` crops of height x width pixels, multiples of 16."""
        random = self._random
        figures = self._figures[random.choose(len(self._figures), count)]
        layers = _list_sizes(dress(figures, random))
        placement = self._place(measure_extents(figures), height, width)
        images = self._cut_streets(count, height, width)
        images = self._add_neighbors(images, layers, placement)
        person = self._put(layers, placement, height, width)
        images = self._cast_shadow(images, layers, placement, person)
        images = images * (1 - person[:, 3:]) + person[:, :3]
        images, visible = self._add_occluder(images, layers, placement, person[:, 3:])
        masks = self._grow_masks(visible)
        cells = adaptive_max_pool2d(masks, (height // VAE_FACTOR, width // VAE_FACTOR))
        return CropBatch(photograph(images, random) * 2 - 1, cells)

    def _place(self, extents: torch.Tensor, height: int, width: int) -> _Placement:
        """Place figures as the product's crops do: at 1.5 times the person's bounds, or more.

        The window of a tracked person is larger, and follows them with a lag.
        """
        random, count = self._random, len(extents)
        share = random.uniform(0.55, 0.7, count)
        share = torch.where(
            random.happens(0.4, count), share * random.uniform(0.5, 1, count), share
        )
        scale = share * torch.minimum(height / extents[:, 0], width / extents[:, 1])
        # Near the border of the camera image the crop is moved; then the person is off its center.
        wide = torch.where(random.happens(0.12, count), 0.25, 0.05)
        x = width * (0.5 + wide * random.normal(count).clamp(-1.5, 1.5))
        y = height * (0.5 + wide * random.normal(count).clamp(-1.5, 1.5))
        return _Placement(x, y, scale)

    def _cut_streets(self, count: int, height: int, width: int) -> torch.Tensor:
        """Return parts of streets, (count, 3, height, width) in 0..1."""
        return torch.cat([self._cut_group(part, height, width) for part in _split_count(count)])

    def _cut_group(self, count: int, height: int, width: int) -> torch.Tensor:
        random, side = self._random, self._streets.shape[-1]
        streets = self._streets[random.choose(len(self._streets), count)].float() / 255
        zoom = min(random.host.uniform(0.5, 2.4), side / max(height, width))
        if zoom > 1.5:
            streets = avg_pool2d(streets, 2)
        scale_x, scale_y = zoom * width / side, zoom * height / side
        theta = torch.zeros(count, 2, 3, device=random.device)
        theta[:, 0, 0] = scale_x * torch.where(random.happens(0.5, count), 1.0, -1.0)
        theta[:, 1, 1].fill_(scale_y)
        theta[:, 0, 2] = random.uniform(-1, 1, count) * (1 - scale_x)
        theta[:, 1, 2] = random.uniform(-1, 1, count) * (1 - scale_y)
        return _sample(streets, theta, height, width)

    def _put(
        self, layers: list[torch.Tensor], placement: _Placement, height: int, width: int
    ) -> torch.Tensor:
        """Return figures at their place, (B, 4, height, width), colors multiplied by alpha."""
        random, count = self._random, len(placement.x)
        stretch = random.uniform(0.94, 1.06, count)
        theta = torch.zeros(count, 2, 3, device=random.device)
        figure_width = WIDTH_PX * placement.scale * stretch
        figure_height = HEIGHT_PX * placement.scale
        mirrored = torch.where(random.happens(0.5, count), 1.0, -1.0)
        lean = random.uniform(-0.06, 0.06, count)
        theta[:, 0, 0] = mirrored * width / figure_width
        theta[:, 0, 1] = lean * height / figure_width
        theta[:, 0, 2] = mirrored * (width - 2 * placement.x) / figure_width
        theta[:, 1, 1] = height / figure_height
        theta[:, 1, 2] = (height - 2 * placement.y) / figure_height
        # The layer whose pixels are about as large as the crop's: most figures fill 0.65 of it.
        level = int(math.log2(max(1.0, HEIGHT_PX / (0.65 * height))))
        return _sample(layers[min(level, len(layers) - 1)], theta, height, width)

    def _add_neighbors(
        self, images: torch.Tensor, layers: list[torch.Tensor], placement: _Placement
    ) -> torch.Tensor:
        """Draw up to two persons behind: figures of other samples."""
        random, (count, _, height, width) = self._random, images.shape
        for turn, probability in ((1, 0.3), (2, 0.12)):
            right = width * random.uniform(0.1, 0.6, count)
            right = torch.where(random.happens(0.5, count), right, -right)
            down = height * random.uniform(-0.25, 0.05, count)
            moved = _Placement(
                placement.x, placement.y, placement.scale.roll(turn) * random.uniform(0.6, 1, count)
            ).shift(right, down)
            other = self._put([layer.roll(turn, 0) for layer in layers], moved, height, width)
            other = other * random.happens(probability, count)[:, None, None, None]
            images = images * (1 - other[:, 3:]) + other[:, :3]
        return images

    def _cast_shadow(
        self,
        images: torch.Tensor,
        layers: list[torch.Tensor],
        placement: _Placement,
        person: torch.Tensor,
    ) -> torch.Tensor:
        """Darken the ground at the feet and, in the sun, along a flat shape of the person."""
        random, (count, _, height, width) = self._random, images.shape
        half = HEIGHT_PX * placement.scale / 2
        flat = random.uniform(0.15, 0.5, count)
        slant = random.uniform(-1.5, 1.5, count)
        theta = torch.zeros(count, 2, 3, device=random.device)
        # Crop pixels to figure: the ground point at ``depth`` behind the feet shows the body part
        # at depth / flat above the sole.
        foot = placement.y + half
        figure_width, figure_height = WIDTH_PX * placement.scale, HEIGHT_PX * placement.scale
        theta[:, 1, 1] = height / (figure_height * flat)
        theta[:, 1, 2] = 1 + (height - 2 * foot) / (figure_height * flat)
        theta[:, 0, 0] = width / figure_width
        theta[:, 0, 1] = slant * height / figure_width
        theta[:, 0, 2] = (width - 2 * placement.x + slant * (height - 2 * foot)) / figure_width
        cast = _sample(layers[min(1, len(layers) - 1)][:, 3:], theta, height, width)
        strength = random.uniform(0.1, 0.6, count) * random.happens(0.4, count)
        shadow = blur(cast, random.uniform(0.4, 2, count)) * strength[:, None, None, None]
        y = torch.arange(height, device=random.device)[None, :, None] + 0.5
        x = torch.arange(width, device=random.device)[None, None] + 0.5
        wide = (placement.scale * 22)[:, None, None]
        distance = ((x - placement.x[:, None, None]) / wide) ** 2
        distance = distance + ((y - foot[:, None, None]) / (0.3 * wide)) ** 2
        contact = torch.exp(-distance)[:, None] * random.uniform(0, 0.6, count, 1, 1, 1)
        return images * (1 - torch.maximum(shadow, contact) * (1 - person[:, 3:]))

    def _add_occluder(
        self,
        images: torch.Tensor,
        layers: list[torch.Tensor],
        placement: _Placement,
        alpha: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw a person or a bar in front of some; return images and what shows of the person."""
        random, (count, _, height, width) = self._random, images.shape
        right = width * random.uniform(0.15, 0.4, count)
        right = torch.where(random.happens(0.5, count), right, -right)
        nearer = _Placement(
            placement.x, placement.y, placement.scale.roll(3) * random.uniform(0.9, 1.3, count)
        ).shift(right, height * random.uniform(0, 0.2, count))
        front = self._put([layer.roll(3, 0) for layer in layers], nearer, height, width)
        front = front * random.happens(0.14, count)[:, None, None, None]
        front = torch.where(
            random.happens(0.1, count)[:, None, None, None], self._draw_bars(images), front
        )
        return images * (1 - front[:, 3:]) + front[:, :3], alpha * (1 - front[:, 3:])

    def _draw_bars(self, images: torch.Tensor) -> torch.Tensor:
        """Return posts, rails and boxes that hide a part, (B, 4, H, W)."""
        random, (count, _, height, width) = self._random, images.shape
        y = (torch.arange(height, device=random.device)[None, :, None] + 0.5) / height
        x = (torch.arange(width, device=random.device)[None, None] + 0.5) / width
        left, top = random.uniform(0, 1, count, 1, 1), random.uniform(0.4, 0.9, count, 1, 1)
        is_post = random.happens(0.5, count, 1, 1)
        size = random.uniform(0.03, 0.25, count, 1, 1)
        inside = torch.where(
            is_post, (x - left).abs() < 0.5 * size, (y > top) & (y < top + 2 * size)
        )
        color = random.uniform(0.05, 0.85, count, 1, 1, 1) * random.uniform(
            0.8, 1.2, count, 3, 1, 1
        )
        alpha = inside.expand(count, height, width)[:, None].float()
        return torch.cat([color.clamp(0, 1) * alpha, alpha], 1)

    def _grow_masks(self, visible: torch.Tensor) -> torch.Tensor:
        """Return masks as a segmenter and the product's dilation give them, (B, 1, H, W) 0 or 1."""
        random, height = self._random, visible.shape[2]
        masks = []
        for part in visible.split(_split_count(len(visible))):
            mask = (part > random.uniform(0.2, 0.6, len(part), 1, 1, 1)).float()
            radius = int(random.host.uniform(1.5, max(2.6, 0.055 * height)))
            masks.append(_dilate(mask, radius))
        mask = torch.cat(masks)
        # Where masks are missing or follow a moving person the whole box is replaced.
        is_box = random.happens(0.08, len(mask))[:, None, None, None]
        box = mask.amax(2, keepdim=True) * mask.amax(3, keepdim=True)
        return torch.where(is_box, box, mask)


def _list_sizes(dressed: torch.Tensor) -> list[torch.Tensor]:
    """Return figures at full, half, quarter and eighth size."""
    return [dressed, *(avg_pool2d(dressed, 2**level) for level in (1, 2, 3))]


def _split_count(count: int) -> list[int]:
    """Return the sizes of the parts of a batch."""
    parts = min(_GROUPS, count)
    return [count // parts + (index < count % parts) for index in range(parts)]


def _sample(images: torch.Tensor, theta: torch.Tensor, height: int, width: int) -> torch.Tensor:
    size = [len(images), 1, height, width]
    grid = torch.nn.functional.affine_grid(theta, size, align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def _dilate(mask: torch.Tensor, radius_px: int) -> torch.Tensor:
    """Grow by an octagon, in place of the product's ellipse."""
    straight = max(1, round(0.59 * radius_px))
    for _ in range(radius_px - straight):
        mask = torch.maximum(
            max_pool2d(mask, (3, 1), 1, (1, 0)), max_pool2d(mask, (1, 3), 1, (0, 1))
        )
    return max_pool2d(mask, 2 * straight + 1, 1, straight)
