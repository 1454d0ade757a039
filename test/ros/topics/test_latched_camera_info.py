"""CameraInfo that is published once, and cameras without any."""

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from helpers.ros_diagnostics import StatusRecorder
from helpers.ros_images import set_stamp
from helpers.ros_streams import LASTING, MIRRORED, TOPIC, list_stamps_s, publish_frames

INFO = "/cam/camera_info"
GUARD = "/anonymizer: guard: calibration"


def test_latched_camera_info_is_mirrored_latched(
    peer: Any, third_peer: Any, start_sentinel_process: Callable[..., Any]
) -> None:
    """It was published before anybody listened, and is not repeated."""
    statuses = StatusRecorder(peer)
    peer.advertise(TOPIC, Image)
    node = start_sentinel_process(topics__images=f"[{TOPIC}]")
    statuses.wait(GUARD, DiagnosticStatus.WARN, f"nobody publishes {INFO}")
    peer.advertise(INFO, CameraInfo, **LASTING)
    peer.publish(INFO, set_stamp(CameraInfo(width=320), 7))
    peer.record(MIRRORED, Image)
    peer.record(f"/anon{INFO}", CameraInfo, **LASTING)
    infos = peer.received[f"/anon{INFO}"]
    assert peer.spin_until(lambda: bool(infos)), node.log
    publish_frames(peer, TOPIC, since=20)
    assert peer.spin_until(lambda: bool(peer.received[MIRRORED]))
    statuses.wait(GUARD, DiagnosticStatus.OK, "every image topic")
    third_peer.record(f"/anon{INFO}", CameraInfo, **LASTING)
    late = third_peer.received[f"/anon{INFO}"]
    assert third_peer.spin_until(lambda: bool(late))
    assert list_stamps_s(infos) == list_stamps_s(late) == [7]
    offered = peer._node.get_publishers_info_by_topic(f"/anon{INFO}")  # noqa: SLF001 - the graph
    assert [o.qos_profile.durability for o in offered] == [DurabilityPolicy.TRANSIENT_LOCAL]


def test_missing_camera_info_is_told(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    statuses = StatusRecorder(peer)
    peer.advertise(TOPIC, Image)
    peer.advertise(INFO, CameraInfo)
    peer.record(MIRRORED, Image)
    start_live_node(topics__images=[TOPIC])
    statuses.wait(GUARD, DiagnosticStatus.OK, "every image topic")
    assert peer.spin_until(lambda: peer.count_subscribers(TOPIC))
    publish_frames(peer, TOPIC, count=10)
    statuses.wait(GUARD, DiagnosticStatus.WARN, f"{INFO} has a publisher, but sends nothing")
    assert wait_for_log(TOPIC, f"{INFO} has a publisher, but sends nothing")
    peer.publish(INFO, set_stamp(CameraInfo(), 30))
    statuses.wait(GUARD, DiagnosticStatus.OK, "every image topic")
