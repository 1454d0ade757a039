"""/diagnostics: latencies, failures, covers and the state of the models."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool

from anon_ros.core import TARGET_STRIDE, Anonymizer, Detections, RgbImage
from anon_ros.errors import ModelError
from anon_ros.utils.units import NS_PER_S
from helpers.fake_models import (
    NoiseInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
)
from helpers.ros_diagnostics import StatusRecorder
from helpers.ros_images import make_raw_message
from helpers.ros_streams import MIRRORED, RAW_SCENE, TOPIC, publish_frames

WORKER = "/anonymizer: worker"


OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def statuses(peer: Any) -> StatusRecorder:
    return StatusRecorder(peer)


def test_node_reports_latencies(
    peer: Any, start_live_node: Callable[..., Any], statuses: StatusRecorder
) -> None:
    peer.advertise(TOPIC, Image)
    start_live_node(topics__images=[TOPIC])
    name = f"/anonymizer: {TOPIC}"
    statuses.wait(name, OK, "idle: nobody subscribes")
    peer.record(MIRRORED, Image)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=40, period_s=0.1)
    assert peer.spin_until(lambda: statuses.wait(name, OK, "Hz")["received"] == "40")
    values = statuses.wait(name, OK, "Hz")
    counts = {key: int(values[key]) for key in ("received", "processed", "skipped", "failed")}
    assert counts["received"] == 40
    assert counts["received"] == sum(counts.values()) - counts["received"] + int(values["waiting"])
    assert 0 < float(values["rate in [Hz]"]) < 40
    assert 0 < float(values["latency p50 [ms]"]) <= float(values["latency p99 [ms]"])
    assert values["mirrored topic"] == MIRRORED
    worker = statuses.wait(WORKER, OK, "ready")
    for stage in ("wait", "decode", "segment", "inpaint", "encode", "publish"):
        assert float(worker[f"{stage} p50 [ms]"]) >= 0
    # Each a second apart.
    stamps = [array.header.stamp for array in peer.received["/diagnostics"]]
    gaps = np.diff([stamp.sec + stamp.nanosec / NS_PER_S for stamp in stamps])
    assert np.median(gaps) == pytest.approx(1, abs=0.2)


def test_failures_warn_then_error(
    peer: Any, start_live_node: Callable[..., Any], statuses: StatusRecorder
) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    start_live_node(topics__images=[TOPIC], fail__error_after=5)
    assert peer.spin_until(peer.is_connected)
    name = f"/anonymizer: {TOPIC}"
    short = make_raw_message(RAW_SCENE, 0)
    short.step = 1
    peer.publish(TOPIC, short)
    statuses.wait(name, WARN, "the newest frame failed and is not published")
    for _ in range(20):
        peer.publish(TOPIC, short)
        peer.spin(0.1)
    values = statuses.wait(name, ERROR, "frames in a row failed and are not published")
    assert "step is 1" in values["last error"]
    publish_frames(peer, TOPIC, count=2, period_s=0.1)
    statuses.wait(name, OK, "Hz")


class FailingInpainter(NoiseInpainter):
    def inpaint(self, _: Any) -> Any:
        message = "out of GPU memory"
        raise RuntimeError(message)


class VehicleSegmenter(SentinelSegmenter):
    def segment(self, image: RgbImage) -> Detections:
        found = super().segment(image)
        return replace(found, class_ids=np.full(len(found), TARGET_STRIDE))


VEHICLE = {
    "inpaint__method": "sdxl",
    "targets__vehicle__classes": ["car"],
    "targets__vehicle__action": "inpaint",
    "targets__vehicle__prompt": "a gray car",
}


@pytest.mark.parametrize(
    ("group", "segmenter", "values"),
    [("persons", SentinelSegmenter(), {}), ("targets", VehicleSegmenter(), VEHICLE)],
)
def test_unexpected_covers_warn(
    peer: Any,
    start_live_node: Callable[..., Any],
    statuses: StatusRecorder,
    group: str,
    segmenter: SentinelSegmenter,
    caplog: pytest.LogCaptureFixture,
    values: dict[str, Any],
) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    models = SentinelModelProvider(segmenter, FailingInpainter())
    start_live_node(models, topics__images=[TOPIC], **values)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=10, period_s=0.1)
    text = f"{group} are covered, not inpainted: RuntimeError: out of GPU memory"
    shown = statuses.wait(f"/anonymizer: {TOPIC}", WARN, text)
    assert int(shown[f"{group} covered: inpainting failed"]) > 0
    line = f"3 of 3 {group} covered, not inpainted: RuntimeError: out of GPU memory"
    assert f"{TOPIC}: {line}" in caplog.messages


class BlockedModelProvider(SentinelModelProvider):
    def __init__(self, *, works: bool) -> None:
        super().__init__()
        self.go = threading.Event()
        self._works = works

    def anonymizer(self, config: Any) -> Anonymizer:
        assert self.go.wait(120)
        if not self._works:
            message = "detect.weights: no file /nowhere"
            raise ModelError(message)
        return super().anonymizer(config)


def test_model_state_reported(
    peer: Any, start_live_node: Callable[..., Any], statuses: StatusRecorder
) -> None:
    def change(transition: int) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert peer.call("/anonymizer/change_state", ChangeState, request).success

    models = BlockedModelProvider(works=True)
    start_live_node(models, autostart=False, topics__images=[TOPIC])
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


def test_weaker_than_default_warns(
    peer: Any, start_live_node: Callable[..., Any], statuses: StatusRecorder
) -> None:
    peer.advertise(TOPIC, Image)
    start_live_node(topics__images=[TOPIC], detect__confidence=0.4)
    values = statuses.wait(WORKER, WARN, "weaker than the default: detect.confidence = 0.4")
    assert values["weaker than the default"] == "detect.confidence = 0.4, not 0.1"


def test_load_failure_is_an_error(
    start_live_node: Callable[..., Any], statuses: StatusRecorder
) -> None:
    models = BlockedModelProvider(works=False)
    models.go.set()
    start_live_node(models, topics__images=[TOPIC])
    statuses.wait(WORKER, ERROR, "detect.weights: no file /nowhere")
