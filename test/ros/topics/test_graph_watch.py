"""A camera that starts is subscribed as soon as the ROS graph shows it: frames before are lost."""

from collections.abc import Callable
from typing import Any

import pytest
from sensor_msgs.msg import Image

from anon_ros.ros import node


def test_start_of_camera_is_not_lost(
    peer: Any, start_live_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder waits for the mirrored topics, as `ros2 bag record -e` does once they appear."""
    monkeypatch.setattr(node, "_DISCOVER_PERIOD_S", 1e6)  # the watch finds it, not the next look
    topics = [f"/cam_{index}/image_raw" for index in range(3)]
    for topic in topics:
        peer.record(f"/anon{topic}", Image)
    live_node = start_live_node(topics__images=["/*/image_raw"])
    assert peer.spin_until(lambda: live_node.node._active)  # noqa: SLF001 - no topic tells it
    for topic in topics:
        peer.advertise(topic, Image)
        publisher = peer._publishers[topic]  # noqa: SLF001 - matched, not only announced
        assert peer.spin_until(lambda publisher=publisher: publisher.get_subscription_count())
