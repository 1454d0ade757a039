"""Letterboxing: an image resized to its longer side and padded to whole strides.

Coordinates are continuous pixels, (0, 0) the outer corner of the first one, so that a pixel's
center lies at + 0.5. Each axis has the exact gain of its own resize.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from anon_ros.core import Mask, RgbImage, Roi

_PADDING_GRAY = 114


@dataclass(frozen=True)
class Letterbox:
    """The place of an image in the network's input.

    Attributes:
        image_wh: size of the image, px.
        resized_wh: size of the resized image in the network's input, px.
        network_wh: size of the network's input, px.
        offset_xy: of the resized image in the network's input, px.
    """

    image_wh: tuple[int, int]
    resized_wh: tuple[int, int]
    network_wh: tuple[int, int]
    offset_xy: tuple[int, int]

    @classmethod
    def plan(cls, image_wh: tuple[int, int], inference_px: int, stride_px: int) -> "Letterbox":
        """Fit the longer side to ``inference_px``, rounded up to whole strides."""
        longer_px = math.ceil(inference_px / stride_px) * stride_px
        gain = longer_px / max(image_wh)
        width, height = (max(1, round(side * gain)) for side in image_wh)
        network_w, network_h = (math.ceil(s / stride_px) * stride_px for s in (width, height))
        offset_xy = (network_w - width) // 2, (network_h - height) // 2
        return cls(image_wh, (width, height), (network_w, network_h), offset_xy)

    @classmethod
    def stretch(cls, image_wh: tuple[int, int], side_px: int) -> "Letterbox":
        """Fill a square input of ``side_px``, without padding and whatever the aspect ratio."""
        square = side_px, side_px
        return cls(image_wh, square, square, (0, 0))

    def apply(self, image: RgbImage) -> RgbImage:
        """Return the network's input, (h, w, 3) uint8."""
        (left, top), (width, height) = self.offset_xy, self.resized_wh
        padded = np.full((*self.network_wh[::-1], 3), _PADDING_GRAY, np.uint8)
        resized = cv2.resize(image, self.resized_wh, interpolation=cv2.INTER_LINEAR)
        padded[top : top + height, left : left + width] = resized
        return padded

    def boxes_to_image(self, boxes_xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Convert (N, 4) xyxy boxes from px of the network's input to px of the image, clipped."""
        gain = np.tile(np.divide(self.resized_wh, self.image_wh), 2)
        boxes = (boxes_xyxy - np.tile(self.offset_xy, 2)) / gain
        return np.asarray(np.clip(boxes, 0, np.tile(self.image_wh, 2)), np.float32)

    def get_cell_px(self, columns: int, rows: int) -> tuple[float, float]:
        """Return the size, px of the image, of a cell of a map of the network's whole input."""
        gains = np.divide(self.resized_wh, self.image_wh)
        width, height = np.divide(self.network_wh, (columns, rows)) / gains
        return float(width), float(height)

    def sample(self, logits: torch.Tensor, window: Roi) -> torch.Tensor:
        """Read a map of the network's whole input at every pixel of a window of the image.

        Args:
            logits: (h, w) float, of any resolution.
            window: inside the image.

        Returns:
            (window height, window width) float, bilinearly interpolated.
        """
        u = self._normalize_centers(0, window.x0, window.x1, logits)
        v = self._normalize_centers(1, window.y0, window.y1, logits)
        grid = torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1)
        sampled = torch.nn.functional.grid_sample(
            logits[None, None], grid[None], padding_mode="border", align_corners=False
        )
        return sampled[0, 0]

    def sample_masks(self, logits: torch.Tensor, windows: Sequence[Roi]) -> list[Mask]:
        """Return where maps (N, h, w) are positive, each in its window; downloaded in one copy."""
        if not windows:
            return []
        parts = [self.sample(*pair) > 0 for pair in zip(logits, windows, strict=True)]
        pixels = torch.cat([part.flatten() for part in parts]).cpu().numpy()
        stops = np.cumsum([part.numel() for part in parts])[:-1]
        flat_masks = np.split(pixels, stops)
        return [flat.reshape(part.shape) for flat, part in zip(flat_masks, parts, strict=True)]

    def _normalize_centers(
        self, axis: int, start: int, stop: int, like: torch.Tensor
    ) -> torch.Tensor:
        """Return pixel centers of the image, start to stop, as -1..1 across the network's input."""
        centers = torch.arange(start, stop, device=like.device, dtype=like.dtype) + 0.5
        gain = self.resized_wh[axis] / self.image_wh[axis]
        return (centers * gain + self.offset_xy[axis]) / self.network_wh[axis] * 2 - 1
