"""~/debug/mask, ~/debug/overlay and ~/detections."""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from anon_ros.core import AnonymizedFrame, CoverReason, Detections, Outcome, OutcomeKind
from anon_ros.ros import debug_topics
from anon_ros.ros.debug_topics import make_detections_message, make_image_message
from anon_ros.ros.overlay import COVERED, FAILED, INPAINTED, REUSED, draw_overlay
from anon_ros.ros.topics.image_messages import decode_message
from helpers.fake_models import SentinelModelProvider, find_sentinel_pixels
from helpers.ros_streams import MIRRORED, RAW_SCENE, TOPIC, publish_frames


def test_debug_mask_on_demand(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/debug/mask", Image)
    start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=5, period_s=0.1)
    assert peer.spin_until(lambda: all(map(len, peer.received.values())))
    (mask, *_), (image, *_) = peer.received["/anonymizer/debug/mask"], peer.received[MIRRORED]
    assert mask.header == image.header
    assert (mask.height, mask.width, mask.encoding, mask.step) == (240, 320, "mono8", 320)
    shown = np.frombuffer(mask.data, np.uint8).reshape(240, 320)
    assert set(np.unique(shown)) == {0, 255}
    assert (shown[find_sentinel_pixels(RAW_SCENE)] == 255).all()


def test_overlay_shows_anonymized_image(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/debug/overlay", Image)
    start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=5, period_s=0.1)
    assert peer.spin_until(lambda: peer.received["/anonymizer/debug/overlay"])
    (overlay, *_), (image, *_) = peer.received["/anonymizer/debug/overlay"], peer.received[MIRRORED]
    assert overlay.header == image.header
    assert (overlay.height, overlay.width, overlay.encoding) == (240, 320, "rgb8")
    shown, mirrored = decode_message(overlay), decode_message(image)
    drawn = (shown != mirrored).any(axis=2)
    assert 0.001 < drawn.mean() < 0.1, "boxes and numbers, and beside them the mirrored image"


def make_frame(outcomes: list[Outcome], tracks: list[int | None]) -> AnonymizedFrame:
    count = len(outcomes)
    boxes = np.array([[20 + 60 * i, 30, 60 + 60 * i, 90] for i in range(count)], np.float32)
    boxes = boxes.reshape(-1, 4)
    masks = np.zeros((count, 120, 320), np.bool_)
    detections = Detections(
        boxes, np.full(count, 0.5, np.float32), np.zeros(count, np.int64), masks
    )
    image = np.full((120, 320, 3), 90, np.uint8)
    return AnonymizedFrame(image, detections, masks.any(axis=0), outcomes, tracks)


def test_overlay_has_color_of_outcome() -> None:
    inpainted, covered = OutcomeKind.INPAINTED, OutcomeKind.COVERED
    cases = [
        (Outcome(inpainted, None, "", 1), INPAINTED),
        (Outcome(inpainted, CoverReason.REUSED, "", 1), REUSED),
        (Outcome(covered, CoverReason.SKIPPED, "", 1), COVERED),
        (Outcome(covered, CoverReason.OUT_OF_MEMORY, "", 1), FAILED),
    ]
    frame = make_frame([outcome for outcome, _ in cases], [None, 7, 8, 9])
    overlay = draw_overlay(frame)
    for index, (_, color) in enumerate(cases):
        assert tuple(overlay[60, 20 + 60 * index]) == color
    assert (frame.image == 90).all(), "the published image stays"
    assert (draw_overlay(make_frame([], [])) == 90).all()


