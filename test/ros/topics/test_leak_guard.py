"""Subscribers of the original images."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from anon_ros.ros.topics import nameless_peers
from anon_ros.ros.topics.leak_guard import LeakGuard


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


def test_node_is_named_before_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """DDS announces an endpoint before the name of its node; a peer without ROS never has one."""
    info = SimpleNamespace(
        node_name="_NODE_NAME_UNKNOWN_", node_namespace="_NODE_NAMESPACE_UNKNOWN_"
    )
    warnings: list[str] = []
    node = SimpleNamespace(
        get_subscriptions_info_by_topic=lambda _: [info],
        get_logger=lambda: SimpleNamespace(warning=warnings.append),
    )
    guard = LeakGuard(node, ["/trusted"])
    for _ in range(2):
        guard.update(["/cam/image_raw"])
        assert guard.untrusted_subscribers == {"/cam/image_raw": []}
    monkeypatch.setattr(nameless_peers, "_NAME_TIMEOUT_S", 0)
    guard.update(["/cam/image_raw"])
    assert guard.untrusted_subscribers == {"/cam/image_raw": ["a peer without a node name"]}
    assert len(warnings) == 1
    info.node_name, info.node_namespace = "trusted", "/"
    guard.update(["/cam/image_raw"])
    assert guard.untrusted_subscribers == {"/cam/image_raw": []}
