"""The end of a complete PNG: PNG specification (W3C), section 5, chunks."""

import struct
import zlib

from anon_ros.errors import ImageFormatError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEADER = struct.Struct(">I4s")  # length of the content, type
_IHDR_END = 33
_CRC = struct.Struct(">I")


def read_size(data: bytes) -> tuple[int, int]:
    """Return width and height that the first chunk declares, px.

    Raises:
        ImageFormatError: if there is no complete first chunk IHDR.
    """
    kind, end = _read_chunk(data, len(SIGNATURE))
    if kind != b"IHDR" or end != _IHDR_END:
        message = f"PNG is damaged: its first chunk is {kind!r} and ends at byte {end}"
        raise ImageFormatError(message)
    width_px, height_px = struct.unpack_from(">II", data, len(SIGNATURE) + _HEADER.size)
    return width_px, height_px


def find_png_end(data: bytes) -> int:
    """Walk through a PNG from its first chunk to its last and return where that ends.

    Raises:
        ImageFormatError: if it is cut short, damaged or animated.
    """
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        kind, at = _read_chunk(data, at)
        if kind == b"acTL":
            message = "PNG is animated: only its first picture would be seen; give single pictures"
            raise ImageFormatError(message)
    return at


def _read_chunk(data: bytes, at: int) -> tuple[bytes, int]:
    """Return type and end of the chunk that starts at ``at``."""
    if at + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, at)
        content_end = at + _HEADER.size + length
        if content_end + _CRC.size <= len(data):
            (expected,) = _CRC.unpack_from(data, content_end)
            if zlib.crc32(memoryview(data)[at + 4 : content_end]) == expected:
                return bytes(kind), content_end + _CRC.size
            message = f"PNG is damaged: wrong checksum of the chunk at byte {at}"
            raise ImageFormatError(message)
    message = f"PNG of {len(data)} bytes is cut short: its chunk at byte {at} has no end"
    raise ImageFormatError(message)
