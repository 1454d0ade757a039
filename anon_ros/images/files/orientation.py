"""The orientation of stored pixels, as EXIF and XMP state it: CIPA DC-008 (Exif 2.32), tag 274.

1 is upright, 2 to 4 are mirrored or upside down, 5 to 8 lie on their side.
"""

import re
import struct

import numpy as np

from anon_ros.images.bit_depth import Samples

UPRIGHT = 1
EXIF_HEAD = b"Exif\0\0"

_ORIENTATION_TAG = 0x0112
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ENTRY_BYTES = 12
_VALUE_CODES = {1: "B", 3: "H", 4: "I"}  # TIFF types BYTE, SHORT, LONG
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|>)\s*([1-8])")
_INVERSE = {6: 8, 8: 6}


def parse_exif(exif: bytes) -> int | None:
    """Return the orientation of EXIF data, 1..8; None if they state none.

    Args:
        exif: a TIFF header and what follows, with or without EXIF_HEAD.
    """
    tiff = exif[len(EXIF_HEAD) :] if exif.startswith(EXIF_HEAD[:5]) else exif
    order = _BYTE_ORDERS.get(tiff[:4])
    if order is None:
        return None
    try:
        return _find_tag(tiff, order)
    except struct.error:  # cut short
        return None


def _find_tag(tiff: bytes, order: str) -> int | None:
    (ifd,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, ifd)
    for at in range(ifd + 2, ifd + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, at)
        if tag == _ORIENTATION_TAG:
            (value,) = struct.unpack_from(order + _VALUE_CODES.get(kind, "H"), tiff, at + 8)
            return int(value) if value in range(1, 9) else None
    return None


def parse_xmp(xmp: bytes) -> int | None:
    """Return the orientation of an XMP packet, 1..8; None if it states none."""
    match = _XMP_ORIENTATION.search(xmp)
    return int(match[1]) if match else None


def make_exif(orientation: int) -> bytes:
    """Return a TIFF header with an orientation, 1..8, and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION_TAG, 3, 1, orientation, 0, 0)


def turn_upright(samples: Samples, orientation: int) -> Samples:
    """Return stored samples, (H, W) or (H, W, C), as they are shown."""
    if orientation >= 5:  # noqa: PLR2004 - see above
        samples = samples.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        samples = samples[::-1]
    if orientation in {2, 3, 6, 7}:
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def turn_back(samples: Samples, orientation: int) -> Samples:
    """Return shown samples, (H, W) or (H, W, C), as they are stored."""
    return turn_upright(samples, _INVERSE.get(orientation, orientation))
