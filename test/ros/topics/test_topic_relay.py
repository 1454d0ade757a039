"""Forwarded topics, which never carry pixels."""

import base64
import sys
from collections.abc import Callable
from typing import Any

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, Imu, NavSatFix, PointCloud2, PointField
from std_msgs.msg import String, UInt8MultiArray
from std_srvs.srv import SetBool
from visualization_msgs.msg import Marker

from anon_ros.errors import ConfigError
from anon_ros.ros.message_types import import_message_type
from helpers.ros_images import make_jpeg_message, set_stamp
from helpers.ros_streams import LASTING, RAW_SCENE, list_stamps_s

JPEG = bytes(make_jpeg_message(RAW_SCENE, 0).data)


def make_cloud(*fields: str) -> PointCloud2:
    offsets = enumerate(fields)
    return PointCloud2(
        fields=[
            PointField(name=name, offset=4 * index, datatype=7, count=1) for index, name in offsets
        ]
    )


def test_relay_never_sends_pixels(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    for topic, message_type in (("/imu", Imu), ("/grey", PointCloud2), ("/rgb", PointCloud2)):
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type, raw=True)
    peer.advertise("/other/image", Image)
    peer.advertise("/other/marker", Marker)  # its texture is a CompressedImage
    start_live_node(
        topics__images=["/cam/image_raw"], topics__passthrough=["/imu", "/grey", "/rgb", "/other/*"]
    )
    assert wait_for_log("/other/image: topics.passthrough", "carries pixels")
    assert wait_for_log(
        "/other/marker: topics.passthrough", "carries pixels (sensor_msgs/msg/CompressedImage)"
    )
    assert peer.spin_until(lambda: all(map(peer.count_subscribers, ("/imu", "/grey", "/rgb"))))
    imu = set_stamp(Imu(), 3)
    imu.orientation.w = 0.5
    grey, coloured = make_cloud("x", "y", "z", "intensity"), make_cloud("x", "y", "z", "RGB")
    grey.header.frame_id = "camera_rgb_optical_frame"
    while not (
        peer.received["/anon/imu"]
        and peer.received["/anon/grey"]
        and peer.has_logged("/rgb: not relayed", "points with the colours")
    ):
        peer.publish("/imu", imu)
        peer.publish("/grey", grey)
        peer.publish("/rgb", coloured)
        peer.spin(0.2)
    assert peer.received["/anon/imu"][0] == serialize_message(imu)
    assert deserialize_message(peer.received["/anon/grey"][0], PointCloud2) == grey
    assert not peer.received["/anon/rgb"]
    assert not peer._node.count_publishers("/anon/other/image")  # noqa: SLF001


def test_relay_latched_once_enabled(peer: Any, start_live_node: Callable[..., Any]) -> None:
    def enable(*, enabled: bool) -> None:
        peer.call("/anonymizer/enable", SetBool, SetBool.Request(data=enabled))

    start_live_node(
        topics__images=["/cam/image_raw"], topics__passthrough=["/imu"], topics__lazy=False
    )
    enable(enabled=False)
    peer.advertise("/imu", Imu, **LASTING)
    peer.record("/anon/imu", Imu, **LASTING)
    peer.publish("/imu", set_stamp(Imu(), 1))
    peer.spin(1)
    assert not peer.received["/anon/imu"]
    enable(enabled=True)
    assert peer.spin_until(lambda: list_stamps_s(peer.received["/anon/imu"]) == [1])


def test_relay_never_sends_hidden_pictures(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    topics = {"/text": String, "/blob": UInt8MultiArray, "/front_cam/blob": UInt8MultiArray}
    topics |= {"/fix": NavSatFix, "/events": PointCloud2}
    for topic, message_type in topics.items():
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type)
    start_live_node(topics__images=["/cam/image_raw"], topics__passthrough=list(topics))
    assert wait_for_log("/front_cam/blob: topics.passthrough", "bytes under the name of a camera")
    assert wait_for_log("/fix is copied: a track of places")
    open_topics = ("/text", "/blob", "/fix", "/events")
    assert peer.spin_until(lambda: all(map(peer.count_subscribers, open_topics)))
    received = peer.received
    while not all(received[f"/anon{topic}"] for topic in open_topics[:3]):
        peer.publish("/text", String(data=base64.b64encode(JPEG).decode()))
        peer.publish("/text", String(data="all is well"))
        peer.publish("/blob", UInt8MultiArray(data=JPEG))
        peer.publish("/blob", UInt8MultiArray(data=bytes(9)))
        peer.publish("/events", make_cloud("x", "y", "polarity"))
        peer.publish("/fix", NavSatFix())
        peer.spin(0.2)
    assert {message.data for message in received["/anon/text"]} == {"all is well"}
    assert {bytes(message.data) for message in received["/anon/blob"]} == {bytes(9)}
    assert not received["/anon/events"]
    assert not received["/anon/front_cam/blob"]
    assert wait_for_log("/text: not relayed", "holds a JPEG picture in base64")


@pytest.mark.parametrize(
    "type_name",
    [
        "this/__main__/X",
        "antigravity/msg/Image",
        "xml/dom/Node",
        "sensor_msgs/msg/../../os",
        "nothing",
        "sensor_msgs/msg/Imu/more",
        "sensor_msgs/msg/imu\x1b[2J",
    ],
)
def test_advertised_name_never_imported(type_name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=r"topics\.passthrough") as info:
        import_message_type(type_name)
    assert set(sys.modules) == before
    assert "\x1b" not in str(info.value)


def test_installed_message_type_imported() -> None:
    assert import_message_type("sensor_msgs/msg/Imu") is Imu
    assert import_message_type("std_srvs/srv/SetBool_Event").__name__ == "SetBool_Event"
