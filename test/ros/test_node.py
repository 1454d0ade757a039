"""The node as users run it: a process of its own, real weights, real DDS."""

import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anon_ros.core import RgbImage
from helpers.node_log import parse_frame_counts
from helpers.ros_images import make_jpeg_message, make_raw_message, set_stamp

FAST = {
    "inpaint__method": "fill",
    "detect__classes": "[person, fallen person]",
    "detect__inference_px": "320",
}


def make_small_street(bus_rgb: RgbImage) -> RgbImage:
    """The four persons of bus.jpg at 300x230."""
    return np.ascontiguousarray(cv2.resize(bus_rgb[360:960], (300, 230)))


def read_pixels(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)


def test_node_mirrors_all_but_persons(
    peer: Any, start_node_process: Callable[..., Any], demo_weights: Path, bus_rgb: RgbImage
) -> None:
    image, topic, info = make_small_street(bus_rgb), "/cam/image_raw", "/cam/camera_info"
    peer.advertise(topic, Image)
    peer.advertise(info, CameraInfo)
    peer.record(f"/anon{topic}", Image)
    peer.record(f"/anon{info}", CameraInfo)
    node = start_node_process(detect__weights=demo_weights, topics__images=f"[{topic}]", **FAST)
    node.wait_for("models loaded")
    assert peer.spin_until(peer.is_connected)
    sent = {}
    for index in range(100):
        sent[index] = make_raw_message(image, index)
        peer.publish(info, set_stamp(CameraInfo(height=230, width=300), index))
        peer.publish(topic, sent[index])
        peer.spin(0.1)
    images, infos = peer.received[f"/anon{topic}"], peer.received[f"/anon{info}"]
    assert peer.spin_until(lambda: images and images[-1].header == sent[99].header)
    assert peer.spin_until(lambda: len(infos) == len(images))
    node.signal(signal.SIGINT)
    assert node.wait() == 0

    counts = parse_frame_counts(node.log, topic)
    assert counts.pop("received") == sum(counts.values()) <= len(sent)
    assert counts["failed"] == counts["waiting"] == 0
    assert len(images) == counts["processed"] >= 3
    for mirrored in images:
        original = sent[mirrored.header.stamp.sec - 1000]
        for field in ("header", "height", "width", "encoding", "is_bigendian", "step"):
            assert getattr(mirrored, field) == getattr(original, field)
        changed = read_pixels(mirrored) != read_pixels(original)
        assert 0.05 < changed[:, :-4].mean() < 0.6
        assert not read_pixels(mirrored)[:, -4:].any(), "padding may hold another picture"
    stamps = [message.header.stamp.sec for message in images]
    assert stamps == sorted(set(stamps))
    assert [message.header.stamp.sec for message in infos] == stamps
    assert infos[0].header.frame_id == f"camera {stamps[0] - 1000}"


def test_node_never_publishes_failed_frames(
    peer: Any,
    third_peer: Any,
    start_node_process: Callable[..., Any],
    demo_weights: Path,
    bus_rgb: RgbImage,
) -> None:
    image = make_small_street(bus_rgb)
    raw, jpeg = "/a/image_raw", "/b/image_raw/compressed"
    # Somebody asks for the wrong type before the camera is there: the camera's type counts.
    third_peer.record(raw, CompressedImage)
    node = start_node_process(
        detect__weights=demo_weights, topics__images=f"[{raw}, {jpeg}]", **FAST
    )
    node.wait_for("models loaded")
    third_peer.spin(1)
    for topic, message_type in ((raw, Image), (jpeg, CompressedImage)):
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type)
    assert peer.spin_until(peer.is_connected)

    short, narrow, half = (
        make_raw_message(image, 1),
        make_raw_message(image, 2),
        make_jpeg_message(image, 3),
    )
    short.data = short.data[:-1]
    narrow.step = 1
    half.data = half.data[: len(half.data) // 2]
    bad = [(raw, short, "data"), (raw, narrow, "step is 1"), (jpeg, half, "JPEG")]
    for failures, (topic, message, told) in enumerate(bad, 1):
        before = node.log.count("is not published")
        while node.log.count("is not published") == before:
            peer.publish(topic, message)
            peer.spin(0.5)
        errors = [line for line in node.log.splitlines() if "is not published" in line]
        assert told in errors[-1], failures
    for topic, message in ((raw, make_raw_message(image, 4)), (jpeg, make_jpeg_message(image, 4))):
        while not peer.received[f"/anon{topic}"]:
            peer.publish(topic, message)
            peer.spin(0.5)
    for topic in (raw, jpeg):
        assert {message.header.stamp.sec for message in peer.received[f"/anon{topic}"]} == {1004}
    mirrored = peer.received[f"/anon{jpeg}"][0]
    assert mirrored.format == "bgr8; jpeg compressed bgr8"
    decoded = cv2.imdecode(np.frombuffer(mirrored.data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (230, 300, 3)


@pytest.mark.parametrize("when", ["at once", "while loading", "while working"])
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 2, [signal.SIGTERM] * 2],
    ids=["int", "term", "int int", "term term"],
)
def test_signal_ends_node_cleanly(
    peer: Any,
    start_node_process: Callable[..., Any],
    demo_weights: Path,
    bus_rgb: RgbImage,
    signals: list[int],
    when: str,
) -> None:
    peer.advertise("/cam/image_raw", Image)
    peer.record("/anon/cam/image_raw", Image)
    node = start_node_process(
        detect__weights=demo_weights, topics__images="[/cam/image_raw]", **FAST
    )
    if when == "at once":
        node.wait_for_handlers()
    else:
        node.wait_for("loading models")
    if when == "while working":
        node.wait_for("models loaded")
        indices = count()
        image = make_small_street(bus_rgb)
        assert peer.spin_until(peer.is_connected)
        for _ in range(10):
            peer.publish("/cam/image_raw", make_raw_message(image, next(indices)))
            peer.spin(0.05)
    for number in signals:
        node.signal(number)
        time.sleep(0.05)
    assert node.wait() == 0, node.log
    assert "Traceback" not in node.log


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"detect__weights": "/nowhere/yolov8x-seg.pt", "inpaint__method": "fill"}, "/nowhere"),
        ({"inpaint__beta_d": "7.0"}, "0.05 to 1"),
        ({"inpaint__beta_d": "high"}, "expected float"),
        ({"inpaint__method": "magic"}, "one of sdxl, fill"),
        ({"topics__images": "[/a b]"}, "topics.images"),
        ({"topics__images": "[/a, /anon/a]"}, "/anon/a is the mirrored topic"),
    ],
)
def test_invalid_node_exits_with_1(
    start_node_process: Callable[..., Any], parameters: dict[str, str], told: str
) -> None:
    node = start_node_process(**parameters)
    assert node.wait() == 1
    assert told in node.log
    assert "FATAL" in node.log
    assert "Traceback" not in node.log


def test_missing_model_has_no_fallback(
    peer: Any, start_node_process: Callable[..., Any], demo_weights: Path
) -> None:
    peer.advertise("/cam/image_raw", Image)
    node = start_node_process(
        detect__weights=demo_weights,
        topics__images="[/cam/image_raw]",
        inpaint__model="/nowhere/sdxl",
        **{name: value for name, value in FAST.items() if name != "inpaint__method"},
    )
    assert node.wait() == 1
    assert "/nowhere/sdxl" in node.log
    assert "Traceback" not in node.log
