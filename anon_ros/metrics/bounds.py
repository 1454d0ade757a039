"""Where a mask lies."""

import cv2
import numpy as np

from anon_ros.core import Mask, Roi


def bounds(mask: Mask) -> Roi:
    """The tight bounds of an (H, W) bool mask; without any pixel if the mask has none."""
    x0, y0, width_px, height_px = cv2.boundingRect(mask.view(np.uint8))
    return Roi(x0, y0, x0 + width_px, y0 + height_px)
