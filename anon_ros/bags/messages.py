"""From a recorded image message to its pixels and back."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from anon_ros.bags.storage.metadata import dump_yaml
from anon_ros.bags.storage.records import Channel
from anon_ros.core import AnonymizedFrame, RgbImage
from anon_ros.errors import BagError, ImageFormatError, format_error
from anon_ros.images import (
    IMAGE_TYPES,
    POINT_CLOUD_TYPE,
    CompressedImageData,
    RawImage,
    decode_compressed,
    decode_raw,
    encode_compressed,
    encode_raw,
)

IMAGE_TYPE, COMPRESSED_TYPE = IMAGE_TYPES
DESERIALIZED_TYPES = (*IMAGE_TYPES, POINT_CLOUD_TYPE)
# A thermal camera's numbers are grey values to us.
_GREY_16 = "16UC1"


@dataclass(frozen=True)
class ImageMessage:
    """An image message, deserialised.

    Attributes:
        channel: that it came on.
        ros_message: of the message, named as in its definition; arrays are read-only views.
    """

    channel: Channel
    ros_message: Any

    @property
    def encoding(self) -> str:
        """The encoding of an Image, the format of a CompressedImage."""
        is_raw = self.channel.type_name == IMAGE_TYPE
        return str(self.ros_message.encoding if is_raw else self.ros_message.format)

    @property
    def raw(self) -> RawImage:
        fields = self.ros_message
        encoding = "mono16" if fields.encoding == _GREY_16 else fields.encoding
        bigendian = bool(fields.is_bigendian)
        return RawImage(
            fields.height, fields.width, encoding, bigendian, fields.step, _bytes_of(fields.data)
        )

    @property
    def compressed(self) -> CompressedImageData:
        return CompressedImageData(self.ros_message.format, _bytes_of(self.ros_message.data))

    @property
    def header(self) -> tuple[Any, ...]:
        """Everything but the pixels, to compare."""
        header = self.ros_message.header
        known = header.stamp.sec, header.stamp.nanosec, header.frame_id, self.encoding
        if self.channel.type_name != IMAGE_TYPE:
            return known
        fields = self.ros_message
        size = fields.height, fields.width, fields.step, bool(fields.is_bigendian)
        return *known, *size, len(fields.data)

    def decode(self) -> RgbImage:
        """The pixels.

        Raises:
            ImageFormatError: if they cannot be decoded.
        """
        if self.channel.type_name == IMAGE_TYPE:
            return decode_raw(self.raw)
        return decode_compressed(self.compressed)

    def encode(self, result: AnonymizedFrame, jpeg_quality: int) -> bytes:
        """The message with other pixels, serialised as its channel demands."""
        if self.channel.type_name == IMAGE_TYPE:
            data = encode_raw(self.raw, result.image, result.replaced_mask)
        else:
            data = encode_compressed(
                self.compressed, result.image, result.replaced_mask, jpeg_quality
            )
        fields = replace(self.ros_message, data=np.frombuffer(data, np.uint8))
        if self.channel.serialization == "ros1":
            return bytes(ros1_typestore().serialize_ros1(fields, self.channel.type_name))
        return bytes(ros2_typestore().serialize_cdr(fields, self.channel.type_name))


def deserialize(channel: Channel, data: bytes) -> Any:
    """Deserialise a message of one of READABLE_TYPES.

    Raises:
        ImageFormatError: if the bytes are damaged.
    """
    try:
        if channel.serialization == "ros1":
            return ros1_typestore().deserialize_ros1(data, channel.type_name)
        return ros2_typestore().deserialize_cdr(data, channel.type_name)
    except Exception as error:  # damaged bytes raise anything
        message = f"message of {len(data)} bytes is no {channel.type_name}: {format_error(error)}"
        raise ImageFormatError(message) from error


def deserialize_image(channel: Channel, data: bytes) -> ImageMessage:
    """Deserialise an image message; arguments and errors as ``deserialize``."""
    return ImageMessage(channel, deserialize(channel, data))


def complete_channel(channel: Channel, information: Mapping[str, Any] | None) -> Channel:
    """``channel`` with what another storage wants to know of it and its own did not need.

    Args:
        channel: as one storage has it.
        information: of metadata.yaml, which may know the type's hash and the QoS.
    """
    topics = information["topics_with_message_count"] if information else []
    known: dict[str, Any] = next(
        (t["topic_metadata"] for t in topics if t["topic_metadata"]["name"] == channel.topic), {}
    )
    try:
        channel.definition.encode()
    except UnicodeEncodeError as error:
        message = f"{channel.type_name}: its definition is no text; keep the storage as it is"
        raise BagError(message) from error
    type_hash = channel.type_hash or known.get("type_description_hash") or _known_hash(channel)
    qos = known.get("offered_qos_profiles", "")
    return replace(
        channel,
        definition=channel.definition or get_definition(channel),
        definition_encoding=channel.definition_encoding or "ros2msg",
        type_hash=type_hash,
        qos=channel.qos or (qos if isinstance(qos, str) else dump_yaml(qos)),
    )


def get_definition(channel: Channel) -> str:
    """The definition of a type that every ROS installation has; empty for any other."""
    if channel.serialization == "ros1" and channel.type_name in ros1_typestore().fielddefs:
        return str(ros1_typestore().generate_msgdef(channel.type_name, ros_version=1)[0])
    if channel.serialization == "cdr" and channel.type_name in ros2_typestore().fielddefs:
        return str(ros2_typestore().generate_msgdef(channel.type_name, ros_version=2)[0])
    return ""


def standard_types(channel: Channel) -> Container[str]:
    """Names of the types that every ROS installation has."""
    return (ros1_typestore() if channel.serialization == "ros1" else ros2_typestore()).fielddefs


def _known_hash(channel: Channel) -> str:
    known = channel.type_name in ros2_typestore().fielddefs
    return str(ros2_typestore().hash_rihs01(channel.type_name)) if known else ""


@cache
def ros2_typestore() -> Typestore:
    """The types of a ROS 2 distribution; those of images are the same in all of them."""
    return get_typestore(Stores.ROS2_JAZZY)


@cache
def ros1_typestore() -> Typestore:
    """The types of ROS 1."""
    return get_typestore(Stores.ROS1_NOETIC)


def _bytes_of(data: Any) -> Any:
    return np.asarray(data, np.uint8)
