"""Definitions and hashes of message types, and the type stores of rosbags."""

from collections.abc import Container, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from anon_ros.bags.storage.metadata import TOPICS_KEY, dump_yaml
from anon_ros.bags.storage.records import Channel
from anon_ros.errors import BagError


@cache
def ros1_typestore() -> Typestore:
    """Return the standard types of ROS 1."""
    return get_typestore(Stores.ROS1_NOETIC)


@cache
def ros2_typestore() -> Typestore:
    """Return the standard types of ROS 2; those of images are the same in all distributions."""
    return get_typestore(Stores.ROS2_JAZZY)


def standard_types(channel: Channel) -> Container[str]:
    """Return the names of the types that every installation of the channel's ROS has."""
    return (ros1_typestore() if channel.serialization == "ros1" else ros2_typestore()).fielddefs


def get_definition(channel: Channel) -> str:
    """Return the definition of a standard type; empty for any other."""
    version = {"ros1": 1, "cdr": 2}.get(channel.serialization)
    if version is None or channel.type_name not in standard_types(channel):
        return ""
    store = ros1_typestore() if version == 1 else ros2_typestore()
    return str(store.generate_msgdef(channel.type_name, ros_version=version)[0])


def complete_channel(channel: Channel, metadata: Mapping[str, Any] | None) -> Channel:
    """Fill in the definition, type hash and QoS that the target storage requires.

    Args:
        channel: as the source storage has it.
        metadata: of the bag, which may have the type hash and the QoS; None if there is none.

    Raises:
        BagError: if the definition is no text, or the messages are those of ROS 1.
    """
    _check_definition(channel)
    if channel.serialization == "ros1":
        message = f"{channel.topic} has messages of ROS 1; keep the storage as it is"
        raise BagError(message)
    topic = _find_topic_metadata(channel.topic, metadata)
    qos = topic.get("offered_qos_profiles", "")
    return replace(
        channel,
        definition=channel.definition or get_definition(channel),
        definition_encoding=channel.definition_encoding or "ros2msg",
        type_hash=channel.type_hash or topic.get("type_description_hash") or _hash_type(channel),
        qos=channel.qos or (qos if isinstance(qos, str) else dump_yaml(qos)),
    )


def _check_definition(channel: Channel) -> None:
    try:
        channel.definition.encode()
    except UnicodeEncodeError as error:
        message = f"{channel.type_name}: its definition is no text; keep the storage as it is"
        raise BagError(message) from error


def _find_topic_metadata(topic: str, metadata: Mapping[str, Any] | None) -> Mapping[str, Any]:
    topics = metadata[TOPICS_KEY] if metadata else []
    entries = (entry["topic_metadata"] for entry in topics)
    return next((entry for entry in entries if entry["name"] == topic), {})


def _hash_type(channel: Channel) -> str:
    """Return the RIHS01 hash of a standard type of ROS 2; empty for any other."""
    is_standard = channel.type_name in ros2_typestore().fielddefs
    return str(ros2_typestore().hash_rihs01(channel.type_name)) if is_standard else ""
