"""Publishers of other nodes below the prefix."""

import signal
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point
from sensor_msgs.msg import Image

from helpers.ros_diagnostics import StatusRecorder
from helpers.ros_streams import MIRRORED, TOPIC

GUARD = "/anonymizer: guard: publishers below the prefix"
SUMMARY = "/anonymizer: recording"
ERROR = DiagnosticStatus.ERROR


def test_foreign_publisher_ends_node(
    peer: Any, third_peer: Any, start_sentinel_process: Callable[..., Any]
) -> None:
    """Seen on a vehicle: originals of a second driver between anonymized frames."""
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    statuses = StatusRecorder(peer)
    third_peer.rename("second_driver")
    node = start_sentinel_process(topics__images=f"[{TOPIC}]", topics__on_foreign_publisher="end")
    assert peer.spin_until(peer.is_connected)
    third_peer.advertise(MIRRORED, Image)
    statuses.wait(GUARD, ERROR, f"{MIRRORED} by /second_driver")
    assert node.wait() == 1, node.log
    assert f"{MIRRORED} by /second_driver" in node.log
    assert "topics.trusted_publishers" in node.log
    assert "Traceback" not in node.log


def test_foreign_publisher_reported(
    peer: Any, third_peer: Any, start_sentinel_process: Callable[..., Any]
) -> None:
    statuses = StatusRecorder(peer)
    peer.advertise(TOPIC, Image)
    third_peer.rename("second_driver")
    node = start_sentinel_process(
        topics__images=f"[{TOPIC}]",
        topics__trusted_publishers="[/republisher]",
    )
    statuses.wait(GUARD, DiagnosticStatus.OK, "none but this node")
    third_peer.advertise(MIRRORED, Image)
    text = f"{MIRRORED} by /second_driver"
    statuses.wait(GUARD, ERROR, text)
    statuses.wait(SUMMARY, ERROR, text)
    peer.spin(1)
    assert node.log.count(text) == 1
    third_peer.stop_advertising(MIRRORED)
    third_peer.advertise("/anon/second/image_raw", Image)
    statuses.wait(GUARD, ERROR, "/anon/second/image_raw by /second_driver")
    third_peer.stop_advertising("/anon/second/image_raw")
    statuses.wait(GUARD, DiagnosticStatus.OK, "none but this node")
    third_peer.rename("republisher")
    third_peer.advertise(MIRRORED, Image)
    third_peer.advertise("/anon/cam/image_raw_mouse_left", Point)
    assert peer.spin_until(lambda: peer.count_publishers(MIRRORED) == 2)
    peer.spin(1.5)
    statuses.wait(GUARD, DiagnosticStatus.OK, "none but this node")
    node.signal(signal.SIGINT)
    assert node.wait() == 0


def test_second_anonymizer_is_an_error(
    peer: Any, start_live_node: Callable[..., Any], start_sentinel_process: Callable[..., Any]
) -> None:
    """It ends neither: after a crash the predecessor is announced for a while."""
    statuses = StatusRecorder(peer)
    peer.advertise(TOPIC, Image)
    start_live_node(topics__images=[TOPIC])
    statuses.wait(GUARD, DiagnosticStatus.OK, "none but this node")
    node = start_sentinel_process(topics__images=f"[{TOPIC}]")
    statuses.wait(GUARD, ERROR, "a second node of the same name publishes /anon/cam/")
    peer.spin(1)
    node.signal(signal.SIGINT)
    assert node.wait() == 0
    statuses.wait(GUARD, DiagnosticStatus.OK, "none but this node")
