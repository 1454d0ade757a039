"""A managed node: loaded while active, silent otherwise, and the process ends when it must."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from anon_ros.core import Anonymizer
from anon_ros.errors import ModelError
from helpers.fake_models import NoiseInpainter, SentinelModelProvider, make_street_image
from helpers.ros_images import make_raw_message
from helpers.ros_streams import count_received

TOPIC, MIRRORED = "/cam/image_raw", "/anon/cam/image_raw"
IMAGE = make_street_image(320, 240)


def get_state(peer: Any) -> int:
    return int(peer.call("/anonymizer/get_state", GetState, GetState.Request()).current_state.id)


def change_state(peer: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(peer.call("/anonymizer/change_state", ChangeState, request).success)


def set_enabled(peer: Any, *, enabled: bool) -> None:
    request = SetBool.Request(data=enabled)
    assert peer.call("/anonymizer/enable", SetBool, request).success


def publish_frames(peer: Any, count: int, since: int = 0) -> None:
    for index in range(since, since + count):
        peer.publish(TOPIC, make_raw_message(IMAGE, index))
        peer.spin(0.05)


def record_mirror(peer: Any) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)


def list_stamps_s(peer: Any) -> list[int]:
    return [message.header.stamp.sec - 1000 for message in peer.received[MIRRORED]]


def test_no_autostart_waits_for_transition(peer: Any, start_live_node: Callable[..., Any]) -> None:
    record_mirror(peer)
    node = start_live_node(autostart=False, topics__images=[TOPIC])
    assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    assert not change_state(peer, Transition.TRANSITION_ACTIVATE)
    assert change_state(peer, Transition.TRANSITION_CONFIGURE)
    peer.spin(1)
    assert not peer.count_subscribers(TOPIC)
    assert not node.models.configs

    assert change_state(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, 5)
    assert peer.spin_until(lambda: bool(list_stamps_s(peer)))
    assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
    assert peer.spin_until(lambda: not peer.count_subscribers(TOPIC))
    assert peer.spin_until(lambda: node.models.num_releases == 1)
    before = len(list_stamps_s(peer))
    publish_frames(peer, 5, since=100)
    assert len(list_stamps_s(peer)) == before

    assert change_state(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, 5, since=200)
    assert peer.spin_until(lambda: max(list_stamps_s(peer)) >= 200)
    assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
    assert change_state(peer, Transition.TRANSITION_CLEANUP)
    assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    assert change_state(peer, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert get_state(peer) == State.PRIMARY_STATE_FINALIZED


class SlowModelProvider(SentinelModelProvider):
    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def anonymizer(self, config: Any) -> Anonymizer:
        assert self.go.wait(120)
        return super().anonymizer(config)


def test_loading_answers_services(peer: Any, start_live_node: Callable[..., Any]) -> None:
    record_mirror(peer)
    models = SlowModelProvider()
    node = start_live_node(models, topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, 10)
    assert peer.spin_until(lambda: count_received(node, TOPIC) == 10)
    assert get_state(peer) == State.PRIMARY_STATE_ACTIVE
    assert not list_stamps_s(peer)
    models.go.set()
    # Of what came meanwhile only the newest is left.
    assert peer.spin_until(lambda: list_stamps_s(peer) == [9])


@pytest.mark.parametrize("how", ["deactivate", "disable", "disable and enable"])
def test_stop_drops_frame_in_work(peer: Any, start_live_node: Callable[..., Any], how: str) -> None:
    record_mirror(peer)
    painter = NoiseInpainter(may_continue=threading.Event())
    node = start_live_node(SentinelModelProvider(inpainter=painter), topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    while not painter.batch_sizes:
        publish_frames(peer, 1)
    if "disable" in how:
        set_enabled(peer, enabled=False)
        set_enabled(peer, enabled="enable" in how.split())
    else:
        assert change_state(peer, Transition.TRANSITION_DEACTIVATE)
    mailbox = node.node._session.mailbox  # noqa: SLF001 - no topic tells it yet
    painter.may_continue.set()
    assert peer.spin_until(lambda: not mailbox.counts()[TOPIC].waiting)
    peer.spin(0.5)
    assert not list_stamps_s(peer)
    if "disable" in how:
        counts = mailbox.counts()[TOPIC]
        assert counts.skipped > 0 == counts.processed + counts.failed
        set_enabled(peer, enabled=True)
        publish_frames(peer, 3, since=50)
        assert peer.spin_until(lambda: list_stamps_s(peer) and min(list_stamps_s(peer)) >= 50)


def test_disabled_node_never_publishes(peer: Any, start_live_node: Callable[..., Any]) -> None:
    record_mirror(peer)
    start_live_node(autostart=False, topics__images=[TOPIC])
    set_enabled(peer, enabled=False)
    assert change_state(peer, Transition.TRANSITION_CONFIGURE)
    assert change_state(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, 10)
    assert not list_stamps_s(peer)
    set_enabled(peer, enabled=True)
    publish_frames(peer, 5, since=50)
    assert peer.spin_until(lambda: list_stamps_s(peer) and min(list_stamps_s(peer)) >= 50)


class BrokenModelProvider(SentinelModelProvider):
    broken = True

    def anonymizer(self, config: Any) -> Anonymizer:
        if self.broken:
            message = "detect.weights: no file"
            raise ModelError(message)
        return super().anonymizer(config)


def test_missing_models_can_be_fixed(peer: Any, start_live_node: Callable[..., Any]) -> None:
    record_mirror(peer)
    models = BrokenModelProvider()
    node = start_live_node(models, autostart=False, topics__images=[TOPIC])
    assert change_state(peer, Transition.TRANSITION_CONFIGURE)
    assert change_state(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(lambda: get_state(peer) == State.PRIMARY_STATE_INACTIVE)
    assert not node.node.should_exit
    models.broken = False
    assert change_state(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, 5)
    assert peer.spin_until(lambda: list_stamps_s(peer))


def test_invalid_topic_fails_configure(peer: Any, start_live_node: Callable[..., Any]) -> None:
    start_live_node(autostart=False, topics__images=["/a b"])
    assert not change_state(peer, Transition.TRANSITION_CONFIGURE)
    assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED


def test_activation_error_is_inactive(
    peer: Any, start_live_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    record_mirror(peer)

    def broken(*_: object) -> None:
        message = "no more file descriptors"
        raise OSError(message)

    monkeypatch.setattr("anon_ros.ros.topics.topic_manager.TopicManager.open", broken)
    node = start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(lambda: node.node.should_exit)
    assert "no more file descriptors" in str(node.node.failure)
    assert get_state(peer) == State.PRIMARY_STATE_INACTIVE


def test_failure_streak_exits_with_1(
    peer: Any, start_node_process: Callable[..., Any], demo_weights: Any
) -> None:
    record_mirror(peer)
    node = start_node_process(
        detect__weights=demo_weights,
        detect__classes="[person]",
        topics__images=f"[{TOPIC}]",
        inpaint__method="fill",
        fail__max_consecutive="4",
    )
    node.wait_for("models loaded")
    assert peer.spin_until(peer.is_connected)
    short = make_raw_message(IMAGE, 0)
    short.step = 1
    for _ in range(100):
        peer.publish(TOPIC, short)
        peer.spin(0.1)
        if "FATAL" in node.log:
            break
    assert node.wait() == 1
    assert "4 frames in a row failed (fail.max_consecutive)" in node.log
    assert "step is 1" in node.log
    assert not list_stamps_s(peer)


def test_signal_ends_unconfigured_node(
    peer: Any, start_node_process: Callable[..., Any], demo_weights: Any
) -> None:
    node = start_node_process(
        detect__weights=demo_weights, autostart="false", topics__images=f"[{TOPIC}]"
    )
    assert get_state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    node.signal(signal.SIGTERM)
    assert node.wait() == 0
    assert "loading" not in node.log
