"""Many cameras, served fairly through restarts, stalls and changes of format."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anon_ros.core import Detections, RgbImage
from anon_ros.models import ModelCache
from anon_ros.ros.topics import image_stream
from anon_ros.ros.topics.image_messages import decode_message
from helpers.fake_models import (
    NoiseInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
    make_street_image,
)
from helpers.paths import HELPERS
from helpers.ros_images import make_bayer_message, make_jpeg_message, make_raw_message, set_stamp
from helpers.ros_streams import (
    RAW_SCENE,
    count_received,
    hides_everybody,
    list_stamps_s,
    publish_frames,
    record_mirror,
)

LIMIT_S = 60


class HeldSegmenter(SentinelSegmenter):
    """Waits for a permit for each frame."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)

    def segment(self, image: RgbImage) -> Detections:
        assert self.permits.acquire(timeout=LIMIT_S)
        return super().segment(image)


def test_cameras_are_served_fairly(peer: Any, start_live_node: Callable[..., Any]) -> None:
    """All offer more than there is time for: a frame of each waits whenever one is taken."""
    cameras = {
        "/left/image_raw": (Image, make_raw_message, make_street_image(320, 240, 1)),
        "/right/image_raw": (Image, make_bayer_message, make_street_image(640, 480, 2)),
        "/rear/image_raw/compressed": (
            CompressedImage,
            make_jpeg_message,
            make_street_image(200, 320, 3),
        ),
    }
    mirrored = {topic: record_mirror(peer, topic, case[0]) for topic, case in cameras.items()}
    segmenter = HeldSegmenter()
    node = start_live_node(SentinelModelProvider(segmenter), topics__images=list(cameras))
    assert peer.spin_until(peer.is_connected)
    sent: dict[tuple[str, int], Any] = {}
    for index in range(6 * len(cameras)):
        for topic, (_, make, image) in cameras.items():
            sent[topic, index] = make(image, index)
            peer.publish(topic, sent[topic, index])
            assert peer.spin_until(lambda t=topic, i=index: count_received(node, t) > i, LIMIT_S)
        segmenter.permits.release()
        assert peer.spin_until(lambda i=index: len(peer.order) > i, LIMIT_S)
    segmenter.permits.release(len(cameras))

    for topic, messages in mirrored.items():
        assert hides_everybody(messages)
        for message in messages:
            original = sent[topic, message.header.stamp.sec - 1000]
            fields = ("format",) if "compressed" in topic else ("encoding", "height", "step")
            for name in ("header", *fields):
                assert getattr(message, name) == getattr(original, name)
    for first in range(0, len(peer.order), len(cameras)):
        assert len(set(peer.order[first : first + len(cameras)])) == len(cameras), peer.order
    for count in node.node._session.mailbox.counts().values():  # noqa: SLF001 - exact, at one moment
        assert count.received == count.processed + count.skipped + count.failed + count.waiting
        assert not count.failed


