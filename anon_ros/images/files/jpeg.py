"""The segments of a JPEG: its completeness, its chroma sampling, and what of its metadata is kept.

Only what is known to hold no picture is kept: the JFIF head without thumbnail, a color profile of
numbers, the orientation, Adobe's color transform, our own mark and what the pixels themselves need.
"""

import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from anon_ros.errors import ImageFormatError
from anon_ros.images.files.color_profile import reduce_profile
from anon_ros.images.files.jpeg_tables import START_OF_FRAME, START_OF_SCAN, drop_unused_tables
from anon_ros.images.files.orientation import EXIF_HEAD, UPRIGHT, make_exif, parse_exif, parse_xmp
from anon_ros.images.files.synthetic_mark import XMP_MARK

SIGNATURE = b"\xff\xd8\xff"

START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", 0xD9
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_JFIF_HEAD, _JFIF_BYTES = b"JFIF\0", 14
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_PROFILE_HEAD = b"ICC_PROFILE\0"
_ADOBE_HEAD, _ADOBE_BYTES = b"Adobe", 12
_JFIF_VERSION_AT, _ADOBE_TRANSFORM_AT = 5, 11
_TRANSFORMS = {3: 1, 4: 2}  # by number of components: what libjpeg takes all but 0 for
_MAX_CONTENT_BYTES = 65533
_SPACES = {1: b"GRAY", 3: b"RGB "}  # by number of components
# A scan ends at the first 0xFF that is neither stuffed (00), a restart (D0-D7) nor a fill byte (FF)
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True)
class JpegInfo:
    """The properties that a JPEG keeps when it is encoded again.

    Attributes:
        end: where its first picture ends; phones put further pictures and videos behind it.
        is_gray: it has one component.
        size_wh: width and height that the frame header declares, px.
        chroma_hw: pixels per chroma sample: (1, 1) is 4:4:4, (1, 2) 4:2:2, (2, 2) 4:2:0.
        orientation: 1..8, how the stored pixels are to be turned.
        profile: its color profile, reduced to numbers; None for none.
        is_marked: it has our own mark of synthetic persons.
    """

    end: int
    size_wh: tuple[int, int]
    is_gray: bool
    chroma_hw: tuple[int, int]
    orientation: int
    profile: bytes | None
    is_marked: bool


class Segment(NamedTuple):
    """A marker with its content, and where both end; a scan's entropy-coded data lie behind."""

    marker: int
    content: bytes
    end: int


def parse_jpeg(data: bytes) -> JpegInfo:
    """Walk through a JPEG from its first marker to its last.

    The decoder (libjpeg) shows the missing part of a cut file as gray and reports success.

    Raises:
        ImageFormatError: if it is cut short or has no frame.
    """
    segments = list(iter_segments(data))
    frames = [segment.content for segment in segments if segment.marker in START_OF_FRAME]
    if not frames:
        message = f"JPEG of {len(data)} bytes has no frame header; it is damaged"
        raise ImageFormatError(message)
    frame = frames[0]  # a decoder reads no further one
    is_gray, chroma_hw = _parse_sampling(frame)
    height_px, width_px = struct.unpack_from(">HH", frame, 1)
    profile = _find_profile(segments, _SPACES.get(frame[5], b""))
    return JpegInfo(
        segments[-1].end,
        (width_px, height_px),
        is_gray,
        chroma_hw,
        _find_orientation(segments),
        profile,
        _XMP_HEAD + XMP_MARK in _list_contents(segments, _APP1, _XMP_HEAD),
    )


def silence_heads(data: bytes) -> bytes:
    """Return a JPEG with the same pixels, of whose JFIF and Adobe heads libjpeg does not warn.

    It prints the first warning of a picture alone: a harmless one would hide damage.

    Raises:
        ImageFormatError: if it is cut short.
    """
    result = bytearray(data)
    segments = list(iter_segments(data))
    frame = next((item.content for item in segments if item.marker in START_OF_FRAME), b"")
    for marker, content, end in segments:
        start = end - len(content)
        if marker == _APP0 and content.startswith(_JFIF_HEAD) and len(content) >= _JFIF_BYTES:
            result[start + _JFIF_VERSION_AT] = 1
        is_adobe = marker == _APP14 and content.startswith(_ADOBE_HEAD)
        if is_adobe and len(content) >= _ADOBE_BYTES and content[_ADOBE_TRANSFORM_AT]:
            at = start + _ADOBE_TRANSFORM_AT
            result[at] = _TRANSFORMS.get(frame[5], result[at])
    return bytes(result)


