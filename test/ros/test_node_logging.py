"""The node's log: its throttle, and its lines at the level debug."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rcl_interfaces.msg import Log
from rclpy.logging import LoggingSeverity, set_logger_level
from sensor_msgs.msg import Image

from anon_ros.ros.node_logging import LogThrottle
from helpers.fake_models import make_street_image
from helpers.ros_images import make_raw_message
from helpers.ros_nodes import Peer

TOPIC = "/cam/image_raw"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be changed in place."""
    now = [1000.0]
    monkeypatch.setattr("anon_ros.ros.node_logging.time.monotonic", lambda: now[0])
    return now


def count_logged(
    throttle: LogThrottle, clock: list[float], texts: list[str], period_s: float
) -> int:
    total = 0
    for text in texts:
        total += throttle.allows("/camera", text)
        clock[0] += period_s
    return total


def test_lasting_failure_is_told_once(clock: list[float]) -> None:
    assert count_logged(LogThrottle(1.0), clock, ["too large"] * 5000, 0.1) == 1


def test_failure_that_comes_back_is_told_again(clock: list[float]) -> None:
    throttle = LogThrottle(1.0)
    assert throttle.allows("/camera", "too large")
    clock[0] += 61
    assert throttle.allows("/camera", "too large")


def test_alternating_texts_are_throttled(clock: list[float]) -> None:
    """A hundred seconds at 30 Hz: one line a second at most."""
    assert count_logged(LogThrottle(1.0), clock, ["a", "b"] * 1500, 1 / 30) <= 101


def test_topics_are_told_apart(clock: list[float]) -> None:
    throttle = LogThrottle(1.0)
    assert [throttle.allows(topic, "text") for topic in ("/a", "/b", "/a", "/b")] == [
        *(True, True),
        *(False, False),
    ]
    assert clock


@pytest.fixture
def debug_level() -> Iterator[None]:
    """The node's own logger at debug, as with ``--log-level anonymizer:=debug``."""
    set_logger_level("anonymizer", LoggingSeverity.DEBUG)
    yield
    set_logger_level("anonymizer", LoggingSeverity.UNSET)


@pytest.mark.usefixtures("debug_level")
def test_debug_level_shows_every_frame(peer: Peer, start_live_node: Callable[..., Any]) -> None:
    peer.record("/rosout", Log)
    publish_street(peer, start_live_node)
    assert peer.spin_until(lambda: peer.has_logged(f"{TOPIC}: published after", " persons, "))
    assert peer.has_logged(f"{TOPIC}: subscribed")


def test_debug_lines_need_debug_level(
    peer: Peer, start_live_node: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    publish_street(peer, start_live_node)
    assert "DEBUG" not in capfd.readouterr().err


def publish_street(peer: Peer, start_live_node: Callable[..., Any]) -> None:
    """Publish an image and wait for the mirrored one."""
    peer.advertise(TOPIC, Image)
    peer.record(f"/anon{TOPIC}", Image)
    start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    peer.publish(TOPIC, make_raw_message(make_street_image(160, 120), 1))
    assert peer.spin_until(lambda: bool(peer.received[f"/anon{TOPIC}"]))
