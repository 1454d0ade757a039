"""Conversion of image messages to arrays and back; only the pixels change."""

from array import array
from typing import TypeAlias

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anon_ros.config import OutputConfig
from anon_ros.core import AnonymizedFrame, RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    DEFAULT_MAX_PIXELS,
    CompressedImageData,
    RawImage,
    decode_compressed,
    decode_raw,
    encode_compressed,
    encode_raw,
    reject_depth,
    reject_long_text,
    take_as_gray,
)
from anon_ros.utils.units import NS_PER_S

_MAX_COEFFICIENTS = 64  # of a lens; OpenCV has 14 at most

ImageMessage: TypeAlias = Image | CompressedImage


def decode_message(
    message: ImageMessage, topic: str = "", max_pixels: int = DEFAULT_MAX_PIXELS
) -> RgbImage:
    """Return the pixels of a message of ``topic``.

    Raises:
        ImageFormatError: if the encoding is not supported on this topic, the data is damaged, or
            the image has more than ``max_pixels`` or a text that is too long.
    """
    reject_long_text("frame_id", message.header.frame_id)
    if isinstance(message, CompressedImage):
        reject_long_text("format", message.format)
        reject_depth(topic, message.format.partition(";")[0].strip())
        return decode_compressed(_wrap_compressed(message), max_pixels)
    reject_depth(topic, message.encoding)
    return decode_raw(_wrap_raw(message), max_pixels)


def reject_hidden_info(info: CameraInfo) -> None:
    """Reject a CameraInfo with a text or a list in which a picture may hide.

    Raises:
        ImageFormatError: names the field.
    """
    reject_long_text("frame_id", info.header.frame_id)
    reject_long_text("distortion_model", info.distortion_model)
    if len(info.d) > _MAX_COEFFICIENTS:
        message = f"{len(info.d)} distortion coefficients, more than {_MAX_COEFFICIENTS}"
        raise ImageFormatError(message)


def stamp_ns(message: ImageMessage | CameraInfo) -> int:
    """Return the header's stamp in nanoseconds; 0 if the driver sets none."""
    stamp = message.header.stamp
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def encode_message(
    message: ImageMessage, result: AnonymizedFrame, output: OutputConfig
) -> ImageMessage:
    """Return a copy of ``message`` with the pixels of the anonymized image."""
    if isinstance(message, CompressedImage):
        data = encode_compressed(
            _wrap_compressed(message),
            result.image,
            result.replaced_mask,
            output.jpeg_quality,
            adds_mark=output.mark and result.drawn_beta_d is not None,
        )
        return CompressedImage(
            header=message.header, format=message.format, data=make_byte_array(data)
        )
    # Without persons, too: nobody has looked into the padding.
    return Image(
        header=message.header,
        height=message.height,
        width=message.width,
        encoding=message.encoding,
        is_bigendian=message.is_bigendian,
        step=message.step,
        data=make_byte_array(encode_raw(_wrap_raw(message), result.image, result.replaced_mask)),
    )


def _wrap_raw(message: Image) -> RawImage:
    return RawImage(
        height=message.height,
        width=message.width,
        encoding=take_as_gray(message.encoding),
        is_bigendian=bool(message.is_bigendian),
        step=message.step,
        data=message.data,
    )


def _wrap_compressed(message: CompressedImage) -> CompressedImageData:
    return CompressedImageData(format=take_as_gray(message.format), data=message.data)


def make_byte_array(data: bytes) -> "array[int]":
    """Return bytes as the ``data`` of a message."""
    # rclpy checks every element of any other type, which takes seconds for an image.
    result = array("B")
    result.frombytes(data)
    return result
