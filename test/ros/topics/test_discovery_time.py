"""Time until a camera that starts is subscribed: frames before that are lost."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import Image

_MAX_S = 0.3


def test_start_of_camera_is_not_lost(peer: Any, start_sentinel_process: Callable[..., Any]) -> None:
    """A recorder waits for the mirrored topics, as `ros2 bag record -e` does once they appear."""
    topics = [f"/cam_{index}/image_raw" for index in range(7)]
    for topic in topics:
        peer.record(f"/anon{topic}", Image)
    node = start_sentinel_process(topics__images="[/*/image_raw]")
    node.wait_for("models loaded")
    peer.spin(1)
    durations_s = []
    for topic in topics:
        started_s = time.monotonic()
        peer.advertise(topic, Image)
        publisher = peer._publishers[topic]  # noqa: SLF001 - matched, not only announced
        assert peer.spin_until(lambda publisher=publisher: publisher.get_subscription_count(), 10)
        durations_s.append(time.monotonic() - started_s)
        peer.spin(0.11)
    assert statistics.median(durations_s) < _MAX_S, durations_s
