"""Pictures, films and sounds are recognized at any place and in any writing; noise is not."""

import base64
import io
import json
import struct
import wave
import zipfile

import cv2
import numpy as np
import pytest

from anon_ros.images.content.media import find_media
from helpers.fake_models import make_street_image

PICTURE = make_street_image(64, 48)


def encode(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, PICTURE)[1])


def make_wave() -> bytes:
    with io.BytesIO() as stream:
        with wave.open(stream, "wb") as sound:
            sound.setparams((1, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(bytes(64))
        return stream.getvalue()


def make_archive() -> bytes:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("texture.png", encode(".png"))
        return stream.getvalue()


JPEG = encode(".jpg")


@pytest.mark.parametrize("before", [b"", b"\0\1\0\0" + bytes(9), b"caption: "])
@pytest.mark.parametrize(
    ("media", "name"),
    [
        (JPEG, "a JPEG picture"),
        (JPEG[:200], "a JPEG picture"),  # the first of several messages
        (encode(".png"), "a PNG picture"),
        (encode(".bmp"), "a BMP picture"),
        (encode(".webp"), "a WebP picture"),
        (encode(".tiff"), "a TIFF picture"),
        (encode(".jp2"), "a JPEG 2000 picture"),
        (encode(".ppm"), "a PNM picture"),
        (b"P5\n# CREATOR: camera\n64 48 # wide\n65535\n" + bytes(6144), "a PNM picture"),
        (b"P7\nWIDTH 8\nHEIGHT 8\nDEPTH 3\n" + bytes(99), "a PNM picture"),
        (encode(".ras"), "a Sun raster picture"),
        (encode(".hdr"), "a Radiance HDR picture"),
        (b"\x76\x2f\x31\1\2\0\0\0channels\0chlist\0" + bytes(40), "an OpenEXR picture"),
        (b"8BPS\0\1" + bytes(6) + b"\0\3", "a Photoshop picture"),
        (b"GIF89a" + bytes(40), "a GIF picture"),
        (b"\0\0\0\x1cftypavif" + bytes(20), "a film or picture"),
        (b"\0\0\0\1\x67\x42\0\x1f\0\0\0\1\x68\xce\0\0\0\1\x65", "a film (H.264 or H.265)"),
        (b"\0\0\0\1\x40\1\x0c\0\0\0\1\x42\1\1\0\0\0\1\x44\1", "a film (H.264 or H.265)"),
        (b"\x1a\x45\xdf\xa3\1\0\0\0\0\0\0\x1fwebm", "a film"),
        (make_archive(), "an archive with a picture"),
        (make_wave(), "a sound"),
        (b"fLaC\0\0\0\x22" + bytes(34), "a sound (FLAC)"),
    ],
)
def test_media_recognized(before: bytes, media: bytes, name: str) -> None:
    assert find_media(before + media + b"\0behind") == name


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(JPEG),
        base64.urlsafe_b64encode(JPEG),
        base64.encodebytes(JPEG),
        base64.b64encode(encode(".png")),
        base64.b64encode(JPEG).replace(b"/", rb"\/"),  # JSON of PHP and others
        b'{"view": "data:image/jpeg;base64,' + base64.b64encode(JPEG) + b'"}',
        JPEG.hex().encode(),
        encode(".png").hex().upper().encode(),
        json.dumps(list(JPEG)).encode(),
        json.dumps(list(encode(".png")), separators=(",", ":")).encode(),
    ],
)
def test_picture_written_as_text_recognized(text: bytes) -> None:
    assert find_media(b"note: " + text).startswith(("a JPEG picture in", "a PNG picture in"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"see /9j/ and ffd8ff, 255, 216, 255 or BM in RIFF and ftyp files: II*\0 PK\3\4",
        bytes(100_000),
        np.random.default_rng(0).bytes(3_000_000),
        np.linspace(0, 1, 100_000).tobytes(),
        struct.pack("<9I", *range(9)),
        b"tiles P5 64 48 255 and P6 3 4 255 rows",
    ],
)
def test_other_bytes_are_no_media(data: bytes) -> None:
    assert not find_media(data)


@pytest.mark.parametrize(
    "start",
    [
        b"\xff\xd8\xff\xc0",
        b"\xff\xd8\xff\xda",
        b"II*\0\x08\0\0\0",
        b"\x76\x2f\x31\1",
        b"\x59\xa6\x6a\x95",
        b"P6\n",
    ],
)
def test_noise_behind_a_start_is_no_picture(start: bytes) -> None:
    """Four bytes occur in every few gigabytes of a lidar's packets."""
    noise = np.random.default_rng(0).integers(0, 256, (2000, 60), np.uint8)
    assert not find_media(b"".join(start + row.tobytes() for row in noise))


@pytest.mark.parametrize("place", [0, 2**20 - 5, 2**20 - 2, 2**20 - 1, 2**20, 2**20 + 1])
def test_pictures_lie_at_any_place(place: int) -> None:
    """Also across the blocks in which data are searched."""
    assert find_media(b" " * place + JPEG + b" " * 100) == "a JPEG picture"
    assert find_media(b" " * place + base64.b64encode(JPEG)) == "a JPEG picture in base64"
    bmp = encode(".bmp")
    assert find_media(b"B" * place + bmp) == "a BMP picture"


@pytest.mark.parametrize("length", range(5))
def test_short_data_are_no_picture(length: int) -> None:
    for start in (JPEG, encode(".bmp"), b"\1\x67\1\x40"):
        assert not find_media(start[:length])
