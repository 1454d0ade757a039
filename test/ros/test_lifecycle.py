"""A managed node: loaded while active, silent otherwise, and the process ends when it must."""

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from image_messages import raw_message
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import Image
from sentinel import Painter, SentinelModels, street
from std_srvs.srv import SetBool

from anon_ros.core import Anonymizer
from anon_ros.errors import ModelError

TOPIC, MIRRORED = "/cam/image_raw", "/anon/cam/image_raw"
IMAGE = street(320, 240)


def state(peer: Any) -> int:
    return int(peer.call("/anonymizer/get_state", GetState, GetState.Request()).current_state.id)


def change(peer: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(peer.call("/anonymizer/change_state", ChangeState, request).success)


def enable(peer: Any, *, enabled: bool) -> None:
    request = SetBool.Request(data=enabled)
    assert peer.call("/anonymizer/enable", SetBool, request).success


def film(peer: Any, count: int, since: int = 0) -> None:
    for index in range(since, since + count):
        peer.publish(TOPIC, raw_message(IMAGE, index))
        peer.spin(0.05)


def mirror(peer: Any) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)


def seconds(peer: Any) -> list[int]:
    return [message.header.stamp.sec - 1000 for message in peer.received[MIRRORED]]


def test_without_autostart_each_step_waits_for_its_transition(
    peer: Any, live: Callable[..., Any]
) -> None:
    mirror(peer)
    node = live(autostart=False, topics__images=[TOPIC])
    assert state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    assert not change(peer, Transition.TRANSITION_ACTIVATE)
    assert change(peer, Transition.TRANSITION_CONFIGURE)
    peer.spin(1)
    assert not peer.listeners(TOPIC)
    assert not node.models.configs

    assert change(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.connected)
    film(peer, 5)
    assert peer.spin_until(lambda: len(seconds(peer)) > 2)
    assert change(peer, Transition.TRANSITION_DEACTIVATE)
    assert peer.spin_until(lambda: not peer.listeners(TOPIC))
    assert peer.spin_until(lambda: node.models.freed == 1)
    before = len(seconds(peer))
    film(peer, 5, since=100)
    assert len(seconds(peer)) == before

    assert change(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.connected)
    film(peer, 5, since=200)
    assert peer.spin_until(lambda: max(seconds(peer)) >= 200)
    assert change(peer, Transition.TRANSITION_DEACTIVATE)
    assert change(peer, Transition.TRANSITION_CLEANUP)
    assert state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    assert change(peer, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert state(peer) == State.PRIMARY_STATE_FINALIZED


class SlowToLoad(SentinelModels):
    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def anonymizer(self, config: Any) -> Anonymizer:
        self.go.wait(20)
        return super().anonymizer(config)


def test_while_models_load_services_answer_and_nothing_is_published(
    peer: Any, live: Callable[..., Any]
) -> None:
    mirror(peer)
    models = SlowToLoad()
    live(models, topics__images=[TOPIC])
    assert peer.spin_until(peer.connected)
    film(peer, 10)
    assert state(peer) == State.PRIMARY_STATE_ACTIVE
    assert not seconds(peer)
    models.go.set()
    # Of what came meanwhile only the newest is left.
    assert peer.spin_until(lambda: seconds(peer) == [9])


@pytest.mark.parametrize("how", ["deactivate", "disable", "disable and enable"])
def test_a_frame_in_work_is_not_published_any_more(
    peer: Any, live: Callable[..., Any], how: str
) -> None:
    mirror(peer)
    painter = Painter(go=threading.Event())
    node = live(SentinelModels(painter=painter), topics__images=[TOPIC])
    assert peer.spin_until(peer.connected)
    while not painter.batches:
        film(peer, 1)
    if "disable" in how:
        enable(peer, enabled=False)
        enable(peer, enabled="enable" in how.split())
    else:
        assert change(peer, Transition.TRANSITION_DEACTIVATE)
    painter.go.set()
    peer.spin(1)
    assert not seconds(peer)
    if "disable" in how:
        counts = node.node._session.inbox.counts()[TOPIC]  # noqa: SLF001 - no topic tells it yet
        assert counts.skipped > 0 == counts.processed + counts.failed
        enable(peer, enabled=True)
        film(peer, 3, since=50)
        assert peer.spin_until(lambda: seconds(peer) and min(seconds(peer)) >= 50)


def test_disabled_before_activation_publishes_nothing(peer: Any, live: Callable[..., Any]) -> None:
    mirror(peer)
    live(autostart=False, topics__images=[TOPIC])
    enable(peer, enabled=False)
    assert change(peer, Transition.TRANSITION_CONFIGURE)
    assert change(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.connected)
    film(peer, 10)
    assert not seconds(peer)
    enable(peer, enabled=True)
    film(peer, 5, since=50)
    assert peer.spin_until(lambda: seconds(peer) and min(seconds(peer)) >= 50)


class Broken(SentinelModels):
    broken = True

    def anonymizer(self, config: Any) -> Anonymizer:
        if self.broken:
            message = "detect.weights: no file"
            raise ModelError(message)
        return super().anonymizer(config)


def test_a_managed_node_whose_models_are_missing_stays_and_can_be_mended(
    peer: Any, live: Callable[..., Any]
) -> None:
    mirror(peer)
    models = Broken()
    node = live(models, autostart=False, topics__images=[TOPIC])
    assert change(peer, Transition.TRANSITION_CONFIGURE)
    assert change(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(lambda: state(peer) == State.PRIMARY_STATE_INACTIVE)
    assert not node.node.must_end
    models.broken = False
    assert change(peer, Transition.TRANSITION_ACTIVATE)
    assert peer.spin_until(peer.connected)
    film(peer, 5)
    assert peer.spin_until(lambda: seconds(peer))


def test_a_wrong_topic_name_refuses_to_configure(peer: Any, live: Callable[..., Any]) -> None:
    live(autostart=False, topics__images=["/a b"])
    assert not change(peer, Transition.TRANSITION_CONFIGURE)
    assert state(peer) == State.PRIMARY_STATE_UNCONFIGURED


def test_an_exception_while_activating_is_told_and_leaves_the_node_inactive(
    peer: Any, live: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror(peer)

    def broken(*_: object) -> None:
        message = "no more file descriptors"
        raise OSError(message)

    monkeypatch.setattr("anon_ros.ros.topic_manager.Streams.open", broken)
    node = live(topics__images=[TOPIC])
    assert peer.spin_until(lambda: node.node.must_end)
    assert "no more file descriptors" in str(node.node.failure)
    assert state(peer) == State.PRIMARY_STATE_INACTIVE


def test_a_row_of_failures_ends_the_process_with_1(
    peer: Any, start: Callable[..., Any], demo_weights: Any
) -> None:
    mirror(peer)
    node = start(
        detect__weights=demo_weights,
        detect__classes="[person]",
        topics__images=f"[{TOPIC}]",
        inpaint__method="fill",
        fail__max_consecutive="4",
    )
    node.wait_for("models loaded")
    assert peer.spin_until(peer.connected)
    depth = raw_message(IMAGE, 0)
    depth.encoding = "32FC1"
    for _ in range(100):
        peer.publish(TOPIC, depth)
        peer.spin(0.1)
        if "FATAL" in node.log:
            break
    assert node.wait() == 1
    assert "4 frames in a row failed (fail.max_consecutive)" in node.log
    assert "32FC1" in node.log
    assert not seconds(peer)


def test_without_autostart_nothing_is_loaded_and_a_signal_ends_the_process(
    peer: Any, start: Callable[..., Any], demo_weights: Any
) -> None:
    node = start(detect__weights=demo_weights, autostart="false", topics__images=f"[{TOPIC}]")
    assert state(peer) == State.PRIMARY_STATE_UNCONFIGURED
    node.signal(signal.SIGTERM)
    assert node.wait(10) == 0
    assert "loading" not in node.log
