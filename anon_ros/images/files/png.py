"""The chunks of a PNG (third edition, W3C): its completeness, and what of its metadata is kept.

Only what is known to hold no picture is kept: chunks that say how the pixels look, each at its
fixed size, a color profile of numbers, the orientation and our own mark.
"""

import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from anon_ros.errors import ImageFormatError
from anon_ros.images.files.color_profile import reduce_profile
from anon_ros.images.files.orientation import UPRIGHT, make_exif, parse_exif, parse_xmp
from anon_ros.images.files.synthetic_mark import XMP_MARK

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEADER = struct.Struct(">I4s")  # length of the content, type
_CRC = struct.Struct(">I")
_IHDR = struct.Struct(">IIBBBBB")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_PALETTE, _COLOR_BIT = 3, 2
_SIZES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9}
_SIGNIFICANT_SIZES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of sBIT
_TRANSPARENT_SIZES = {0: 2, 2: 6}  # of tRNS
_PROFILE_NAME = b"profile\0\0"
_EXIF_TEXTS = (b"Raw profile type exif", b"Raw profile type APP1")  # as ImageMagick writes
_XMP_TEXT = b"XML:com.adobe.xmp"
_MARK = _XMP_TEXT + bytes(5) + XMP_MARK  # not compressed, in no language
_MAX_TEXT_BYTES = 2**20
_SPACES = b" \t\n\r\v\f"
_STORED_BYTES = 2**16 - 1
# Adam7: first column and row, and steps
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


class _Chunk(NamedTuple):
    kind: bytes
    content: bytes
    end: int


@dataclass(frozen=True)
class PngInfo:
    """The properties that a PNG keeps when it is encoded again.

    Attributes:
        size_wh: width and height that the header declares, px.
        orientation: 1..8, how the stored pixels are to be turned.
        has_palette: its pixels are numbers of colors.
        color: chunks that say how colors look, type and content.
        is_marked: it has our own mark of synthetic persons.
    """

    size_wh: tuple[int, int]
    orientation: int
    has_palette: bool
    color: Sequence[tuple[bytes, bytes]]
    is_marked: bool


def parse_png(data: bytes) -> PngInfo:
    """Walk through a PNG from its first chunk to its last.

    Raises:
        ImageFormatError: if it is cut short, damaged or animated.
    """
    chunks = _read_chunks(data)
    color = [chunk for chunk in _list_ancillary(chunks) if chunk[0] not in {b"PLTE", b"tRNS"}]
    has_palette = chunks[0].content[9] == _PALETTE
    size_wh = _IHDR.unpack(chunks[0].content)[:2]
    is_marked = any(chunk.kind == b"iTXt" and chunk.content == _MARK for chunk in chunks)
    return PngInfo(size_wh, _find_orientation(chunks), has_palette, color, is_marked)


def cut_metadata(
    data: bytes,
    orientation: int,
    color: Sequence[tuple[bytes, bytes]] = (),
    used_colors: Collection[bytes] | None = None,
    *,
    is_marked: bool,
) -> bytes:
    """Return a PNG with the same pixels, and with no more metadata than is known to be safe.

    Args:
        data: a whole PNG; zeros behind it, padding of a message, stay.
        orientation: 1..8, to be stated.
        color: chunks of another PNG that say how colors look, in place of its own.
        used_colors: RGB or RGBA of the pixels, of a PNG with a palette; None for any other.
        is_marked: state that a model drew persons.

    Raises:
        ImageFormatError: if it is cut short, damaged or animated.
    """
    chunks = _read_chunks(data)
    header = chunks[0].content
    parts = [SIGNATURE, _join(b"IHDR", header)]
    if orientation != UPRIGHT:
        parts.append(_join(b"eXIf", make_exif(orientation)))
    if is_marked:
        parts.append(_join(b"iTXt", _MARK))
    chunks[1:1] = [_Chunk(kind, content, 0) for kind, content in color]
    ancillary = dict(_list_ancillary(chunks))
    if used_colors is not None:
        ancillary |= _blank_unused_colors(ancillary, used_colors)
    parts += [_join(kind, content) for kind, content in ancillary.items()]
    parts += [_join(b"IDAT", content) for content in _clean_pixels(chunks)]
    padding = data[chunks[-1].end :]
    return b"".join([*parts, _join(b"IEND", b""), padding if not padding.strip(b"\0") else b""])


