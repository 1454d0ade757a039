"""Subscribers of the original images."""

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image


def test_leak_guard_names_subscribers(
    peer: Any,
    third_peer: Any,
    start_live_node: Callable[..., Any],
    wait_for_log: Callable[..., bool],
) -> None:
    for topic in ("/a/image_raw", "/b/image_raw"):
        peer.advertise(topic, Image)
    start_live_node(
        topics__images=["/a/image_raw", "/b/image_raw"], topics__trusted_subscribers=["/peer"]
    )
    peer.record("/diagnostics", DiagnosticArray)
    third_peer.rename("rosbag2_recorder")
    third_peer.record("/a/image_raw", Image)
    assert wait_for_log(
        "/a/image_raw", "/rosbag2_recorder", "being recorded", "topics.trusted_subscribers"
    )
    assert peer.spin_until(
        lambda: any(
            "the original images go to /rosbag2_recorder" in status.message
            for array in peer.received["/diagnostics"]
            for status in array.status
        )
    )
    peer.record("/b/image_raw", Image)
    peer.spin(1.5)
    assert not peer.has_logged("/b/image_raw: the original")
