"""From the bytes of image messages to RgbImage and back; knows no ROS types, threads or models."""

from anon_ros.images.compressed import (
    CompressedImageData,
    decode_compressed,
    encode_compressed,
    is_jpeg_or_png,
)
from anon_ros.images.encodings import is_supported_encoding
from anon_ros.images.image_files import read_image, read_samples
from anon_ros.images.pixel_content import (
    IMAGE_TYPES,
    POINT_CLOUD_TYPE,
    has_color_fields,
    has_image_keyword,
    may_carry_pixels,
)
from anon_ros.images.raw import RawImage, decode_raw, encode_raw

__all__ = [
    "IMAGE_TYPES",
    "POINT_CLOUD_TYPE",
    "CompressedImageData",
    "RawImage",
    "decode_compressed",
    "decode_raw",
    "encode_compressed",
    "encode_raw",
    "has_color_fields",
    "has_image_keyword",
    "is_jpeg_or_png",
    "is_supported_encoding",
    "may_carry_pixels",
    "read_image",
    "read_samples",
]
