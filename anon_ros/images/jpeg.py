"""Facts of a JPEG that OpenCV does not report: its completeness and its chroma sampling."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from anon_ros.errors import ImageFormatError

SIGNATURE = b"\xff\xd8\xff"

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# ISO/IEC 10918-1 table B.1: start of frame, without DHT (C4), JPG (C8) and DAC (CC)
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A scan ends at the first 0xFF that is neither stuffed (00), a restart (D0-D7) nor a fill byte (FF)
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True)
class JpegInfo:
    """The properties that a JPEG keeps when it is encoded again.

    Attributes:
        end: where its first picture ends; phones put further pictures and videos behind it.
        has_thumbnail: its metadata hold another picture, which may be older than the image.
        is_gray: it has one component.
        size_wh: width and height that the frame header declares, px.
        chroma_hw: pixels per chroma sample: (1, 1) is 4:4:4, (1, 2) 4:2:2, (2, 2) 4:2:0.
    """

    end: int
    has_thumbnail: bool
    size_wh: tuple[int, int]
    is_gray: bool
    chroma_hw: tuple[int, int]


def parse_jpeg(data: bytes) -> JpegInfo:
    """Walk through a JPEG from its first marker to its last.

    The decoder (libjpeg) shows the missing part of a cut file as gray and reports success.

    Raises:
        ImageFormatError: if it is cut short or has no frame.
    """
    frame = None
    has_thumbnail = False
    end = 0
    for marker, payload, end in _iter_segments(data):  # noqa: B007 - the last one is wanted
        if marker in _START_OF_FRAME:
            frame = frame or payload  # the first: that is the one that a decoder reads
        elif SIGNATURE in payload:
            has_thumbnail = True
    if frame is None:
        message = f"JPEG of {len(data)} bytes has no frame header; it is damaged"
        raise ImageFormatError(message)
    height_px, width_px = struct.unpack_from(">HH", frame.ljust(5, b"\0"), 1)
    return JpegInfo(end, has_thumbnail, (width_px, height_px), *_parse_sampling(frame))


def _iter_segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, content and end of each segment up to the image's end, which must be there."""
    at = 2
    while data[at : at + 1] == b"\xff":
        marker = data[at + 1] if at + 1 < len(data) else None
        if marker == _END_OF_IMAGE:
            yield marker, b"", at + 2
            return
        if marker is None:
            break
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte may precede any marker
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : end], end
        at = end
        if marker == _START_OF_SCAN:
            match = _AFTER_SCAN.search(data, at)
            at = match.start() if match else len(data)
    message = f"JPEG of {len(data)} bytes is cut short or damaged: no end of image after its scans"
    raise ImageFormatError(message)


def _parse_sampling(payload: bytes) -> tuple[bool, tuple[int, int]]:
    """Return from a frame header if it has a single component, and the pixels per chroma sample."""
    # Precision 1 byte, height 2, width 2, components 1; then of each: id, sampling, table.
    sampling = payload[7::3][: payload[5]] if len(payload) > 5 else b""  # noqa: PLR2004 - as above
    if not sampling:
        message = f"JPEG has a frame header of {len(payload)} bytes; it is damaged"
        raise ImageFormatError(message)
    luma, chroma = sampling[0], sampling[-1]
    if not (chroma >> 4 and chroma & 15):
        message = f"JPEG has the sampling factors {sampling.hex()}; it is damaged"
        raise ImageFormatError(message)
    chroma_hw = ((luma & 15) // (chroma & 15), (luma >> 4) // (chroma >> 4))
    return len(sampling) == 1, chroma_hw
