"""From the bytes of image messages to RgbImage and back; knows no ROS types, threads or models."""

from anon_ros.images.compressed import CompressedData, decode_compressed, encode_compressed
from anon_ros.images.pixel_types import ANONYMIZED_TYPES, carries_pixels
from anon_ros.images.raw import RawImage, decode_raw, encode_raw

__all__ = [
    "ANONYMIZED_TYPES",
    "CompressedData",
    "RawImage",
    "carries_pixels",
    "decode_compressed",
    "decode_raw",
    "encode_compressed",
    "encode_raw",
]
