"""Image files of any format that OpenCV reads, as a viewer shows them."""

import struct
from pathlib import Path

import cv2
import numpy as np

from anon_ros.core import RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images.bit_depth import Samples
from anon_ros.images.files import jpeg, png
from anon_ros.images.files.decoder import decode_picture
from anon_ros.images.files.orientation import UPRIGHT, turn_upright
from anon_ros.images.size_limit import DEFAULT_MAX_PIXELS, reject_oversized

_PNG_SIZE_OFFSET = 16
_BMP_SIGNATURE, _BMP_SIZE_OFFSET = b"BM", 18


def read_image(path: Path) -> RgbImage:
    """Return a file as (H, W, 3) uint8 RGB, turned upright as its orientation says.

    Raises:
        ImageFormatError: if there is none, or if it cannot be decoded.
    """
    samples = read_samples(path, cv2.IMREAD_COLOR)
    if samples is None:
        message = f"{path} is no image that can be read"
        raise ImageFormatError(message)
    return np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGR2RGB), np.uint8)


def read_samples(path: Path, flags: int) -> Samples | None:
    """Return the samples that OpenCV reads with these flags, upright; None if there is no image.

    OpenCV itself crashes on names that are not valid Unicode, and which orientations it applies
    depends on its version.

    Raises:
        ImageFormatError: if the header declares more pixels than a run takes, or none is known.
    """
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    if not len(data):
        return None
    if size_wh := _find_size(data.tobytes()):
        reject_oversized(*size_wh, DEFAULT_MAX_PIXELS)
    else:
        return None
    # IMREAD_UNCHANGED, which is negative, applies no orientation.
    stored = flags if flags < 0 else flags | cv2.IMREAD_IGNORE_ORIENTATION
    samples, _ = decode_picture(data.tobytes(), stored)
    return None if samples is None else turn_upright(samples, _find_orientation(data.tobytes()))


def _find_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that the header of a JPEG, PNG or BMP declares; None for none."""
    try:
        if data.startswith(jpeg.SIGNATURE):
            return jpeg.find_size(data)
        if data.startswith(png.SIGNATURE):
            return struct.unpack_from(">II", data, _PNG_SIZE_OFFSET)
        if data.startswith(_BMP_SIGNATURE):
            width_px, height_px = struct.unpack_from("<ii", data, _BMP_SIZE_OFFSET)
            return width_px, abs(height_px)  # negative: its first row is the top one
    except (ImageFormatError, struct.error):
        return None
    return None


def _find_orientation(data: bytes) -> int:
    """Return 1..8; a damaged file, and one of a format without orientation, is upright."""
    try:
        if data.startswith(jpeg.SIGNATURE):
            return jpeg.find_orientation(data)
        return png.parse_png(data).orientation if data.startswith(png.SIGNATURE) else UPRIGHT
    except ImageFormatError:
        return UPRIGHT
