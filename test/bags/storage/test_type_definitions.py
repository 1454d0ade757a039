"""A channel gets what the target storage requires, and keeps what it has."""

import pytest

from anon_ros.bags.storage.records import Channel
from anon_ros.bags.storage.type_definitions import complete_channel, get_definition
from anon_ros.errors import BagError

IMU = Channel(1, "/imu", "sensor_msgs/msg/Imu", "cdr")
UNKNOWN = Channel(1, "/odd", "my_msgs/msg/Odd", "cdr")


def metadata(**values: object) -> dict[str, object]:
    return {"topics_with_message_count": [{"topic_metadata": {"name": "/odd", **values}}]}


@pytest.mark.parametrize(
    ("type_name", "serialization", "text"),
    [
        ("sensor_msgs/msg/Imu", "cdr", "orientation_covariance"),
        ("std_msgs/msg/Header", "ros1", "uint32 seq"),
        ("std_msgs/msg/Header", "json", ""),
        ("my_msgs/msg/Odd", "cdr", ""),
    ],
)
def test_definition_of_standard_type(type_name: str, serialization: str, text: str) -> None:
    definition = get_definition(Channel(1, "/topic", type_name, serialization))
    assert text in definition
    assert bool(definition) == bool(text)


def test_standard_channel_is_completed() -> None:
    channel = complete_channel(IMU, None)
    assert channel.type_hash.startswith("RIHS01_")
    assert channel.definition == get_definition(IMU)
    assert channel.definition_encoding == "ros2msg"
    assert not channel.qos


def test_metadata_completes_unknown_type() -> None:
    values = {"type_description_hash": "RIHS01_a", "offered_qos_profiles": [{"depth": 3}]}
    channel = complete_channel(UNKNOWN, metadata(**values))
    assert (channel.type_hash, channel.qos) == ("RIHS01_a", "- depth: 3\n")


def test_completed_channel_stays_as_it_is() -> None:
    texts = "int32 number", "ros2idl", "RIHS01_b", "- depth: 1\n"
    channel = Channel(1, "/odd", "my_msgs/msg/Odd", "cdr", *texts)
    assert complete_channel(channel, metadata(type_description_hash="RIHS01_a")) == channel


def test_binary_definition_is_an_error() -> None:
    channel = Channel(1, "/odd", "my_msgs/msg/Odd", "cdr", b"\xff".decode(errors="surrogateescape"))
    with pytest.raises(BagError, match="its definition is no text"):
        complete_channel(channel, None)