def find_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height that the frame header of a JPEG, perhaps cut short, declares.

    Raises:
        ImageFormatError: if it ends before its frame header.
        struct.error: if that is too short.
    """
    for segment in iter_segments(data):
        if segment.marker in START_OF_FRAME:
            height_px, width_px = struct.unpack_from(">HH", segment.content, 1)
            return width_px, height_px
    return None


def find_orientation(data: bytes) -> int:
    """Return how the stored pixels of a JPEG, perhaps cut short, are to be turned, 1..8.

    Raises:
        ImageFormatError: if it ends before its first scan.
    """
    head = itertools.takewhile(lambda item: item.marker != START_OF_SCAN, iter_segments(data))
    return _find_orientation(list(head))


def cut_metadata(data: bytes, orientation: int, profile: bytes | None, *, is_marked: bool) -> bytes:
    """Return a JPEG with the same pixels, and with no more metadata than is known to be safe.

    Args:
        data: a whole JPEG; zeros behind it, padding of a message, stay.
        orientation: 1..8, to be stated.
        profile: a reduced color profile, to be stated; None for none.
        is_marked: state that a model drew persons.

    Raises:
        ImageFormatError: if it is cut short or damaged.
    """
    segments = list(iter_segments(data))
    head = [Segment(_APP0, content, 0) for content in _find_jfif(segments)[:1]]
    if orientation != UPRIGHT:
        head.append(Segment(_APP1, EXIF_HEAD + make_exif(orientation), 0))
    if is_marked:
        head.append(Segment(_APP1, _XMP_HEAD + XMP_MARK, 0))
    if profile is not None:
        head.append(Segment(_APP2, _PROFILE_HEAD + b"\1\1" + profile, 0))
    adobe = _list_contents(segments, _APP14, _ADOBE_HEAD, _ADOBE_BYTES)
    head += [Segment(_APP14, content[:_ADOBE_BYTES], 0) for content in adobe[-1:]]
    contents = drop_unused_tables([(item.marker, item.content) for item in segments])
    parts = [START_OF_IMAGE, *(join_segment(item.marker, item.content) for item in head)]
    for segment, content in zip(segments, contents, strict=True):
        if content:
            parts.append(join_segment(segment.marker, content))
        if segment.marker == START_OF_SCAN:
            parts.append(data[segment.end : find_scan_end(data, segment.end)])
    end = segments[-1].end
    padding = data[end:] if not data[end:].strip(b"\0") else b""
    return b"".join([*parts, bytes([0xFF, END_OF_IMAGE]), padding])


def iter_segments(data: bytes) -> Iterator[Segment]:
    """Yield each segment up to the image's end, which must be there."""
    at = 2
    while data[at : at + 1] == b"\xff":
        marker = data[at + 1] if at + 1 < len(data) else None
        if marker == END_OF_IMAGE:
            yield Segment(marker, b"", at + 2)
            return
        if marker is None:
            break
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte may precede any marker
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield Segment(marker, data[at + 4 : end], end)
        at = find_scan_end(data, end) if marker == START_OF_SCAN else end
    message = f"JPEG of {len(data)} bytes is cut short or damaged: no end of image after its scans"
    raise ImageFormatError(message)


def find_scan_end(data: bytes, at: int) -> int:
    match = _AFTER_SCAN.search(data, at)
    return match.start() if match else len(data)


def join_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _list_contents(
    segments: list[Segment], marker: int, head: bytes, min_bytes: int = 0
) -> list[bytes]:
    """Return contents of segments before the first scan; no decoder looks for them behind it."""
    contents = []
    for segment in segments:
        if segment.marker == START_OF_SCAN:
            break
        is_wanted = segment.marker == marker and segment.content.startswith(head)
        if is_wanted and len(segment.content) >= min_bytes:
            contents.append(segment.content)
    return contents


def _find_jfif(segments: list[Segment]) -> list[bytes]:
    """Return heads of JFIF without thumbnail."""
    heads = _list_contents(segments, _APP0, _JFIF_HEAD, _JFIF_BYTES)
    return [head[: _JFIF_BYTES - 2] + bytes(2) for head in heads]


def _find_orientation(segments: list[Segment]) -> int:
    exif = _list_contents(segments, _APP1, EXIF_HEAD[:5])
    xmp = _list_contents(segments, _APP1, _XMP_HEAD)
    stated = [*map(parse_exif, exif), *map(parse_xmp, xmp)]
    return next((value for value in stated if value is not None), UPRIGHT)


def _find_profile(segments: list[Segment], space: bytes) -> bytes | None:
    parts = _list_contents(segments, _APP2, _PROFILE_HEAD, len(_PROFILE_HEAD) + 2)
    parts.sort(key=lambda part: part[len(_PROFILE_HEAD)])  # its number
    profile = reduce_profile(b"".join(part[len(_PROFILE_HEAD) + 2 :] for part in parts), space)
    room = _MAX_CONTENT_BYTES - len(_PROFILE_HEAD) - 2
    return profile if profile is not None and len(profile) <= room else None


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