def _read_chunks(data: bytes) -> list[_Chunk]:
    chunks: list[_Chunk] = []
    at = len(SIGNATURE)
    while not chunks or chunks[-1].kind != b"IEND":
        chunks.append(_read_chunk(data, at))
        at = chunks[-1].end
        if chunks[-1].kind == b"acTL":
            message = "PNG is animated: only its first picture would be seen; give single pictures"
            raise ImageFormatError(message)
    if chunks[0].kind != b"IHDR" or len(chunks[0].content) != _IHDR.size:
        message = "PNG is damaged: it does not begin with a header"
        raise ImageFormatError(message)
    return chunks


def _read_chunk(data: bytes, at: int) -> _Chunk:
    """Return the chunk that starts at ``at``."""
    if at + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, at)
        content_end = at + _HEADER.size + length
        if content_end + _CRC.size <= len(data):
            (expected,) = _CRC.unpack_from(data, content_end)
            if zlib.crc32(memoryview(data)[at + 4 : content_end]) == expected:
                content = data[at + _HEADER.size : content_end]
                return _Chunk(bytes(kind), content, content_end + _CRC.size)
            message = f"PNG is damaged: wrong checksum of the chunk at byte {at}"
            raise ImageFormatError(message)
    message = f"PNG of {len(data)} bytes is cut short: its chunk at byte {at} has no end"
    raise ImageFormatError(message)


def _join(kind: bytes, content: bytes) -> bytes:
    head = _HEADER.pack(len(content), kind)
    return head + content + _CRC.pack(zlib.crc32(kind + content))


def _list_ancillary(chunks: Iterable[_Chunk]) -> list[tuple[bytes, bytes]]:
    """Return the chunks between header and pixels that are kept, each type once."""
    result: dict[bytes, bytes] = {}
    header, *rest = chunks
    color_type = header.content[9]
    for chunk in rest:
        if chunk.kind == b"IDAT":
            break
        content = _clean_chunk(chunk, color_type, result)
        if content and chunk.kind not in result:
            result[chunk.kind] = content
    return list(result.items())


def _clean_chunk(chunk: _Chunk, color_type: int, before: dict[bytes, bytes]) -> bytes:
    """Return what of a chunk is kept; empty if nothing is."""
    kind, size = chunk.kind, len(chunk.content)
    if kind == b"iCCP":
        return _clean_profile(chunk.content, b"RGB " if color_type & _COLOR_BIT else b"GRAY")
    if kind == b"PLTE":
        is_kept = color_type == _PALETTE
    elif kind == b"tRNS" and color_type == _PALETTE:
        is_kept = 3 * size <= len(before.get(b"PLTE", b""))
    elif kind == b"tRNS":
        is_kept = size == _TRANSPARENT_SIZES.get(color_type)
    elif kind == b"sBIT":
        is_kept = size == _SIGNIFICANT_SIZES.get(color_type)
    else:
        is_kept = size == _SIZES.get(kind)
    return chunk.content if is_kept else b""


