"""What an operator sees: /diagnostics, ~/debug/mask, ~/detections."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from image_messages import raw_message
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import Image
from sentinel import Painter, SentinelModels, persons_seen, street
from std_srvs.srv import SetBool

from anon_ros.core import Anonymizer
from anon_ros.errors import ModelError
from anon_ros.ros.debug_topics import make_detections_message
from anon_ros.utils.units import NS_PER_S

TOPIC, MIRRORED = "/cam/image_raw", "/anon/cam/image_raw"
IMAGE = street(320, 240)
WORKER = "/anonymizer: worker"
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Statuses:
    """The newest status by name."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer
        peer.record("/diagnostics", DiagnosticArray)
        self._arrays = peer.received["/diagnostics"]

    def get(self, name: str) -> DiagnosticStatus | None:
        found = [s for array in self._arrays[-1:] for s in array.status if s.name == name]
        return found[0] if found else None

    def wait(self, name: str, level: bytes, text: str) -> dict[str, str]:
        """Until a status says this; returns its values."""

        def said() -> bool:
            status = self.get(name)
            return status is not None and status.level == level and text in status.message

        assert self._peer.spin_until(said), self._arrays[-1:]
        return {value.key: value.value for value in self.get(name).values}


@pytest.fixture
def statuses(peer: Any) -> Statuses:
    return Statuses(peer)


def film(peer: Any, count: int, image: Any = IMAGE) -> None:
    for index in range(count):
        peer.publish(TOPIC, raw_message(image, index))
        peer.spin(0.1)


def test_a_working_node_tells_rates_counters_and_latencies(
    peer: Any, live: Callable[..., Any], statuses: Statuses
) -> None:
    peer.advertise(TOPIC, Image)
    live(topics__images=[TOPIC])
    name = f"/anonymizer: {TOPIC}"
    statuses.wait(name, OK, "idle: nobody subscribes")
    peer.record(MIRRORED, Image)
    assert peer.spin_until(peer.connected)
    film(peer, 40)
    values = statuses.wait(name, OK, "Hz")
    peer.spin(1.2)
    values = statuses.wait(name, OK, "Hz")
    counts = {key: int(values[key]) for key in ("received", "processed", "skipped", "failed")}
    assert counts["received"] == 40
    assert counts["received"] == sum(counts.values()) - counts["received"] + int(values["waiting"])
    assert 2 < float(values["rate in [Hz]"]) < 15
    assert 0 < float(values["latency p50 [ms]"]) <= float(values["latency p99 [ms]"])
    assert values["mirrored topic"] == MIRRORED
    worker = statuses.wait(WORKER, OK, "ready")
    for stage in ("wait", "decode", "segment", "inpaint", "encode", "publish"):
        assert float(worker[f"{stage} p50 [ms]"]) >= 0
    # Each a second apart.
    stamps = [array.header.stamp for array in peer.received["/diagnostics"]]
    gaps = np.diff([stamp.sec + stamp.nanosec / NS_PER_S for stamp in stamps])
    assert np.median(gaps) == pytest.approx(1, abs=0.2)


def test_failures_warn_and_then_are_an_error_until_a_frame_succeeds(
    peer: Any, live: Callable[..., Any], statuses: Statuses
) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    live(topics__images=[TOPIC], fail__error_after=5)
    assert peer.spin_until(peer.connected)
    name = f"/anonymizer: {TOPIC}"
    depth = raw_message(IMAGE, 0)
    depth.encoding = "32FC1"
    peer.publish(TOPIC, depth)
    statuses.wait(name, WARN, "the newest frame failed and is not published")
    for _ in range(6):
        peer.publish(TOPIC, depth)
        peer.spin(0.1)
    values = statuses.wait(name, ERROR, "frames in a row failed and are not published")
    assert "32FC1" in values["last error"]
    film(peer, 2)
    statuses.wait(name, OK, "Hz")


class Refusing(Painter):
    def inpaint(self, _: Any) -> Any:
        message = "out of GPU memory"
        raise RuntimeError(message)


