"""Raw images that are refused, and what the error says."""

from dataclasses import replace

import numpy as np
import pytest

from anon_ros.errors import ImageFormatError
from anon_ros.images import RawImage, decode_raw, encode_raw

BLACK = np.zeros((24, 32, 3), np.uint8)
ALL = np.ones((24, 32), np.bool_)


def make_raw_image(encoding: str) -> RawImage:
    """Long enough for every encoding."""
    return RawImage(24, 32, encoding, False, 32 * 8, bytes(24 * 32 * 8 * 3))


DEPTH = ("16UC1", "32FC1", "64FC1", "8SC1", "16SC3", "32SC1", "8UC2", "16UC3", "32FC")


@pytest.mark.parametrize("encoding", DEPTH)
def test_depth_rejected_by_name(encoding: str) -> None:
    with pytest.raises(ImageFormatError, match=rf"'{encoding}'.*depth and float.*supported.*nv24"):
        decode_raw(make_raw_image(encoding))


@pytest.mark.parametrize("encoding", ["", "RGB8", "rgb8 ", "h264", "bayer_rggb12", "nv42"])
def test_unknown_encoding_rejected(encoding: str) -> None:
    with pytest.raises(ImageFormatError, match=f"'{encoding}' is not known.*rgb8"):
        encode_raw(make_raw_image(encoding), BLACK, ALL)


@pytest.mark.parametrize(
    ("encoding", "fields", "message"),
    [
        ("rgb8", {"step": 95}, "step is 95.*96 bytes"),
        ("nv24", {"step": 31}, "step is 31.*32 bytes"),
        ("rgb8", {"width": 0}, "0 x 24 px"),
        ("rgb8", {"height": -1}, "32 x -1 px"),
        ("rgb8", {"data": b""}, "0 bytes"),
        ("uyvy", {"width": 31}, "31 x 24 px.*multiple of 2"),
        ("nv12", {"width": 31}, "31 x 24 px.*multiple of 2"),
        ("nv21", {"height": 23}, "32 x 23 px.*multiple of 2"),
        ("bayer_rggb8", {"height": 2}, "32 x 2 px.*at least 3"),
    ],
)
def test_invalid_sizes_rejected(encoding: str, fields: dict[str, int], message: str) -> None:
    raw = replace(make_raw_image(encoding), **fields)
    with pytest.raises(ImageFormatError, match=message) as caught:
        decode_raw(raw)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(23, 32), (24, 31)])
def test_result_of_other_size_rejected(shape: tuple[int, int]) -> None:
    raw = make_raw_image("rgb8")
    with pytest.raises(ValueError, match="image is"):
        encode_raw(raw, np.zeros((*shape, 3), np.uint8), ALL)
    with pytest.raises(ValueError, match="mask is"):
        encode_raw(raw, BLACK, np.zeros(shape, np.bool_))