def _blank_unused_colors(
    ancillary: Mapping[bytes, bytes], used_colors: Collection[bytes]
) -> dict[bytes, bytes]:
    """Return palette and transparency with zeros where no pixel has the color."""
    palette, transparency = (bytearray(ancillary.get(kind, b"")) for kind in (b"PLTE", b"tRNS"))
    for index in range(len(palette) // 3):
        color = bytes(palette[3 * index : 3 * index + 3])
        alpha = bytes(transparency[index : index + 1]) or b"\xff"
        if color not in used_colors and color + alpha not in used_colors:
            palette[3 * index : 3 * index + 3] = bytes(3)
            transparency[index : index + 1] = bytes(len(transparency[index : index + 1]))
    blanked = {b"PLTE": bytes(palette), b"tRNS": bytes(transparency)}
    return {kind: content for kind, content in blanked.items() if kind in ancillary}


def _clean_profile(content: bytes, space: bytes) -> bytes:
    _, _, compressed = content.partition(b"\0")
    profile = reduce_profile(_inflate(compressed[1:], _MAX_TEXT_BYTES), space)
    return b"" if profile is None else _PROFILE_NAME + _store(profile)


def _clean_pixels(chunks: Iterable[_Chunk]) -> list[bytes]:
    """Return the compressed pixels, without what the compressed data hold beyond them."""
    chunks = list(chunks)
    contents = [chunk.content for chunk in chunks if chunk.kind == b"IDAT"]
    contents = [content for content in contents if content]
    expected = _count_bytes(chunks[0].content)
    stream = zlib.decompressobj()
    try:
        pixels = stream.decompress(b"".join(contents), expected + 1)
        is_exact = len(pixels) <= expected and not stream.unused_data
    except zlib.error as error:
        message = f"PNG is damaged: its pixels cannot be decompressed: {error}"
        raise ImageFormatError(message) from error
    return contents if is_exact else [_store(pixels[:expected])]


def _count_bytes(header: bytes) -> int:
    """Return how many bytes the decompressed pixels have, with one for the filter of each row."""
    width, height, depth, color_type, _, _, is_interlaced = _IHDR.unpack(header)
    bits = depth * _CHANNELS.get(color_type, 0)
    total = 0
    for column, row, column_step, row_step in _PASSES if is_interlaced else ((0, 0, 1, 1),):
        columns = -((column - width) // column_step)
        rows = -((row - height) // row_step)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _store(data: bytes) -> bytes:
    """Return data as a zlib stream without compression, the same with every build of zlib."""
    blocks = [data[at : at + _STORED_BYTES] for at in range(0, len(data), _STORED_BYTES)] or [b""]
    parts = [
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ _STORED_BYTES) + block
        for block in blocks
    ]
    return b"\x78\x01" + b"".join(parts) + _CRC.pack(zlib.adler32(data))


def _inflate(data: bytes, max_bytes: int) -> bytes:
    """Return decompressed metadata; nothing if they are damaged."""
    try:
        return zlib.decompressobj().decompress(data, max_bytes)
    except zlib.error:
        return b""


def _find_orientation(chunks: Iterable[_Chunk]) -> int:
    chunks = list(chunks)
    # Text by text, for thousands of them would fill the memory, decompressed.
    exif = (chunk.content for chunk in chunks if chunk.kind == b"eXIf")
    profiles = (_parse_raw_profile(text) for text in _iter_texts(chunks, _EXIF_TEXTS))
    stated = chain(
        *(map(parse_exif, exif), map(parse_exif, profiles)),
        map(parse_xmp, _iter_texts(chunks, {_XMP_TEXT})),
    )
    return next((value for value in stated if value is not None), UPRIGHT)


def _iter_texts(chunks: Iterable[_Chunk], keys: Collection[bytes]) -> Iterator[bytes]:
    """Yield the texts under some keywords."""
    for chunk in chunks:
        is_text = chunk.kind in {b"tEXt", b"zTXt", b"iTXt"}
        if is_text and chunk.content.partition(b"\0")[0] in keys:
            yield _read_text(chunk)


def _read_text(chunk: _Chunk) -> bytes:
    """Return the text behind the keyword."""
    _, _, text = chunk.content.partition(b"\0")
    if chunk.kind == b"zTXt":
        return _inflate(text[1:], _MAX_TEXT_BYTES)
    if chunk.kind == b"iTXt":
        is_compressed = text[:1] == b"\1"
        text = text[2:].split(b"\0", 2)[-1]  # behind language and translated keyword
        return _inflate(text, _MAX_TEXT_BYTES) if is_compressed else text
    return text


def _parse_raw_profile(text: bytes) -> bytes:
    """Return the content of a text of name, length and hexadecimal digits, in lines."""
    try:
        digits = text.split(maxsplit=2)[2].translate(None, _SPACES)
        return bytes.fromhex(digits.decode("ascii"))
    except (ValueError, IndexError):
        return b""
