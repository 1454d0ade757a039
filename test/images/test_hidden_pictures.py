"""No place of a JPEG or PNG hides a picture, and pixels without persons stay as they are."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from anon_ros.core import RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import CompressedImageData, decode_compressed, encode_compressed
from helpers.hidden_pictures import (
    HIDDEN_IN_JPEG,
    HIDDEN_IN_PNG,
    SKY,
    holds_marker,
    insert_chunks,
    insert_segments,
    make_chunk,
    make_jpeg,
    make_png,
    make_profile,
    make_segment,
)

PLACES = [
    pytest.param(make, id=f"{suffix} {name}")
    for suffix, places in (("jpeg", HIDDEN_IN_JPEG), ("png", HIDDEN_IN_PNG))
    for name, make in places.items()
]


def decode_stored(data: bytes) -> RgbImage | None:
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


@pytest.mark.parametrize("make", PLACES)
@pytest.mark.parametrize("has_person", [False, True])
def test_no_place_hides_a_picture(make: Callable[[], bytes], *, has_person: bool) -> None:
    data = make()
    assert holds_marker(data)
    original = CompressedImageData("", data)
    try:
        image = decode_compressed(original)
    except ImageFormatError:
        return  # nothing is written
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[5:20, 5:20] = has_person
    result = encode_compressed(original, image, mask, 95)
    assert not holds_marker(result)
    if not has_person:
        assert np.array_equal(decode_stored(result), decode_stored(data))
        assert encode_compressed(CompressedImageData("", result), image, mask, 95) == result


@pytest.mark.parametrize(
    "data",
    [make_jpeg(), make_jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1), make_png(), make_png() + bytes(5)],
)
def test_plain_file_keeps_its_bytes(data: bytes) -> None:
    nobody = np.zeros(SKY.shape[:2], np.bool_)
    assert encode_compressed(CompressedImageData("", data), SKY, nobody, 95) == data


@pytest.mark.parametrize("has_person", [False, True])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_color_profile_stays(suffix: str, *, has_person: bool) -> None:
    """Without it, the colors of most phones' pictures would look faded."""
    profile = make_profile()
    file = io.BytesIO()
    Image.fromarray(SKY).save(file, suffix.replace("jpg", "jpeg"), icc_profile=profile)
    mask = np.zeros(SKY.shape[:2], np.bool_)
    mask[5:20, 5:20] = has_person
    original = CompressedImageData("", file.getvalue())
    result = encode_compressed(original, decode_compressed(original), mask, 95)
    stays = Image.open(io.BytesIO(result)).info["icc_profile"]
    assert stays != profile
    colors = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8))
    looks = [
        ImageCms.profileToProfile(
            colors, ImageCms.ImageCmsProfile(io.BytesIO(data)), ImageCms.createProfile("LAB"),
            outputMode="LAB",
        ).tobytes()
        for data in (profile, stays)
    ]  # fmt: skip
    assert looks[0] == looks[1]


def test_chunks_of_colors_stay() -> None:
    chunks = {b"gAMA": b"\0\0\xb1\x8f", b"cICP": b"\x0c\x0d\0\1", b"pHYs": bytes(9)}
    data = insert_chunks(*(make_chunk(kind, content) for kind, content in chunks.items()))
    for has_person in (False, True):
        mask = np.full(SKY.shape[:2], has_person)
        result = encode_compressed(CompressedImageData("", data), SKY, mask, 95)
        for kind, content in chunks.items():
            assert make_chunk(kind, content) in result


def test_adobe_transform_stays() -> None:
    """RGB stored as it is, which the segment says: without it, colors would be others."""
    file = io.BytesIO()
    Image.fromarray(SKY).save(file, "jpeg", keep_rgb=True, quality=95)
    data = file.getvalue()
    if b"Adobe" not in data:
        data = insert_segments(make_segment(0xEE, b"Adobe\0\x64\0\0\0\0\0"), data=data)
    nobody = np.zeros(SKY.shape[:2], np.bool_)
    result = encode_compressed(CompressedImageData("", data), SKY, nobody, 95)
    assert b"Adobe" in result
    assert np.array_equal(decode_stored(result), decode_stored(data))
