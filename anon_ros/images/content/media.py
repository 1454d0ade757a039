"""Search for pictures, films and sounds in the bytes of a message, file or text."""

import re
import struct
from base64 import b64decode
from binascii import Error as Base64Error
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

_MAX_JPEG_SEGMENTS = 64
_MIN_JPEG_SEGMENTS = 2  # three bytes alone are found in any noise
_MAX_TEXT_CHARACTERS = 4096
_BLOCK_BYTES = 2**20  # searched at once
_NUM_TABLES = 3
_SHORT_STARTS = b"B\1"  # of files that begin with two bytes only
_OVERLAP_BYTES = 2**18  # of the start of a file, enough to recognize it
_MAX_PARAMETER_SET_BYTES = 512
_H265_SET = 0x40
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_RIFF_FORMS = {b"WEBP": "a WebP picture", b"AVI ": "a film", b"WAVE": "a sound"}
_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"isom", b"iso2", b"mp4", b"M4", b"qt  ")
_JPEG_START, _PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_SEGMENT_HEAD_BYTES, _MARKER, _START_OF_SCAN = 4, 0xFF, 0xDA
_MIN_BOX_BYTES, _MAX_BOX_BYTES = 8, 4096
_FRAME_HEADER = struct.Struct(">HBHHB")  # length, bits, height, width, channels
_JPEG_BITS = range(2, 17)
_MAX_TIFF_KIND = 18  # of BigTIFF
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PNM_GAP = rb"(?:\s|#[^\n]{0,200}\n)+"  # with comments
_PNM_HEAD = re.compile(
    rb"P(?P<kind>[56])%b(?P<width>\d{1,5})%b(?P<height>\d{1,5})%b(?P<max>\d{1,5})\s"
    % ((_PNM_GAP,) * 3)
)
_MIN_SIDE_PX, _WIDE_SAMPLES = 8, 256
_SUN_HEADER, _SUN_BITS = struct.Struct(">6I"), (1, 8, 24, 32)
_IN_HEADER = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), 0xFE}
_ARCHIVED_PICTURE = re.compile(rb"\.(?:jpe?g|png|webp|gif|bmp|tiff?|mp4|avi)", re.IGNORECASE)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-\s\\]*")
_NO_BASE64 = b" \t\r\n\\"
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})*")
_NUMBERS = re.compile(rb"(?:\d{1,3}[,\s]+)*")


class _Kind(NamedTuple):
    """Bytes at a media file's beginning, and the check that rules out a coincidence."""

    start: bytes
    name_at: Callable[[bytes, int], str]


def find_media(data: bytes) -> str:
    """Return the name of the picture, film or sound in ``data``, at any place; empty if none.

    Also pictures written as text: base64, hexadecimal or decimal numbers. Raw pixels, and whatever
    is compressed or encrypted as a whole, are not recognized.
    """
    return _find_kind(data, _FILES_AND_TEXTS)


def find_media_in_blocks(blocks: Iterable[bytes]) -> str:
    """Return what ``find_media`` finds in data that come block by block."""
    rest = b""
    for block in blocks:
        window = rest + block
        if name := find_media(window):
            return name
        rest = window[-_OVERLAP_BYTES:]
    return ""


def _find_kind(data: bytes, kinds: "_Kinds") -> str:
    for place in kinds.iter_places(data):
        for kind in kinds.by_first_byte[data[place]]:
            if data.startswith(kind.start, place) and (name := kind.name_at(data, place)):
                return name
    return ""


class _Kinds:
    """Kinds of media files, to be looked for all at once.

    Each kind belongs to a group, a bit. A table for each of the first three bytes of a file has the
    groups of which a kind has that byte there, so that a place is worth a look where a group is in
    all three.
    """

    def __init__(self, kinds: Sequence[_Kind]) -> None:
        self.by_first_byte: Mapping[int, list[_Kind]] = defaultdict(list)
        self._tables = np.zeros((_NUM_TABLES, 256), np.uint8)
        for kind in kinds:
            self.by_first_byte[kind.start[0]].append(kind)
            group = np.uint8(1 << _choose_group(kind.start))
            for place, table in enumerate(self._tables):
                is_end = place >= len(kind.start)
                table[slice(None) if is_end else kind.start[place]] |= group

    def iter_places(self, data: bytes) -> Iterator[int]:
        """Yield the places at which a file may begin."""
        # Behind the end: a start of two bytes may be there.
        for start in range(0, len(data), _BLOCK_BYTES):
            block = np.frombuffer(data[start : start + _BLOCK_BYTES + 2] + b"\0\0", np.uint8)
            first, second, third = (
                np.asarray(cv2.LUT(block, table)[:, 0], np.uint8) for table in self._tables
            )
            is_place = (first[:-2] & second[1:-1] & third[2:]) != 0
            yield from (start + np.flatnonzero(is_place)).tolist()


