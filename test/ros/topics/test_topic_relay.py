"""Forwarded topics, which never carry pixels."""

from collections.abc import Callable
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, Imu, PointCloud2, PointField
from std_srvs.srv import SetBool
from visualization_msgs.msg import Marker

from helpers.ros_images import set_stamp
from helpers.ros_streams import LASTING, list_stamps_s


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
    for _ in range(3):
        peer.publish("/imu", imu)
        peer.publish("/grey", grey)
        peer.publish("/rgb", coloured)
        peer.spin(0.2)
    assert peer.spin_until(lambda: peer.received["/anon/imu"] and peer.received["/anon/grey"])
    assert wait_for_log("/rgb", "colored points")
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
