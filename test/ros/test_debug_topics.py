"""~/debug/mask and ~/detections."""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from anon_ros.ros import debug_topics
from anon_ros.ros.debug_topics import make_detections_message, make_image_message
from helpers.fake_models import SentinelModelProvider, find_sentinel_pixels
from helpers.ros_streams import MIRRORED, RAW_SCENE, TOPIC, publish_frames


def test_debug_mask_on_demand(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/debug/mask", Image)
    start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=5, period_s=0.1)
    assert peer.spin_until(lambda: all(map(len, peer.received.values())), timeout_s=20)
    (mask, *_), (image, *_) = peer.received["/anonymizer/debug/mask"], peer.received[MIRRORED]
    assert mask.header == image.header
    assert (mask.height, mask.width, mask.encoding, mask.step) == (240, 320, "mono8", 320)
    shown = np.frombuffer(mask.data, np.uint8).reshape(240, 320)
    assert set(np.unique(shown)) == {0, 255}
    assert (shown[find_sentinel_pixels(RAW_SCENE)] == 255).all()


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
