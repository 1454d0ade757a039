"""JPEG and PNG files with a marker picture in every place where their formats can hold bytes."""

import base64
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from PIL import Image, ImageCms

from anon_ros.core import RgbImage

SKY: RgbImage = np.full((48, 64, 3), (170, 206, 235), np.uint8)
SKY += (np.arange(48) // 4).astype(np.uint8)[:, None, None]
# Smooth in no direction, so that no table or pixel of the sky looks alike.
MARKER = np.random.default_rng(5).integers(1, 255, (16, 12, 3), np.uint8).tobytes()
MARKER_JPEG = cv2.imencode(".jpg", np.frombuffer(MARKER, np.uint8).reshape(16, 12, 3))[1].tobytes()
_WINDOW_BYTES = 24
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]{40,}")


def holds_marker(data: bytes) -> bool:
    """Search bytes, texts and compressed streams for a piece of the marker picture."""
    views = [data, *_iter_inflated(data)]
    texts = [base64.b64decode(text + b"===") for view in views for text in _BASE64.findall(view)]
    return any(_has_piece(view) for view in (*views, *texts))


def _has_piece(data: bytes) -> bool:
    pieces = (
        marker[at : at + _WINDOW_BYTES]
        for marker in (MARKER, MARKER_JPEG[MARKER_JPEG.index(b"\xff\xda") + 14 :])
        for at in range(0, len(marker) - _WINDOW_BYTES, 4)
    )
    return any(piece in data or piece.hex().encode() in data for piece in pieces)


def _iter_inflated(data: bytes) -> Iterator[bytes]:
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        try:
            yield zlib.decompressobj().decompress(data[match.start() :])
        except zlib.error:
            continue


def make_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def make_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


def make_exif(
    orientation: int, order: str = ">", *, compression: int | None = None, note: bytes = b""
) -> bytes:
    """A TIFF with an orientation, perhaps a MakerNote, and a thumbnail in IFD1: 1 RGB, 6 JPEG."""
    pack = lambda code, *values: struct.pack(order + code, *values)  # noqa: E731
    ifd0 = [(0x0112, 3, 1, orientation), (0x927C, 7, len(note), 0)][: 2 if note else 1]
    ifd1 = {None: [], 1: [(0x0103, 3, 1, 1), (0x0111, 4, 1, 0)], 6: [(0x0201, 4, 1, 0)]}
    second = 8 + 6 + 12 * len(ifd0)
    start = second + (6 + 12 * len(ifd1[compression]) if compression else 0)
    out = (b"MM\0*" if order == ">" else b"II*\0") + pack("I", 8)
    for entries, following in ((ifd0, second if compression else 0), (ifd1[compression], 0)):
        if not entries:
            continue
        out += pack("H", len(entries))
        for tag, kind, count, value in entries:
            at = start if tag in {0x0111, 0x0201, 0x927C} else value
            out += pack("HHI", tag, kind, count) + (
                pack("HH", at, 0) if kind == 3 else pack("I", at)
            )
        out += pack("I", following)
    return out + (note or {None: b"", 1: MARKER, 6: MARKER_JPEG}[compression])


def insert_segments(*segments: bytes, data: bytes | None = None, head: bool = True) -> bytes:
    """A JPEG with segments behind its JFIF head, or in its place."""
    data = make_jpeg() if data is None else data
    end = 4 + int.from_bytes(data[4:6], "big")
    return data[: end if head else 2] + b"".join(segments) + data[end:]


def insert_chunks(*chunks: bytes, data: bytes | None = None) -> bytes:
    data = make_png() if data is None else data
    return data[:33] + b"".join(chunks) + data[33:]


def make_jpeg(*options: int) -> bytes:
    return cv2.imencode(".jpg", SKY[..., ::-1], options)[1].tobytes()


def make_png() -> bytes:
    return cv2.imencode(".png", SKY[..., ::-1])[1].tobytes()


