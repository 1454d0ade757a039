"""Compositing of inpainted persons over the covered frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

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
    pixels = result.reshape(-1, 3)
    for layer in layers:
        region, window = layer.region, layer.region.window
        feather = (region.feather_alpha > 0) & ~persons_mask[window.slices]
        # By index: NumPy needs three times as long for an (H, W, 3) array at an (H, W) mask.
        inside = np.flatnonzero(feather)
        at = _to_image_indices(inside, window, canvas.shape[1])
        alpha = region.feather_alpha.reshape(-1)[inside, None]
        patch = layer.patch.reshape(-1, 3)[inside]
        pixels[at] = np.rint(alpha * patch + (1 - alpha) * pixels[at])
        copy_masked(layer.patch, region.mask, result[window.slices])
    return result


def replaced_mask(layers: Sequence[Layer], persons_mask: Mask) -> Mask:
    """Return (H, W) bool: every person's mask and the feathers that were blended."""
    replaced = persons_mask.copy()
    for layer in layers:
        replaced[layer.region.window.slices] |= layer.region.feather_alpha > 0
    return replaced


def force_difference(result: RgbImage, original: RgbImage, replaced: Mask) -> None:
    """Change ``result`` in place so that no replaced pixel equals the original.

    A generated pixel can equal the original by chance. Moved by one level in each channel, it no
    longer does, and the two images alone prove which pixels were replaced.
    """
    bounds = Roi.from_mask(replaced)
    if not bounds.is_empty:
        window = bounds.slices
        difference = cv2.absdiff(result[window], original[window])
        equal = all_channels_below(difference, 0) & replaced[window]
        at = _to_image_indices(np.flatnonzero(equal), bounds, result.shape[1])
        result.reshape(-1, 3)[at] ^= 1


def _to_image_indices(
    indices: npt.NDArray[np.intp], window: Roi, width_px: int
) -> npt.NDArray[np.intp]:
    """Return indices of pixels of a window as those of the image, ``width_px`` wide."""
    rows = indices // window.width_px
    origin = window.y0 * width_px + window.x0
    return np.asarray(indices + rows * (width_px - window.width_px) + origin, np.intp)