def test_detection_has_id_of_track() -> None:
    """Of the message types, which are no part of ROS's wheels, only the fields are needed."""

    def make_detection(header: Any, **fields: Any) -> Any:
        center = SimpleNamespace(position=SimpleNamespace())
        bbox = SimpleNamespace(center=center)
        return SimpleNamespace(header=header, bbox=bbox, results=[], **fields)

    vision = SimpleNamespace(
        Detection2DArray=lambda header: SimpleNamespace(header=header, detections=[]),
        Detection2D=make_detection,
        ObjectHypothesisWithPose=lambda: SimpleNamespace(hypothesis=SimpleNamespace()),
    )
    outcome = Outcome(OutcomeKind.COVERED, CoverReason.SKIPPED, "", 1)
    frame = make_frame([outcome] * 2, [12, None])
    message = make_detections_message(vision, "header", frame.detections, frame.track_ids)
    assert [detection.id for detection in message.detections] == ["12", ""]
    message = make_detections_message(vision, "header", frame.detections)
    assert [detection.id for detection in message.detections] == ["", ""]
    names = ["person", "vehicle"]
    for given in ((), names):
        message = make_detections_message(vision, "header", frame.detections, (), given)
        classes = [d.results[0].hypothesis.class_id for d in message.detections]
        assert classes == (given or ["person", "person"])


def test_detections_use_vision_msgs(peer: Any, start_live_node: Any) -> None:
    vision = pytest.importorskip(
        "vision_msgs.msg", reason="needs vision_msgs, which is no part of ROS's wheels"
    )
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/detections", vision.Detection2DArray)
    start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=5, period_s=0.1)
    message = peer.received["/anonymizer/detections"][0]
    assert len(message.detections) == 3
    assert message.header.frame_id == "camera 0"
    box = message.detections[0].bbox
    assert box.size_x == pytest.approx(32, abs=4)
    found = SentinelModelProvider().segmenter.segment(RAW_SCENE)
    assert make_detections_message(vision, message.header, found) == message


IMAGES = {
    "mono8": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "rgb8": np.arange(36, dtype=np.uint8).reshape(3, 4, 3)[:, ::-1],
}


@pytest.fixture
def use_cv_bridge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], None]]:
    """Set the module ``cv_bridge``; None hides it."""

    def use(module: Any) -> None:
        monkeypatch.setitem(sys.modules, "cv_bridge", module)
        debug_topics._make_cv_bridge.cache_clear()  # noqa: SLF001 - it lasts for the process

    yield use
    debug_topics._make_cv_bridge.cache_clear()  # noqa: SLF001 - as above


class StandInBridge:
    def cv2_to_imgmsg(self, image: Any, encoding: str) -> Image:
        return Image(height=len(image), encoding=f"{encoding} by cv_bridge")


class BridgeOfAnotherNumpy:
    def cv2_to_imgmsg(self, *_: Any) -> Image:
        message = "_ARRAY_API not found"
        raise AttributeError(message)


def test_image_message_is_made_by_cv_bridge(use_cv_bridge: Callable[[Any], None]) -> None:
    use_cv_bridge(SimpleNamespace(CvBridge=StandInBridge))
    header = Header(frame_id="camera 0")
    message = make_image_message(header, IMAGES["mono8"], "mono8")
    assert (message.header, message.encoding) == (header, "mono8 by cv_bridge")


@pytest.mark.parametrize("module", [None, SimpleNamespace(CvBridge=BridgeOfAnotherNumpy)])
@pytest.mark.parametrize("encoding", IMAGES)
def test_image_message_is_made_without_cv_bridge(
    use_cv_bridge: Callable[[Any], None], module: Any, encoding: str
) -> None:
    use_cv_bridge(module)
    image = IMAGES[encoding]
    message = make_image_message(Header(frame_id="camera 0"), image, encoding)
    assert (message.header.frame_id, message.encoding) == ("camera 0", encoding)
    assert (message.height, message.width, message.step) == (3, 4, image[0].size)
    assert bytes(message.data) == image.tobytes()


@pytest.mark.parametrize("encoding", IMAGES)
def test_image_message_equals_that_of_cv_bridge(
    use_cv_bridge: Callable[[Any], None], encoding: str
) -> None:
    cv_bridge = pytest.importorskip("cv_bridge", reason="needs cv_bridge, which comes with ROS 2")
    expected = cv_bridge.CvBridge().cv2_to_imgmsg(IMAGES[encoding], encoding)
    use_cv_bridge(None)
    assert make_image_message(Header(), IMAGES[encoding], encoding) == expected
