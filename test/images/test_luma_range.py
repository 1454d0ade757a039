"""Luma outside of the limited range, where OpenCV sees black or white alone."""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from anon_ros.core import RgbImage
from anon_ros.images import RawImage, SharedTone, decode_raw, encode_raw, equalize_tone

Luma = npt.NDArray[np.uint8]
ENCODINGS = ("uyvy", "yuyv", "nv12", "nv21", "nv24")
SIZE_HW = (48, 64)
MASK = np.zeros(SIZE_HW, np.bool_)
MASK[8:24, 8:24] = True
DARK = np.tile(np.arange(64, dtype=np.uint8) // 4, (48, 1))  # 0 to 15
BRIGHT = 240 + DARK
ORDINARY = 40 + 12 * DARK


def wrap(luma: Luma, encoding: str) -> RawImage:
    """Return a gray picture."""
    step = 2 * 64 if encoding in {"uyvy", "yuyv"} else 64
    if step == 64:
        rows = {"nv24": 2}.get(encoding, 0.5)
        data = luma.tobytes() + bytes([128]) * int(luma.size * rows)
    else:
        pairs = np.dstack([luma, np.full_like(luma, 128)])
        data = (pairs[..., ::-1] if encoding == "uyvy" else pairs).tobytes()
    return RawImage(*SIZE_HW, encoding, is_bigendian=False, step=step, data=data)


@pytest.mark.parametrize("rule", ["first look", "second look"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("luma", [DARK, BRIGHT], ids=["dark", "bright"])
def test_scene_outside_limited_range_seen(luma: Luma, encoding: str, rule: str) -> None:
    """All levels, as in mono8: searched stretched, they show persons."""
    raw = wrap(luma, encoding)
    if rule == "second look":
        raw = replace(raw, tone_rule=equalize_tone)
    assert np.array_equal(decode_raw(raw), np.repeat(luma[..., None], 3, axis=2))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_dark_part_of_bright_picture_seen(encoding: str) -> None:
    luma = ORDINARY.copy()
    luma[20:36, 20:30] = np.random.default_rng(0).integers(8, 14, (16, 10))
    seen = decode_raw(wrap(luma, encoding))[20:36, 20:30]
    assert len(np.unique(seen)) == 6


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ordinary_picture_stays(encoding: str) -> None:
    """Black and white of limited range, with a camera's noise around them."""
    noise = np.random.default_rng(0).normal(0, 1.5, SIZE_HW)
    luma = np.where(np.arange(64) < 32, 16 + noise, 235 + noise).round().astype(np.uint8)
    luma[:16] = ORDINARY[:16]
    expected = cv2.cvtColor(np.dstack([luma, luma * 0 + 128]), cv2.COLOR_YUV2RGB_YUY2)
    difference = np.abs(decode_raw(wrap(luma, encoding)).astype(int) - expected)
    assert difference.max() <= (encoding == "nv24")  # which OpenCV has no code for


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_drawn_person_goes_back_into_full_range(encoding: str, bus_rgb: RgbImage) -> None:
    raw = replace(wrap(DARK, encoding), tone_rule=SharedTone())
    small = cv2.resize(bus_rgb, SIZE_HW[::-1], interpolation=cv2.INTER_AREA)
    drawn = np.asarray(cv2.blur(small, (9, 9)) // 8, np.uint8)
    seen = decode_raw(replace(raw, data=encode_raw(raw, drawn, MASK)))
    inside = MASK & ~cv2.dilate((~MASK).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert np.abs(seen[inside].astype(int) - drawn[inside]).max() <= 3


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_color_of_full_range_is_that_of_jfif(encoding: str) -> None:
    raw = wrap(DARK, encoding)
    data = np.frombuffer(raw.data, np.uint8).copy()
    data[data == 128] = 140
    y, chroma = DARK.astype(float), 12
    rgb = np.dstack([y + 1.402 * chroma, y - (0.344 + 0.714) * chroma, y + 1.772 * chroma])
    seen = decode_raw(replace(raw, data=data.tobytes()))
    assert np.abs(seen - rgb.clip(0, 255)).max() <= 1
