"""The throttle of the node's log."""

import pytest

from anon_ros.ros.node_logging import LogThrottle


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