def _choose_group(start: bytes) -> int:
    """Return one of 8 groups; those whose third byte may be any are for short starts alone."""
    first = start[0]
    return _SHORT_STARTS.index(first) if first in _SHORT_STARTS else 2 + first % 6


def _name_jpeg(data: bytes, place: int) -> str:
    """Follow the segments of a JPEG to its pixels, or to the end of the data."""
    place += 2
    for number in range(_MAX_JPEG_SEGMENTS):
        head = data[place : place + _SEGMENT_HEAD_BYTES]
        if len(head) < _SEGMENT_HEAD_BYTES:
            return "a JPEG picture" if number >= _MIN_JPEG_SEGMENTS else ""
        if head[0] != _MARKER or head[1] not in _IN_HEADER:
            return ""
        if head[1] in _START_OF_FRAME:
            return "a JPEG picture" if _is_frame_header(data, place, number) else ""
        if head[1] == _START_OF_SCAN:
            return "a JPEG picture" if number else ""
        place += 2 + int.from_bytes(head[2:], "big")
    return ""


def _is_frame_header(data: bytes, place: int, number: int) -> bool:
    """Return True for the frame header of a JPEG, as segment ``number``: noise has many markers."""
    header = data[place + 2 : place + 2 + _FRAME_HEADER.size]
    if len(header) < _FRAME_HEADER.size:
        return number >= _MIN_JPEG_SEGMENTS
    length, bits, _, width_px, num_channels = _FRAME_HEADER.unpack(header)
    return width_px > 0 and bits in _JPEG_BITS and length == 8 + 3 * num_channels


def _name_riff(data: bytes, place: int) -> str:
    return _RIFF_FORMS.get(data[place + 8 : place + 12], "")


def _name_bmp(data: bytes, place: int) -> str:
    head = data[place : place + 30]
    size = int.from_bytes(head[14:18], "little")
    offset = 22 if size == _BMP_HEADER_SIZES[0] else 26
    is_bmp = size in _BMP_HEADER_SIZES and head[6:10] == bytes(4)
    return "a BMP picture" if is_bmp and head[offset : offset + 2] == b"\1\0" else ""


def _name_tiff(data: bytes, place: int) -> str:
    """Follow the head of a TIFF to its first directory, whose tags ascend and have a kind."""
    order: Literal["little", "big"] = "little" if data[place] == ord("I") else "big"
    place += int.from_bytes(data[place + 4 : place + 8], order) + 2
    tags, kinds = (
        [int.from_bytes(data[place + i : place + i + 2], order) for i in (start, start + 12)]
        for start in (0, 2)
    )
    is_directory = 0 < tags[0] < tags[1] and all(0 < kind <= _MAX_TIFF_KIND for kind in kinds)
    return "a TIFF picture" if is_directory else ""


def _name_container(data: bytes, place: int) -> str:
    size = int.from_bytes(data[max(place - 4, 0) : place], "big")
    has_brand = data[place + 4 : place + 8].startswith(_BRANDS)
    return "a film or picture" if has_brand and _MIN_BOX_BYTES < size < _MAX_BOX_BYTES else ""


def _name_h26x(data: bytes, place: int) -> str:
    """Recognize the parameter sets in front of a key frame of H.264 or H.265."""
    following = data[place + 2 : place + _MAX_PARAMETER_SET_BYTES]
    nexts = (b"\0\0\1\x42\1",) if data[place + 1] == _H265_SET else (b"\0\0\1\x68", b"\0\0\1\x28")
    is_start = data[max(place - 2, 0) : place] == b"\0\0"
    is_film = is_start and any(start in following for start in nexts)
    return "a film (H.264 or H.265)" if is_film else ""


def _name_pnm(data: bytes, place: int) -> str:
    """Read the head of a netpbm picture, whose pixels must be there: texts have such words, too."""
    match = _PNM_HEAD.match(data, place)
    if match is None:
        return ""
    width_px, height_px, max_level = (int(match[name]) for name in ("width", "height", "max"))
    channels = 3 if match["kind"] == b"6" else 1
    num_bytes = width_px * height_px * channels * (1 if max_level < _WIDE_SAMPLES else 2)
    is_picture = min(width_px, height_px) >= _MIN_SIDE_PX and match.end() + num_bytes <= len(data)
    return "a PNM picture" if is_picture else ""


