"""From the bytes of image messages to RgbImage and back; knows no ROS types, threads or models."""

from anon_ros.images.compressed import (
    CompressedData,
    decode_compressed,
    encode_compressed,
    is_picture,
)
from anon_ros.images.encodings import is_supported
from anon_ros.images.pixel_types import (
    ANONYMIZED_TYPES,
    CLOUD_TYPE,
    carries_pixels,
    is_coloured,
    sounds_like_pictures,
)
from anon_ros.images.raw import RawImage, decode_raw, encode_raw

__all__ = [
    "ANONYMIZED_TYPES",
    "CLOUD_TYPE",
    "CompressedData",
    "RawImage",
    "carries_pixels",
    "decode_compressed",
    "decode_raw",
    "encode_compressed",
    "encode_raw",
    "is_coloured",
    "is_picture",
    "is_supported",
    "sounds_like_pictures",
]