def make_profile(**tags: bytes) -> bytes:
    """The sRGB profile of littleCMS with further tags, whose names have four letters."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * at) for at in range(count)]
    contents = {name: profile[at : at + size] for name, at, size in entries}
    contents |= {name.encode(): content for name, content in tags.items()}
    at, table, body = 132 + 12 * len(contents), b"", b""
    for name, content in contents.items():
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    total = struct.pack(">I", at + len(body))
    return total + profile[4:128] + struct.pack(">I", len(contents)) + table + body


def _insert_before(data: bytes, marker: bytes, added: bytes) -> bytes:
    at = data.index(marker)
    return data[:at] + added + data[at:]


_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_LONG_XMP = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8)
_TEXT = base64.b64encode(MARKER_JPEG)
_TABLE = bytes([2]) + MARKER[:64]  # a quantization table that no component uses
_CODES = bytes([0x03]) + bytes(7) + bytes([100]) + bytes(8) + MARKER[:100]
_BIG_CURVE = b"curv" + struct.pack(">II", 0, 96) + MARKER[:192]

HIDDEN_IN_JPEG: dict[str, Callable[[], bytes]] = {
    "XMP": lambda: insert_segments(make_segment(0xE1, _XMP + _TEXT)),
    "XMP, plain": lambda: insert_segments(make_segment(0xE1, _XMP + MARKER_JPEG)),
    "Extended XMP": lambda: insert_segments(make_segment(0xE1, _LONG_XMP + _TEXT)),
    "EXIF IFD1, RGB": lambda: insert_segments(
        make_segment(0xE1, b"Exif\0\0" + make_exif(1, compression=1))
    ),
    "EXIF IFD1, JPEG": lambda: insert_segments(
        make_segment(0xE1, b"Exif\0\0" + make_exif(1, compression=6))
    ),
    "EXIF behind orientation": lambda: insert_segments(
        make_segment(0xE1, b"Exif\0\0" + make_exif(3, "<", compression=1))
    ),
    "MakerNote": lambda: insert_segments(
        make_segment(0xE1, b"Exif\0\0" + make_exif(1, note=MARKER_JPEG))
    ),
    "JFIF thumbnail": lambda: insert_segments(
        make_segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1" + bytes([12, 16]) + MARKER), head=False
    ),
    "second JFIF": lambda: insert_segments(
        make_segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1" + bytes([12, 16]) + MARKER)
    ),
    "JFXX, RGB": lambda: insert_segments(
        make_segment(0xE0, b"JFXX\0\x13" + bytes([12, 16]) + MARKER)
    ),
    "JFXX, JPEG": lambda: insert_segments(make_segment(0xE0, b"JFXX\0\x10" + MARKER_JPEG)),
    **{
        f"APP{number}": lambda number=number: insert_segments(
            make_segment(0xE0 + number, b"any\0" + MARKER_JPEG)
        )
        for number in range(16)
    },
    "Adobe": lambda: insert_segments(make_segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + MARKER)),
    "Photoshop": lambda: insert_segments(
        make_segment(0xED, b"Photoshop 3.0\08BIM\x04\x0c\0\0" + MARKER_JPEG)
    ),
    "comment": lambda: insert_segments(make_segment(0xFE, MARKER_JPEG)),
    "profile's private tag": lambda: insert_segments(
        make_segment(0xE2, b"ICC_PROFILE\0\1\1" + make_profile(prvt=b"text\0\0\0\0" + MARKER))
    ),
    "profile's description": lambda: insert_segments(
        make_segment(0xE2, b"ICC_PROFILE\0\1\1" + make_profile(desc=b"desc" + MARKER))
    ),
    "profile's curve": lambda: insert_segments(
        make_segment(0xE2, b"ICC_PROFILE\0\1\1" + make_profile(rTRC=_BIG_CURVE))
    ),
    "no profile": lambda: insert_segments(make_segment(0xE2, b"ICC_PROFILE\0\1\1" + MARKER)),
    "unused quantization table": lambda: insert_segments(make_segment(0xDB, _TABLE)),
    "redefined quantization table": lambda: insert_segments(
        make_segment(0xDB, b"\0" + MARKER[:64])
    ),
    "unused Huffman table": lambda: insert_segments(make_segment(0xC4, _CODES)),
    "number of lines": lambda: _insert_before(
        make_jpeg(), b"\xff\xd9", make_segment(0xDC, b"\0\x30" + MARKER)
    ),
    "between scans": lambda: _insert_before(
        make_jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        b"\xff\xd9",
        make_segment(0xE5, MARKER_JPEG) + make_segment(0xDB, b"\0" + MARKER[:64]),
    ),
    "between other scans": lambda: _insert_before(
        make_jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        b"\xff\xda",
        make_segment(0xFE, MARKER),
    ),
    "second picture of MPF": lambda: insert_segments(
        make_segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + bytes(16))
    ) + MARKER_JPEG,
    "behind the end": lambda: make_jpeg() + MARKER,
    "behind zeros": lambda: make_jpeg() + bytes(99) + MARKER_JPEG,
}  # fmt: skip


def _add_to_pixels(data: bytes, *, inside: bool) -> bytes:
    """A PNG whose compressed pixels go on behind the last row, or behind their end."""
    start = data.index(b"IDAT") - 4
    pixels = b""
    at = start
    while data[at + 4 : at + 8] == b"IDAT":
        length = int.from_bytes(data[at : at + 4], "big")
        pixels += data[at + 8 : at + 8 + length]
        at += 12 + length
    pixels = zlib.compress(zlib.decompress(pixels) + MARKER, 0) if inside else pixels + MARKER
    return data[:start] + make_chunk(b"IDAT", pixels) + data[at:]


def _make_palette_png() -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(SKY).convert("P", palette=Image.Palette.ADAPTIVE, colors=12)
    picture.putpalette((picture.getpalette()[:36] + list(MARKER))[:600])
    picture.save(file, "PNG")
    return file.getvalue()


HIDDEN_IN_PNG: dict[str, Callable[[], bytes]] = {
    "eXIf, JPEG": lambda: insert_chunks(make_chunk(b"eXIf", make_exif(1, compression=6))),
    "eXIf, RGB": lambda: insert_chunks(make_chunk(b"eXIf", make_exif(6, "<", compression=1))),
    "tEXt": lambda: insert_chunks(make_chunk(b"tEXt", b"Comment\0" + _TEXT)),
    "zTXt": lambda: insert_chunks(
        make_chunk(
            b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(MARKER_JPEG.hex().encode())
        )
    ),
    "iTXt": lambda: insert_chunks(
        make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(_TEXT))
    ),
    "profile's private tag": lambda: insert_chunks(
        make_chunk(
            b"iCCP", b"name\0\0" + zlib.compress(make_profile(prvt=b"text\0\0\0\0" + MARKER))
        )
    ),
    "profile's name": lambda: insert_chunks(
        make_chunk(
            b"iCCP", MARKER[:70].replace(b"\0", b"") + b"\0\0" + zlib.compress(make_profile())
        )
    ),
    "behind the profile": lambda: insert_chunks(
        make_chunk(b"iCCP", b"name\0\0" + zlib.compress(make_profile()) + MARKER)
    ),
    **{
        kind: lambda kind=kind: insert_chunks(make_chunk(kind.encode(), MARKER))
        for kind in (
            *("hIST", "sPLT", "tIME", "bKGD", "pHYs", "oFFs", "sCAL", "pCAL", "sTER", "gIFg"),
            *("gIFx", "vpAg", "caNv", "orNT", "cLLi", "mDCV", "fdAT", "fcTL", "prVt", "iDOT"),
            *("gAMA", "cHRM", "sBIT", "cICP", "sRGB"),
        )
    },
    "suggested palette": lambda: insert_chunks(make_chunk(b"PLTE", MARKER)),
    "behind the pixels": lambda: _insert_before(
        make_png(), b"\0\0\0\0IEND", make_chunk(b"prVt", MARKER)
    ),
    "in the end": lambda: make_png()[:-12] + make_chunk(b"IEND", MARKER),
    "behind the last row": lambda: _add_to_pixels(make_png(), inside=True),
    "behind the compressed pixels": lambda: _add_to_pixels(make_png(), inside=False),
    "unused colors": _make_palette_png,
    "behind the end": lambda: make_png() + MARKER,
    "behind zeros": lambda: make_png() + bytes(99) + MARKER_JPEG,
}
