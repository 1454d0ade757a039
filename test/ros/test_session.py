"""The session between the executor's thread, which closes topics, and the worker's."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from anon_ros.config import Config
from anon_ros.ros.session import ActiveSession
from helpers.fake_models import SentinelModelProvider
from helpers.ros_images import make_raw_message
from helpers.ros_streams import RAW_SCENE, TOPIC

LIMIT_S = 60


class NoTopics:
    """A topic manager that has closed its only topic."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def get(self, _: str) -> None:
        return None

    def discover(self) -> None:
        pass

    def refuse(self, name: str, _: str) -> None:
        self.refused.append(name)


@pytest.mark.parametrize("is_supported", [True, False])
def test_frames_in_work_fail_after_topic_closed(
    monkeypatch: pytest.MonkeyPatch, *, is_supported: bool
) -> None:
    topics: Any = NoTopics()
    debug: Any = None
    failed: list[str] = []
    models = SentinelModelProvider()
    session = ActiveSession(
        Config(), models, topics, debug, lambda name, _: failed.append(name), None
    )
    handle = session.worker._on_failure  # noqa: SLF001 - the window between the two threads

    def discover_first(name: str, error: Exception) -> None:
        session.discover()
        handle(name, error)

    monkeypatch.setattr(session.worker, "_on_failure", discover_first)
    message = make_raw_message(RAW_SCENE, 0)
    if is_supported:
        message.step = 1
    else:
        message.encoding = "32FC1"
    session.worker.start()
    for count in range(1, 4):
        session.mailbox.put(TOPIC, message)
        deadline_s = time.monotonic() + LIMIT_S
        while session.mailbox.counts()[TOPIC].failed < count:
            assert time.monotonic() < deadline_s
            assert not session.worker.finished.is_set(), session.worker.error
            time.sleep(0.001)
    assert session.worker.stop(LIMIT_S)
    assert failed == ([TOPIC] * 3 if is_supported else [])
    assert topics.refused == ([] if is_supported else [TOPIC])
