"""~/debug/mask and ~/detections."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from anon_ros.ros.debug_topics import make_detections_message
from helpers.fake_models import SentinelModelProvider, find_sentinel_pixels
from helpers.ros_streams import MIRRORED, RAW_SCENE, TOPIC, publish_frames


def test_debug_mask_on_demand(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    peer.record("/anonymizer/debug/mask", Image)
    start_live_node(topics__images=[TOPIC])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC, count=5, period_s=0.1)
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
