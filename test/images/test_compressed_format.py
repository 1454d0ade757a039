"""The meaning of the ``format`` of a compressed image."""

import cv2
import numpy as np
import pytest

from anon_ros.errors import ImageFormatError
from anon_ros.images import CompressedImageData, decode_compressed, encode_compressed

GRAY = np.full((24, 32), 99, np.uint8)
JPEG = cv2.imencode(".jpg", GRAY)[1].tobytes()
PNG = cv2.imencode(".png", GRAY)[1].tobytes()
DEPTH_PNG = cv2.imencode(".png", GRAY.astype(np.uint16) * 20)[1].tobytes()


@pytest.mark.parametrize(
    "declared",
    ["", "jpeg", "jpg", "png", "JPEG", "bgr8; jpeg compressed bgr8", "mono8; png compressed ",
     "bayer_rggb8; jpeg compressed ", "8UC3; png compressed bgr8"],
)  # fmt: skip
def test_format_follows_the_data(declared: str) -> None:
    for data in (JPEG, PNG):
        assert (decode_compressed(CompressedImageData(declared, data)) == 99).all()


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("16UC1; png compressed ", "'16UC1' cannot be anonymized: depth"),
        ("32FC1; png compressed ", "'32FC1' cannot be anonymized: depth"),
        ("16UC1; compressedDepth png", "'16UC1' cannot be anonymized: depth"),
        ("compressedDepth", "'compressedDepth' .*not depth or video"),
    ],
)
def test_depth_rejected_by_name(declared: str, message: str) -> None:
    depth = CompressedImageData(declared, DEPTH_PNG)
    with pytest.raises(ImageFormatError, match=message):
        decode_compressed(depth)
    with pytest.raises(ImageFormatError, match=message):
        encode_compressed(depth, np.zeros((24, 32, 3), np.uint8), np.ones((24, 32), np.bool_), 95)


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("h264", b"\0\0\0\1\x67"),
        ("theora", b"OggS"),
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("tiff", b"II*\0"),
        ("jpeg", b""),
    ],
)
def test_other_data_rejected_by_name(declared: str, data: bytes) -> None:
    with pytest.raises(ImageFormatError, match=f"'{declared}' with data that starts with"):
        decode_compressed(CompressedImageData(declared, data))
