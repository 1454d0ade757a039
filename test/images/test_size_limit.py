"""Picture bombs: a few bytes that declare a huge picture are refused before they are decoded."""

import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest

from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    CompressedImageData,
    decode_compressed,
    describe_reduction,
    encode_compressed,
)

PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
JPEG = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def declare_png(width_px: int, height_px: int) -> bytes:
    content = width_px.to_bytes(4, "big") + height_px.to_bytes(4, "big") + b"\x10\6\0\0\0"
    checksum = zlib.crc32(b"IHDR" + content).to_bytes(4, "big")
    return PNG[:16] + content + checksum + PNG[33:]


def declare_jpeg(width_px: int, height_px: int) -> bytes:
    start = JPEG.index(b"\xff\xc0")
    size = height_px.to_bytes(2, "big") + width_px.to_bytes(2, "big")
    return JPEG[: start + 5] + size + JPEG[start + 9 :]


def hide_jpeg() -> bytes:
    """A bomb whose second frame header, which no decoder takes, is small."""
    bomb = declare_jpeg(65500, 16000)
    start = JPEG.index(b"\xff\xc0")
    length = int.from_bytes(JPEG[start + 2 : start + 4], "big") + 2
    return bomb[: start + length] + JPEG[start : start + length] + bomb[start + length :]


BOMBS = {
    "jpeg": declare_jpeg(65500, 16000),
    "jpeg with a second header": hide_jpeg(),
    "png": declare_png(20000, 20000),
    "png of one row": declare_png(2**31 - 1, 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_picture_bomb_never_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", None)  # a call would be a TypeError
    tracemalloc.start()
    with pytest.raises(ImageFormatError, match=r"over the limit of 120000000.*fail\.max_pixels"):
        decode_compressed(CompressedImageData("", BOMBS[name]))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("data", [PNG, JPEG], ids=["png", "jpeg"])
def test_limit_is_inclusive(data: bytes) -> None:
    decode_compressed(CompressedImageData("", data), 64)
    with pytest.raises(ImageFormatError, match="8 x 8 px"):
        decode_compressed(CompressedImageData("", data), 63)


def test_png_without_header_refused() -> None:
    with pytest.raises(ImageFormatError, match="does not begin with a header"):
        decode_compressed(CompressedImageData("", PNG[:8] + PNG[33:]))


def test_much_reduced_image_is_told() -> None:
    assert not describe_reduction(2560, 1440, 640)
    assert not describe_reduction(8192, 4096, 2048)
    for size in ((2561, 1440), (1440, 2561)):
        assert "persons may be missed" in describe_reduction(*size, 640)


def pack_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (b"zTXt", b"Raw profile type exif\0\0"),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
        (b"iCCP", b"profile\0\0"),
    ],
)
def test_texts_of_png_never_fill_memory(kind: bytes, head: bytes) -> None:
    """Each of them is allowed to become a mebibyte, but not all of them at once."""
    chunk = pack_chunk(kind, head + zlib.compress(b"0 " * 2**19))
    data = PNG[:33] + chunk * 100 + PNG[33:]
    compressed = CompressedImageData("", data)
    tracemalloc.start()
    image = decode_compressed(compressed)
    encode_compressed(compressed, image, np.zeros((8, 8), np.bool_), 95)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20_000_000


def make_text_bomb(kind: bytes) -> bytes:
    """Return a PNG with 512 MB of text, compressed to 512 KB."""
    compressor = zlib.compressobj(9)
    packed = b"".join(compressor.compress(bytes(2**20)) for _ in range(512)) + compressor.flush()
    between = b"\0\0" if kind == b"zTXt" else b"\0\1\0\0\0"
    body = kind + b"XML:com.adobe.xmp" + between + packed
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return PNG[:33] + chunk + PNG[33:]


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_text_bomb_fills_no_memory(kind: bytes) -> None:
    data = make_text_bomb(kind)
    tracemalloc.start()
    compressed = CompressedImageData("png", data)
    image = decode_compressed(compressed)
    written = encode_compressed(compressed, image, np.zeros(image.shape[:2], np.bool_), 90)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**25
    assert len(written) <= len(PNG)
