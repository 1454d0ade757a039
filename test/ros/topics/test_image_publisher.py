"""Raw and compressed images of one camera: one inference, and JPEG of the anonymized image only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from anon_ros.config import OutputConfig
from anon_ros.core import AnonymizedFrame, Detections, RgbImage
from anon_ros.images import CompressedImageData, has_mark
from anon_ros.ros import session
from anon_ros.ros.topics.image_messages import decode_message
from anon_ros.ros.topics.image_publisher import make_jpeg_message
from helpers.fake_models import (
    NoiseInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
    find_sentinel_pixels,
)
from helpers.ros_diagnostics import StatusRecorder
from helpers.ros_images import make_bayer_message, make_raw_message, set_stamp
from helpers.ros_images import make_jpeg_message as make_original_jpeg
from helpers.ros_streams import (
    LASTING,
    RAW_SCENE,
    hides_everybody,
    list_stamps_s,
    publish_frames,
    record_mirror,
)

TOPIC = "/cam/image_raw"
JPEG = f"{TOPIC}/compressed"


class CountingSegmenter(SentinelSegmenter):
    """Counts the images that it searched."""

    def __init__(self) -> None:
        self.num_images = 0

    def segment(self, image: RgbImage) -> Detections:
        self.num_images += 1
        return super().segment(image)


def make_result(image: RgbImage, beta_d: float | None = None) -> AnonymizedFrame:
    shape = image.shape[:2]
    replaced = np.ones(shape, np.bool_)
    return AnonymizedFrame(image, Detections.empty(*shape), replaced, (), drawn_beta_d=beta_d)


@pytest.mark.parametrize(
    ("encoding", "expected", "is_gray"),
    [
        ("bgr8", "bgr8; jpeg compressed bgr8", False),
        ("rgb8", "rgb8; jpeg compressed bgr8", False),
        ("bayer_rggb8", "bgr8; jpeg compressed bgr8", False),
        ("nv12", "bgr8; jpeg compressed bgr8", False),
        ("mono8", "mono8; jpeg compressed mono8", True),
        ("16UC1", "mono8; jpeg compressed mono8", True),
    ],
)
def test_jpeg_is_that_of_image_transport(encoding: str, expected: str, *, is_gray: bool) -> None:
    """It shows the result alone, whatever the original says of itself."""
    anonymized = np.full((48, 64, 3), (200, 90, 30), np.uint8)
    original = make_raw_message(RAW_SCENE, 3)
    original.encoding = encoding
    message = make_jpeg_message(original, make_result(anonymized, 0.6), OutputConfig())
    assert message.header == original.header
    assert message.format == expected
    shown = decode_message(message)
    expected_rgb = [118] * 3 if is_gray else (200, 90, 30)
    assert np.abs(shown.astype(int) - expected_rgb).max() < 6
    assert has_mark(CompressedImageData(message.format, bytes(message.data)))


def test_no_mark_without_model_or_wish() -> None:
    original, image = make_raw_message(RAW_SCENE, 3), RAW_SCENE
    for result, output in (
        (make_result(image), OutputConfig()),
        (make_result(image, 0.6), OutputConfig(mark=False)),
    ):
        message = make_jpeg_message(original, result, output)
        assert not has_mark(CompressedImageData(message.format, bytes(message.data)))


def test_raw_image_also_goes_out_as_jpeg(
    peer: Any, start_live_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[Any] = []

    def encode(*args: Any) -> CompressedImage:
        encoded.append(args)
        return make_jpeg_message(*args)

    monkeypatch.setattr(session, "make_jpeg_message", encode)
    raw = record_mirror(peer, TOPIC, Image)
    infos = record_mirror(peer, "/cam/camera_info", CameraInfo)
    models = SentinelModelProvider(CountingSegmenter(), NoiseInpainter(draws_persons=True))
    start_live_node(models, topics__images=["/cam/*"], output__compressed=True)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC)
    assert peer.spin_until(lambda: list_stamps_s(raw)[-1:] == [4])
    assert peer.count_publishers(f"/anon{JPEG}")
    assert not encoded, "nobody subscribes to it"

    peer.record(f"/anon{JPEG}", CompressedImage)
    peer.record(f"/anon{JPEG}/mark", String, **LASTING)
    jpegs = peer.received[f"/anon{JPEG}"]
    assert peer.spin_until(peer.is_connected)
    since = models.segmenter.num_images
    for index in range(10, 15):
        peer.publish("/cam/camera_info", set_stamp(CameraInfo(), index))
        peer.publish(TOPIC, make_raw_message(RAW_SCENE, index))
        assert peer.spin_until(lambda index=index: list_stamps_s(jpegs)[-1:] == [index])
    assert models.segmenter.num_images == since + 5
    assert list_stamps_s(jpegs) == [10, 11, 12, 13, 14]
    assert list_stamps_s(raw)[-5:] == list_stamps_s(jpegs)
    assert peer.spin_until(lambda: list_stamps_s(infos)[-5:] == list_stamps_s(jpegs))
    assert hides_everybody(jpegs)
    assert peer.received[f"/anon{JPEG}/mark"]

    peer.stop_recording(f"/anon{TOPIC}")
    publish_frames(peer, TOPIC, since=20)
    assert peer.spin_until(lambda: list_stamps_s(jpegs)[-1] >= 20), "one subscriber suffices"
    peer.stop_recording(f"/anon{JPEG}")
    peer.stop_recording("/anon/cam/camera_info")
    assert peer.spin_until(lambda: not peer.count_subscribers(TOPIC))


def test_failed_jpeg_keeps_raw_image(
    peer: Any,
    start_live_node: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    wait_for_log: Callable[..., bool],
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session, "make_jpeg_message", fail)
    raw = record_mirror(peer, TOPIC, Image)
    peer.record(f"/anon{JPEG}", CompressedImage)
    node = start_live_node(topics__images=[TOPIC], output__compressed=True)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC)
    assert peer.spin_until(lambda: bool(raw))
    assert wait_for_log(TOPIC, "not published as JPEG: MemoryError")
    assert not peer.received[f"/anon{JPEG}"]
    assert not any(c.failed for c in node.node._session.mailbox.counts().values())  # noqa: SLF001


@pytest.mark.parametrize("compressed", [False, True])
def test_raw_and_compressed_are_one_camera(
    peer: Any, start_live_node: Callable[..., Any], *, compressed: bool
) -> None:
    """Both are configured, and the raw images serve both; without them the JPEGs do."""
    statuses = StatusRecorder(peer)
    raw = record_mirror(peer, TOPIC, Image)
    jpegs = record_mirror(peer, JPEG, CompressedImage)
    models = SentinelModelProvider(CountingSegmenter())
    start_live_node(models, topics__images=["/cam/**"], output__compressed=compressed)
    assert peer.spin_until(lambda: peer.count_subscribers(TOPIC) == 1)
    peer.spin(1)
    assert not peer.count_subscribers(JPEG)
    assert peer.count_publishers(f"/anon{JPEG}") == 1
    for index in range(5):
        peer.publish(TOPIC, make_bayer_message(RAW_SCENE, index))
        peer.publish(JPEG, make_original_jpeg(RAW_SCENE, index))
        assert peer.spin_until(lambda index=index: list_stamps_s(jpegs)[-1:] == [index])
    assert list_stamps_s(raw) == list_stamps_s(jpegs) == [0, 1, 2, 3, 4]
    assert models.segmenter.num_images == 5
    assert hides_everybody(raw)
    assert hides_everybody(jpegs)
    statuses.wait(f"/anonymizer: {JPEG}", b"\0", f"shows the frames of {TOPIC}")

    peer.stop_advertising(TOPIC)
    assert peer.spin_until(lambda: peer.count_subscribers(JPEG) == 1)
    while list_stamps_s(jpegs)[-1] < 100:
        publish_frames(peer, JPEG, since=100, count=1, make=make_original_jpeg)
    assert hides_everybody(jpegs)
    assert not find_sentinel_pixels(decode_message(jpegs[-1])).any()


def test_compressed_alone_needs_no_raw_images(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    peer.advertise(TOPIC, Image)
    jpegs = record_mirror(peer, JPEG, CompressedImage)
    start_live_node(topics__images=["/cam/**"])
    assert peer.spin_until(lambda: peer.count_subscribers(JPEG) == 1)
    assert not peer.count_subscribers(TOPIC)
    while not jpegs:
        publish_frames(peer, JPEG, count=1, make=make_original_jpeg)
