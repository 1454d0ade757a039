"""Orientations in every place where a file states them; Pillow is the viewer."""

import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from anon_ros.core import RgbImage
from anon_ros.images import CompressedImageData, decode_compressed, encode_compressed
from helpers.hidden_pictures import (
    SKY,
    insert_segments,
    make_chunk,
    make_exif,
    make_jpeg,
    make_png,
    make_segment,
)

_JPEG, _PNG = make_jpeg(), make_png()
_XMP = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/>'


def put_before(data: bytes, place: bytes, added: bytes) -> bytes:
    at = data.index(place)
    return data[:at] + added + data[at:]


def make_raw_profile(exif: bytes) -> bytes:
    data = b"Exif\0\0" + exif
    return b"\nexif\n%8d\n" % len(data) + data.hex().encode() + b"\n"


def put_exif(place: bytes, order: str = ">") -> Callable[[int], bytes]:
    return lambda value: put_before(
        _JPEG, place, make_segment(0xE1, b"Exif\0\0" + make_exif(value, order))
    )


STATEMENTS: dict[str, Callable[[int], bytes]] = {
    "jpeg, big endian": put_exif(b"\xff\xdb"),
    "jpeg, little endian": put_exif(b"\xff\xdb", "<"),
    "jpeg, first of all": put_exif(b"\xff\xe0"),
    "jpeg, behind the frame": put_exif(b"\xff\xda"),
    "jpeg, behind a thumbnail's XMP": lambda value: insert_segments(
        make_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"x" * 9000),
        make_segment(0xE1, b"Exif\0\0" + make_exif(value, compression=6)),
    ),
    "jpeg, XMP": lambda value: insert_segments(
        make_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _XMP % value)
    ),
    "png, big endian": lambda value: put_before(
        _PNG, _PNG[33:41], make_chunk(b"eXIf", make_exif(value))
    ),
    "png, little endian": lambda value: put_before(
        _PNG, _PNG[33:41], make_chunk(b"eXIf", make_exif(value, "<"))
    ),
    "png, behind the pixels": lambda value: put_before(
        _PNG, _PNG[-12:], make_chunk(b"eXIf", make_exif(value))
    ),
    "png, raw profile": lambda value: put_before(
        _PNG,
        _PNG[33:41],
        make_chunk(b"tEXt", b"Raw profile type exif\0" + make_raw_profile(make_exif(value))),
    ),
    "png, compressed raw profile": lambda value: put_before(
        _PNG,
        _PNG[-12:],
        make_chunk(
            b"zTXt",
            b"Raw profile type exif\0\0" + zlib.compress(make_raw_profile(make_exif(value))),
        ),
    ),
    "png, XMP": lambda value: put_before(
        _PNG, _PNG[33:41], make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _XMP % value)
    ),
}


def show_image(data: bytes) -> RgbImage:
    """The (H, W, 3) RGB that a viewer shows."""
    image = Image.open(io.BytesIO(data))
    image.load()  # Pillow reads chunks behind the pixels only then
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("place", STATEMENTS)
def test_image_is_searched_and_written_as_shown(place: str, orientation: int) -> None:
    data = STATEMENTS[place](orientation)
    original, view = CompressedImageData("", data), show_image(data)
    image = decode_compressed(original)
    assert image.shape == view.shape == (SKY.shape if orientation < 5 else (64, 48, 3))
    assert np.abs(image.astype(int) - view).max() <= 1
    person = np.zeros(image.shape[:2], np.bool_)
    person[4:20, 8:24] = True
    painted = np.where(person[..., None], np.array([250, 20, 10], np.uint8), image)
    for mask, expected, levels in ((np.zeros_like(person), image, 1), (person, painted, 4)):
        result = encode_compressed(original, painted, mask, 95)
        is_stored_as_before = Image.open(io.BytesIO(result)).size == (64, 48)
        assert is_stored_as_before
        assert np.abs(show_image(result).astype(int) - expected).mean() <= levels
        assert np.array_equal(decode_compressed(CompressedImageData("", result)).shape, image.shape)
        if "png" in place:
            assert np.array_equal(show_image(result), expected)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"MM\0*",
        make_exif(9),
        make_exif(0),
        make_exif(6)[:-12],
        b"MM\0*\xff\xff\xff\xff\0\1",
        b"PK\3\4" + make_exif(6)[4:],
    ],
)
def test_damaged_exif_states_nothing(exif: bytes) -> None:
    for data in (
        insert_segments(make_segment(0xE1, b"Exif\0\0" + exif)),
        put_before(_PNG, _PNG[33:41], make_chunk(b"eXIf", exif)),
    ):
        assert decode_compressed(CompressedImageData("", data)).shape == SKY.shape
