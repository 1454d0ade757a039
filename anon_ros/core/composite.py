"""Putting inpainted persons onto the covered frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from anon_ros.core.masks import PersonRegion
from anon_ros.core.roi import Roi
from anon_ros.core.types import Mask, RgbImage, all_channels_below, copy_masked


@dataclass(frozen=True)
class Layer:
    """One inpainted person: ``patch`` is (h, w, 3) uint8 RGB, the size of the region's window."""

    region: PersonRegion
    patch: RgbImage


def composite(canvas: RgbImage, layers: Sequence[Layer], persons_mask: Mask) -> RgbImage:
    """A copy of ``canvas`` with the layers pasted in the order given, the last on top.

    A feather is blended only where nobody was: outside its own mask a patch shows what the
    inpainter was given there, which on another person would be that person.
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
    """(H, W) bool: every person's mask and the feathers that were blended."""
    replaced = persons_mask.copy()
    for layer in layers:
        replaced[layer.region.window.slices] |= layer.region.feather_alpha > 0
    return replaced


def force_difference(result: RgbImage, original: RgbImage, replaced: Mask) -> RgbImage:
    """A copy of ``result`` in which no replaced pixel equals the original.

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
