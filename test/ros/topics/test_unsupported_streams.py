"""Depth and packed pictures on topics that a pattern takes for cameras."""

from array import array
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from helpers.ros_diagnostics import StatusRecorder
from helpers.ros_images import make_raw_message
from helpers.ros_streams import RAW_SCENE, hides_everybody, record_mirror

FRONT, DEPTH = "/cam/front/image_raw", "/cam/depth/image_raw"
PACKED = (f"{DEPTH}/compressedDepth", f"{FRONT}/zstd")
GUARD = "/anonymizer: guard: topics that are not mirrored"


def make_depth_message(index: int) -> Image:
    message = make_raw_message(RAW_SCENE, index)
    message.encoding = "32FC1"
    return message


def test_unsupported_stream_is_closed(
    peer: Any, start_sentinel_process: Callable[..., Any]
) -> None:
    statuses = StatusRecorder(peer)
    images = record_mirror(peer, FRONT, Image)
    peer.advertise(f"{FRONT.rpartition('/')[0]}/camera_info", CameraInfo)
    peer.advertise(DEPTH, Image)
    named = "/named/depth/image_raw/compressedDepth"
    for topic in (*PACKED, named):
        peer.advertise(topic, CompressedImage)
    node = start_sentinel_process(
        topics__images=f"[/cam/**, {named}]", topics__lazy="false", fail__max_consecutive="4"
    )
    assert peer.spin_until(lambda: peer.count_subscribers(DEPTH) and peer.count_subscribers(named))
    depth = CompressedImage(format="16UC1; compressedDepth png", data=array("B", bytes(40)))
    for topic, message in ((DEPTH, make_depth_message(0)), (named, depth)):
        while peer.count_subscribers(topic):
            peer.publish(topic, message)
            peer.spin(0.1)
        assert peer.spin_until(lambda topic=topic: not peer.count_publishers(f"/anon{topic}"))
        assert node.log.count(f"{topic}: closed") == 1
    assert not any(peer.count_subscribers(topic) for topic in PACKED)
    assert not peer.count_publishers("/anon/named/depth/image_raw/camera_info")
    assert f"{DEPTH}: a frame failed" not in node.log
    statuses.wait(GUARD, DiagnosticStatus.WARN, f"{DEPTH}: encoding '32FC1'")

    peer.publish(FRONT, make_raw_message(RAW_SCENE, 0))
    assert peer.spin_until(lambda: hides_everybody(images)), node.log
    # A camera that comes back may send something else.
    peer.stop_advertising(DEPTH)
    second = record_mirror(peer, DEPTH, Image)
    assert peer.spin_until(lambda: peer.count_subscribers(DEPTH))
    assert peer.spin_until(lambda: peer.count_publishers(f"/anon{DEPTH}"))
    while not second:  # the node's side of the match may come later
        peer.publish(DEPTH, make_raw_message(RAW_SCENE, 0))
        peer.spin(0.1)
    assert hides_everybody(second), node.log
