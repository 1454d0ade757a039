"""Image messages of a bag: deserialization, and the codec of their pixels."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.serde import SerdeError
from rosbags.typesys.store import Typestore

from anon_ros.bags.storage.records import Channel
from anon_ros.bags.storage.type_definitions import ros1_typestore, ros2_typestore
from anon_ros.config import OutputConfig
from anon_ros.core import AnonymizedFrame, RgbImage
from anon_ros.errors import ImageFormatError, format_error
from anon_ros.images import (
    DEFAULT_MAX_PIXELS,
    IMAGE_TYPES,
    POINT_CLOUD_TYPE,
    CompressedImageData,
    RawImage,
    ToneRule,
    decode_compressed,
    decode_raw,
    encode_compressed,
    encode_raw,
    is_thermal_topic,
    measure_tone,
    reject_long_text,
    take_as_gray,
)

IMAGE_TYPE = IMAGE_TYPES[0]
DESERIALIZED_TYPES = (*IMAGE_TYPES, POINT_CLOUD_TYPE)
"""Message types that are looked into."""

_TEXT_FIELDS = ("format", "encoding")
_CDR_PADDINGS = (0, 4, 8)  # rosbags ignores up to 3 bytes more


@dataclass(frozen=True)
class ImageMessage:
    """A deserialized image message.

    Attributes:
        channel: of the message.
        ros_message: with the fields of its definition; arrays are read-only views.
        tone_rule: choice of the mapping of 16-bit samples to 8 bits.
    """

    channel: Channel
    ros_message: Any
    tone_rule: ToneRule = measure_tone

    @property
    def is_raw(self) -> bool:
        """True for an Image, False for a CompressedImage."""
        return self.channel.type_name == IMAGE_TYPE

    @property
    def encoding(self) -> str:
        """The encoding of an Image, the format of a CompressedImage."""
        return str(self.ros_message.encoding if self.is_raw else self.ros_message.format)

    @property
    def raw(self) -> RawImage:
        """The fields of an Image."""
        fields = self.ros_message
        return RawImage(
            height=fields.height,
            width=fields.width,
            encoding=take_as_gray(fields.encoding),
            is_bigendian=bool(fields.is_bigendian),
            step=fields.step,
            data=_to_bytes(fields.data),
            tone_rule=self.tone_rule,
        )

    @property
    def compressed(self) -> CompressedImageData:
        """The fields of a CompressedImage."""
        data = _to_bytes(self.ros_message.data)
        declared = self.ros_message.format
        if is_thermal_topic(self.channel.topic):
            declared = take_as_gray(declared)
        return CompressedImageData(declared, data, self.tone_rule)

    @property
    def header(self) -> tuple[Any, ...]:
        """The fields without the pixels, for a comparison."""
        fields, header = self.ros_message, self.ros_message.header
        common = header.stamp.sec, header.stamp.nanosec, header.frame_id, self.encoding
        if not self.is_raw:
            return common
        size = fields.height, fields.width, fields.step, bool(fields.is_bigendian)
        return *common, *size, len(fields.data)

    def decode(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> RgbImage:
        """Decode the pixels, (H, W, 3) uint8 RGB.

        Raises:
            ImageFormatError: if they cannot be decoded, or are more than ``max_pixels``.
        """
        if self.is_raw:
            return decode_raw(self.raw, max_pixels)
        return decode_compressed(self.compressed, max_pixels)

    def encode(self, result: AnonymizedFrame, output: OutputConfig) -> bytes:
        """Serialize the message with the pixels of ``result``.

        Args:
            result: of this image.
            output: JPEG quality and mark, for a CompressedImage.
        """
        image, mask = result.image, result.replaced_mask
        if self.is_raw:
            data = encode_raw(self.raw, image, mask)
        else:
            adds_mark = output.mark and result.drawn_beta_d is not None
            data = encode_compressed(
                self.compressed, image, mask, output.jpeg_quality, adds_mark=adds_mark
            )
        message = replace(self.ros_message, data=np.frombuffer(data, np.uint8))
        if self.channel.serialization == "ros1":
            return bytes(ros1_typestore().serialize_ros1(message, self.channel.type_name))
        return bytes(ros2_typestore().serialize_cdr(message, self.channel.type_name))


def deserialize(channel: Channel, data: bytes) -> Any:
    """Deserialize a message of one of DESERIALIZED_TYPES.

    Raises:
        ImageFormatError: if the bytes are damaged, or a text is too long.
    """
    is_ros1 = channel.serialization == "ros1"
    message = deserialize_with(ros1_typestore() if is_ros1 else ros2_typestore(), channel, data)
    for name in _TEXT_FIELDS:
        reject_long_text(name, getattr(message, name, ""))
    for field in getattr(message, "fields", ()):  # of a point cloud
        reject_long_text("name of a field", field.name)
    if hasattr(message, "header"):
        reject_long_text("frame_id", message.header.frame_id)
    return message


def deserialize_with(store: Typestore, channel: Channel, data: bytes) -> Any:
    """Deserialize a message of any type.

    Args:
        store: has the channel's type.
        channel: of the message.
        data: of the message.

    Raises:
        ImageFormatError: if the bytes are damaged, no UTF-8 where they should be, or CDR of
            another encapsulation than plain CDR (PL_CDR, XCDR2).
    """
    try:
        if channel.serialization == "ros1":
            return store.deserialize_ros1(data, channel.type_name)
        return _deserialize_cdr(store, data, channel.type_name)
    except Exception as error:  # damaged bytes raise anything
        message = f"message of {len(data)} bytes is no {channel.type_name}: {format_error(error)}"
        raise ImageFormatError(message) from error


def _deserialize_cdr(store: Typestore, data: bytes, type_name: str) -> Any:
    """Deserialize a message that some middlewares and loaned buffers pad with up to 8 bytes."""
    for num_padding in _CDR_PADDINGS[:-1]:
        with suppress(SerdeError):
            return store.deserialize_cdr(data[: len(data) - num_padding], type_name)
    return store.deserialize_cdr(data[: len(data) - _CDR_PADDINGS[-1]], type_name)


def deserialize_image(channel: Channel, data: bytes) -> ImageMessage:
    """Deserialize an image message.

    Raises:
        ImageFormatError: if the bytes are damaged.
    """
    return ImageMessage(channel, deserialize(channel, data))


def _to_bytes(data: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(data, np.uint8)