def test_cover_keeps_all_in_order(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic, num_frames = "/cam/image_raw", 25
    messages = record_mirror(peer, topic, Image)
    models = SentinelModelProvider(inpainter=NoiseInpainter(may_continue=threading.Event()))
    node = start_live_node(models, topics__images=[topic], skip__on_skipped="cover")
    assert peer.spin_until(peer.is_connected)
    for index in range(num_frames):
        peer.publish(topic, make_raw_message(RAW_SCENE, index))
        assert peer.spin_until(lambda i=index: count_received(node, topic) > i, LIMIT_S)
    models.inpainter.may_continue.set()
    assert peer.spin_until(lambda: len(messages) == num_frames)
    assert list_stamps_s(messages) == list(range(num_frames))
    assert hides_everybody(messages)
    assert 1 <= len(models.inpainter.batch_sizes) < num_frames // 2


def test_stamp_jump_restarts_stream(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    images, infos = record_mirror(peer, topic, Image), record_mirror(peer, info, CameraInfo)
    start_live_node(topics__images=[topic])
    assert peer.spin_until(peer.is_connected)
    for lap in range(2):
        for index in range(100, 104):
            message = set_stamp(CameraInfo(), index)
            message.width = lap
            peer.publish(info, message)
            before = len(images)
            peer.publish(topic, make_raw_message(RAW_SCENE, index))
            assert peer.spin_until(lambda before=before: len(images) > before)
    assert wait_for_log(topic, "jumped back by 3.0 s")
    assert list_stamps_s(images) == [100, 101, 102, 103] * 2
    assert peer.spin_until(lambda: len(infos) == len(images))
    assert list_stamps_s(infos) == list_stamps_s(images)
    assert [message.width for message in infos] == [0] * 4 + [1] * 4


def test_alternating_stamps_flood_no_log(
    peer: Any,
    start_live_node: Callable[..., Any],
    wait_for_log: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second driver on the topic, or one with a broken clock, jumps back with every image."""
    monkeypatch.setattr(image_stream, "_JUMP_LOG_PERIOD_S", 1e6)
    topic = "/cam/image_raw"
    images = record_mirror(peer, topic, Image)
    start_live_node(topics__images=[topic])
    assert peer.spin_until(peer.is_connected)
    for index in range(20):
        before = len(images)
        peer.publish(topic, make_raw_message(RAW_SCENE, 100 if index % 2 else 500))
        assert peer.spin_until(lambda before=before: len(images) > before)
    assert wait_for_log(topic, "jumped back")
    peer.spin(0.5)
    lines = [message.msg for message in peer.received["/rosout"] if "jumped back" in message.msg]
    assert len(lines) == 1


def test_camera_can_change_format(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic = "/cam/image"
    images = record_mirror(peer, topic, Image)
    start_live_node(topics__images=[topic])
    assert peer.spin_until(peer.is_connected)
    for index, make in enumerate((make_raw_message, make_bayer_message, make_raw_message)):
        image = make_street_image(320 + 64 * index, 240 + 32 * index)
        while index not in list_stamps_s(images):
            peer.publish(topic, make(image, index))
            peer.spin(0.2)
    assert hides_everybody(images)
    peer.stop_advertising(topic)
    peer.stop_recording(f"/anon{topic}")
    jpegs: list[Any] = []
    peer.received[f"/anon{topic}"] = jpegs
    peer.advertise(topic, CompressedImage)
    peer.record(f"/anon{topic}", CompressedImage)
    assert peer.spin_until(lambda: peer.count_subscribers(topic))
    while not jpegs:
        publish_frames(peer, topic, since=50, count=1, make=make_jpeg_message)
    assert hides_everybody(jpegs)


CAMERA = """
import sys, time, rclpy
from helpers.ros_images import make_raw_message
from sensor_msgs.msg import Image
from helpers.fake_models import make_street_image
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "/cam/image_raw", 5)
for index in range(int(sys.argv[1]), 10**6):
    publisher.publish(make_raw_message(make_street_image(320, 240), index))
    time.sleep(0.05)
"""


LISTENER = """
import rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("listener")
node.create_subscription(Image, "/anon/cam/image_raw", lambda _: None, 5)
rclpy.spin(node)
"""


@pytest.fixture
def start_process(dds_domain: int) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a Python program on the same DDS domain."""
    started = []
    environment = os.environ | {
        "ROS_DOMAIN_ID": str(dds_domain),
        "PYTHONPATH": str(HELPERS),
    }

    def run(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment))
        return started[-1]

    yield run
    for each in started:
        each.kill()
        each.wait()


def test_restarted_camera_is_mirrored(
    peer: Any, start_live_node: Callable[..., Any], start_process: Callable[..., Any]
) -> None:
    peer.record("/anon/cam/image_raw", Image)
    images = peer.received["/anon/cam/image_raw"]
    start_live_node(topics__images=["/cam/image_raw"])
    camera = start_process(CAMERA, "0")
    assert peer.spin_until(lambda: len(images) > 5)
    camera.kill()
    camera.wait()
    start_process(CAMERA, "5000")
    assert peer.spin_until(lambda: images and max(list_stamps_s(images)) >= 5000)
    assert hides_everybody(images)


def test_stalled_subscriber_never_blocks(
    peer: Any, start_live_node: Callable[..., Any], start_process: Callable[..., Any]
) -> None:
    images = record_mirror(peer, "/cam/image_raw", Image)
    start_live_node(topics__images=["/cam/image_raw"])
    listener = start_process(LISTENER)
    assert peer.spin_until(lambda: peer.count_subscribers("/anon/cam/image_raw") == 2)
    assert peer.spin_until(peer.is_connected)
    os.kill(listener.pid, signal.SIGSTOP)
    publish_frames(peer, "/cam/image_raw", count=60)
    assert peer.spin_until(lambda: images and max(list_stamps_s(images)) >= 58)
    os.kill(listener.pid, signal.SIGCONT)
    assert len(images) > 30


def test_sim_time_without_clock(peer: Any, start_live_node: Callable[..., Any]) -> None:
    images = record_mirror(peer, "/cam/image_raw", Image)
    peer.record("/diagnostics", DiagnosticArray)
    start_live_node(topics__images=["/cam/image_raw"], use_sim_time=True)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, "/cam/image_raw")
    assert peer.spin_until(lambda: images and peer.received["/diagnostics"])
    assert list_stamps_s(images)[0] < 10
    assert peer.received["/diagnostics"][0].header.stamp.sec == 0


def test_cameras_share_diffusion(
    peer: Any,
    start_live_node: Callable[..., Any],
    demo_weights: Path,
    tiny_sdxl: Path,
    bus_rgb: Any,
) -> None:
    """Real weights and a tiny SDXL, two frames at once."""
    topics = ["/left/image_raw", "/right/image_raw"]
    mirrored = [record_mirror(peer, topic, Image) for topic in topics]
    models = ModelCache()
    node = start_live_node(
        models,
        topics__images=topics,
        detect__weights=str(demo_weights),
        detect__inference_px=320,
        inpaint__method="sdxl",
        inpaint__model=str(tiny_sdxl),
        inpaint__steps=5,
        inpaint__generate_px=64,
    )
    assert peer.spin_until(peer.is_connected)
    session = node.node._session  # noqa: SLF001 - what this is about
    assert peer.spin_until(lambda: session.pipeline.max_batch == 8)  # the models are loaded
    image = np.ascontiguousarray(bus_rgb[360:960:2, ::2])
    for index in range(6):
        for topic in topics:
            peer.publish(topic, make_raw_message(image, index))
        peer.spin(0.5)
    assert peer.spin_until(lambda: all(mirrored))
    left, right = (decode_message(messages[0]) for messages in mirrored)
    assert np.array_equal(left, right), "the same image and seed, whoever is drawn with it"
    assert not np.array_equal(left, image)
    assert not any(c.failed for c in node.node._session.mailbox.counts().values())  # noqa: SLF001
