"""From the bytes of image messages to RgbImage and back; knows no ROS types, threads or models."""

from anon_ros.images.bit_depth import SharedTone, ToneRule, equalize_tone, measure_tone
from anon_ros.images.compressed import (
    CompressedImageData,
    decode_compressed,
    encode_compressed,
    encode_jpeg,
    has_mark,
    is_jpeg_or_png,
)
from anon_ros.images.dim_scenes import equalize_dim, stretch_dim
from anon_ros.images.encodings import (
    THERMAL_ENCODING,
    is_gray_encoding,
    is_supported_encoding,
    reject_depth,
    take_as_gray,
)
from anon_ros.images.files.image_files import read_image, read_samples
from anon_ros.images.files.synthetic_mark import describe_mark
from anon_ros.images.pixel_content import (
    IMAGE_TYPES,
    POINT_CLOUD_TYPE,
    has_color_fields,
    has_image_keyword,
    is_thermal_topic,
    may_carry_pixels,
)
from anon_ros.images.raw import RawImage, decode_raw, encode_raw
from anon_ros.images.region_loader import load_regions
from anon_ros.images.size_limit import (
    DEFAULT_MAX_PIXELS,
    MAX_TEXT_CHARACTERS,
    describe_reduction,
    reject_long_text,
)

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_TYPES",
    "MAX_TEXT_CHARACTERS",
    "POINT_CLOUD_TYPE",
    "THERMAL_ENCODING",
    "CompressedImageData",
    "RawImage",
    "SharedTone",
    "ToneRule",
    "decode_compressed",
    "decode_raw",
    "describe_mark",
    "describe_reduction",
    "encode_compressed",
    "encode_jpeg",
    "encode_raw",
    "equalize_dim",
    "equalize_tone",
    "has_color_fields",
    "has_image_keyword",
    "has_mark",
    "is_gray_encoding",
    "is_jpeg_or_png",
    "is_supported_encoding",
    "is_thermal_topic",
    "load_regions",
    "may_carry_pixels",
    "measure_tone",
    "read_image",
    "read_samples",
    "reject_depth",
    "reject_long_text",
    "stretch_dim",
    "take_as_gray",
]