def _name_sun_raster(data: bytes, place: int) -> str:
    head = data[place + 4 : place + 4 + _SUN_HEADER.size]
    if len(head) < _SUN_HEADER.size:
        return ""
    *sides, bits, _, kind, map_kind = _SUN_HEADER.unpack(head)
    is_head = min(sides) > 0 and bits in _SUN_BITS and kind < 6 and map_kind < 3  # noqa: PLR2004
    return "a Sun raster picture" if is_head else ""


def _name_exr(data: bytes, place: int) -> str:
    return "an OpenEXR picture" if b"channels\0chlist" in data[place : place + 4096] else ""


def _name_matroska(data: bytes, place: int) -> str:
    head = data[place : place + 64]
    return "a film" if b"webm" in head or b"matroska" in head else ""


def _name_archive(data: bytes, place: int) -> str:
    name = data[place + 30 : place + 30 + 256]
    return "an archive with a picture" if _ARCHIVED_PICTURE.search(name) else ""


def _name_base64(data: bytes, place: int) -> str:
    text = _match(_BASE64, data, place).translate(None, _NO_BASE64)
    text = text.replace(b"-", b"+").replace(b"_", b"/")
    try:
        return _name_text(b64decode(text[: len(text) // 4 * 4]), "base64")
    except Base64Error:
        return ""


def _name_hex(data: bytes, place: int) -> str:
    return _name_text(bytes.fromhex(_match(_HEX, data, place).decode()), "hexadecimal digits")


def _name_numbers(data: bytes, place: int) -> str:
    numbers = map(int, re.findall(rb"\d+", _match(_NUMBERS, data, place)))
    return _name_text(bytes(number & 0xFF for number in numbers), "numbers")


def _match(pattern: re.Pattern[bytes], data: bytes, place: int) -> bytes:
    match = pattern.match(data, place, place + _MAX_TEXT_CHARACTERS)
    return match[0] if match else b""


def _name_text(decoded: bytes, encoding: str) -> str:
    name = _find_kind(decoded, _FILES)
    return f"{name} in {encoding}" if name else ""


def _always(name: str) -> Callable[[bytes, int], str]:
    return lambda _data, _place: name


_FILE_KINDS = (
    _Kind(_JPEG_START, _name_jpeg),
    _Kind(_PNG_START, _always("a PNG picture")),
    _Kind(b"GIF87a", _always("a GIF picture")),
    _Kind(b"GIF89a", _always("a GIF picture")),
    _Kind(b"RIFF", _name_riff),
    _Kind(b"BM", _name_bmp),
    _Kind(b"II*\0", _name_tiff),
    _Kind(b"MM\0*", _name_tiff),
    *(_Kind(start, _name_pnm) for start in (b"P5\n", b"P5 ", b"P6\n", b"P6 ")),
    _Kind(b"P7\nWIDTH ", _always("a PNM picture")),
    _Kind(b"\x59\xa6\x6a\x95", _name_sun_raster),
    _Kind(b"#?RADIANCE", _always("a Radiance HDR picture")),
    _Kind(b"#?RGBE", _always("a Radiance HDR picture")),
    _Kind(b"\x76\x2f\x31\1", _name_exr),
    _Kind(b"8BPS\0\1", _always("a Photoshop picture")),
    _Kind(b"jP  \r\n\x87\n", _always("a JPEG 2000 picture")),
    _Kind(b"\xff\x4f\xff\x51\0", _always("a JPEG 2000 picture")),
    _Kind(b"JXL \r\n\x87\n", _always("a JPEG XL picture")),
    _Kind(b"ftyp", _name_container),
    _Kind(b"\1\x67", _name_h26x),
    _Kind(b"\1\x27", _name_h26x),
    _Kind(b"\1\x40\1", _name_h26x),
    _Kind(b"\x1a\x45\xdf\xa3", _name_matroska),
    _Kind(b"PK\3\4", _name_archive),
    _Kind(b"OggS\0", _always("a sound or film (Ogg)")),
    _Kind(b"fLaC\0", _always("a sound (FLAC)")),
)
_TEXT_KINDS = (
    *(_Kind(start, _name_base64) for start in (b"/9j/", rb"\/9j\/", b"_9j_", b"iVBORw0KGgo")),
    *(_Kind(start, _name_base64) for start in (b"R0lGOD", b"UklGR", b"SUkqA", b"Qk0")),
    *(_Kind(start, _name_hex) for start in (b"ffd8ff", b"FFD8FF", b"89504e47", b"89504E47")),
    *(_Kind(start, _name_numbers) for start in (b"255, 216, 255", b"255,216,255")),
    *(_Kind(start, _name_numbers) for start in (b"137, 80, 78, 71", b"137,80,78,71")),
)
_FILES, _FILES_AND_TEXTS = _Kinds(_FILE_KINDS), _Kinds((*_FILE_KINDS, *_TEXT_KINDS))
