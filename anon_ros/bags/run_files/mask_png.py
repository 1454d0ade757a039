"""Masks as PNG with one bit per pixel."""

import cv2
import numpy as np

from anon_ros.core import Mask
from anon_ros.errors import ImageFormatError
from anon_ros.images import DEFAULT_MAX_PIXELS
from anon_ros.images.files.png import parse_png
from anon_ros.images.size_limit import reject_oversized


def encode_mask_png(mask: Mask) -> bytes | None:
    """Return a mask as PNG; None if it is empty.

    Args:
        mask: (H, W) bool.
    """
    if not mask.any():
        return None
    pixels = mask.view(np.uint8) * np.uint8(255)
    return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes())


def decode_mask_png(png: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> Mask:
    """Return the (H, W) bool mask of a PNG.

    Raises:
        ValueError: if it is damaged, or has more than ``max_pixels``: it may be anybody's.
    """
    try:
        reject_oversized(*parse_png(png).size_wh, max_pixels)
    except ImageFormatError as error:
        raise ValueError(str(error)) from error
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        message = f"mask of {len(png)} bytes is damaged"
        raise ValueError(message)
    return np.asarray(pixels > 0, np.bool_)