def test_covers_that_nobody_asked_for_warn_with_the_reason(
    peer: Any, live: Callable[..., Any], statuses: Statuses
) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    live(SentinelModels(painter=Refusing()), topics__images=[TOPIC])
    assert peer.spin_until(peer.connected)
    film(peer, 10)
    text = "persons are covered, not inpainted: RuntimeError: out of GPU memory"
    values = statuses.wait(f"/anonymizer: {TOPIC}", WARN, text)
    assert int(values["persons covered: RuntimeError: out of GPU memory"]) > 0


class Loading(SentinelModels):
    def __init__(self, *, works: bool) -> None:
        super().__init__()
        self.go = threading.Event()
        self._works = works

    def anonymizer(self, config: Any) -> Anonymizer:
        self.go.wait(20)
        if not self._works:
            message = "detect.weights: no file /nowhere"
            raise ModelError(message)
        return super().anonymizer(config)


def test_the_state_of_the_models_is_told(
    peer: Any, live: Callable[..., Any], statuses: Statuses
) -> None:
    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert peer.call("/anonymizer/change_state", ChangeState, request).success

    models = Loading(works=True)
    live(models, autostart=False, topics__images=[TOPIC])
    statuses.wait(WORKER, WARN, "unconfigured: nothing is published")
    change(Transition.TRANSITION_CONFIGURE)
    statuses.wait(WORKER, WARN, "inactive: nothing is published")
    change(Transition.TRANSITION_ACTIVATE)
    values = statuses.wait(WORKER, WARN, f"nobody publishes {TOPIC}")
    assert values["model state"] == "loading"
    peer.advertise(TOPIC, Image)
    statuses.wait(WORKER, OK, "loading")
    models.go.set()
    statuses.wait(WORKER, OK, "ready")
    peer.call("/anonymizer/enable", SetBool, SetBool.Request(data=False))
    statuses.wait(WORKER, WARN, "disabled: nothing is published")
    models.fallbacks["out of GPU memory for 8 persons: 4 at once"] = 3
    peer.call("/anonymizer/enable", SetBool, SetBool.Request(data=True))
    values = statuses.wait(WORKER, WARN, "memory did not suffice")
    assert values["out of GPU memory for 8 persons: 4 at once"] == "3"


def test_models_that_cannot_be_loaded_are_an_error(
    live: Callable[..., Any], statuses: Statuses
) -> None:
    models = Loading(works=False)
    models.go.set()
    live(models, topics__images=[TOPIC])
    statuses.wait(WORKER, ERROR, "detect.weights: no file /nowhere")


def test_the_mask_is_shown_while_somebody_looks(peer: Any, live: Callable[..., Any]) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/debug/mask", Image)
    live(topics__images=[TOPIC])
    assert peer.spin_until(peer.connected)
    film(peer, 5)
    (mask, *_), (image, *_) = peer.received["/anonymizer/debug/mask"], peer.received[MIRRORED]
    assert mask.header == image.header
    assert (mask.height, mask.width, mask.encoding, mask.step) == (240, 320, "mono8", 320)
    shown = np.frombuffer(mask.data, np.uint8).reshape(240, 320)
    assert set(np.unique(shown)) == {0, 255}
    assert (shown[persons_seen(IMAGE)] == 255).all()


def test_detections_are_boxes_with_scores_in_vision_msgs(peer: Any, live: Any) -> None:
    vision = pytest.importorskip(
        "vision_msgs.msg", reason="needs vision_msgs, which is no part of ROS's wheels"
    )
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/detections", vision.Detection2DArray)
    live(topics__images=[TOPIC])
    assert peer.spin_until(peer.connected)
    film(peer, 5)
    message = peer.received["/anonymizer/detections"][0]
    assert len(message.detections) == 3
    assert message.header.frame_id == "camera 0"
    box = message.detections[0].bbox
    assert box.size_x == pytest.approx(32, abs=4)
    found = SentinelModels().segmenter.segment(IMAGE)
    assert make_detections_message(vision, message.header, found) == message
