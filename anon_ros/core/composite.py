"""Compositing of inpainted persons over the covered frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from anon_ros.core.masks import PersonRegion
from anon_ros.core.roi import Roi
from anon_ros.core.types import Mask, RgbImage, all_channels_below, copy_masked


@dataclass(frozen=True)
class Layer:
    """An inpainted person: ``patch`` is (h, w, 3) uint8 RGB, the size of the region's window."""

    region: PersonRegion
    patch: RgbImage


def composite(canvas: RgbImage, layers: Sequence[Layer], persons_mask: Mask) -> RgbImage:
    """Return a copy of ``canvas`` with the layers pasted in their order, the last on top.

    A feather is blended only outside all persons: outside its own mask a patch shows the
    inpainter's input, which on another person would be that person.
    """
    result = canvas.copy()
    for layer in layers:
        region, below = layer.region, result[layer.region.window.slices]
        feather = (region.feather_alpha > 0) & ~persons_mask[region.window.slices]
        alpha = region.feather_alpha[feather][:, None]
        below[feather] = np.rint(alpha * layer.patch[feather] + (1 - alpha) * below[feather])
        copy_masked(layer.patch, region.mask, below)
    return result


def replaced_mask(layers: Sequence[Layer], persons_mask: Mask) -> Mask:
    """Return (H, W) bool: every person's mask and the feathers that were blended."""
    replaced = persons_mask.copy()
    for layer in layers:
        replaced[layer.region.window.slices] |= layer.region.feather_alpha > 0
    return replaced


def force_difference(result: RgbImage, original: RgbImage, replaced: Mask) -> RgbImage:
    """Return a copy of ``result`` in which no replaced pixel equals the original.

    A generated pixel can equal the original by chance. Moved by one level in each channel, it no
    longer does, and the two images alone prove which pixels were replaced.
    """
    moved = result.copy()
    bounds = Roi.from_mask(replaced)
    if not bounds.is_empty:
        window = bounds.slices
        difference = cv2.absdiff(result[window], original[window])
        equal = all_channels_below(difference, 0) & replaced[window]
        moved[window][equal] ^= 1
    return moved
