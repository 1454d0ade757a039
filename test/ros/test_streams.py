"""Many cameras: found, mirrored, subscribed lazily, watched; and what befalls cameras on a day."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from image_messages import (
    decode_message,
    make_bayer_message,
    make_jpeg_message,
    make_raw_message,
    set_stamp,
)
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, PointCloud2, PointField
from sentinel import NoiseInpainter, SentinelModelProvider, find_sentinel_pixels, make_street_image
from std_srvs.srv import SetBool
from visualization_msgs.msg import Marker

from anon_ros.models import ModelCache

RAW_SCENE = make_street_image(320, 240)
BEST_EFFORT = {"reliability": ReliabilityPolicy.BEST_EFFORT}
LASTING = {"durability": DurabilityPolicy.TRANSIENT_LOCAL}


@pytest.fixture
def wait_for_log(peer: Any) -> Callable[..., bool]:
    """Wait until one line of the log holds all these words."""
    peer.record("/rosout", Log, **LASTING)
    return lambda *words, timeout_s=20: peer.spin_until(lambda: peer.logged(*words), timeout_s)


def record_mirror(peer: Any, topic: str, message_type: type, **qos: Any) -> list[Any]:
    peer.advertise(topic, message_type, **qos)
    peer.record(f"/anon{topic}", message_type)
    return peer.received[f"/anon{topic}"]


def publish_frames(
    peer: Any, topic: str, since: int = 0, count: int = 5, make: Any = make_raw_message
) -> None:
    for index in range(since, since + count):
        peer.publish(topic, make(RAW_SCENE, index))
        peer.spin(0.05)


def list_stamps_s(messages: list[Any]) -> list[int]:
    return [message.header.stamp.sec - 1000 for message in messages]


def hides_everybody(messages: list[Any]) -> bool:
    return bool(messages) and not any(
        find_sentinel_pixels(decode_message(message)).any() for message in messages
    )


def test_cameras_are_served_fairly(peer: Any, start_live_node: Callable[..., Any]) -> None:
    cameras = {
        "/left/image_raw": (Image, make_raw_message, make_street_image(320, 240, 1), 0.02),
        "/right/image_raw": (Image, make_bayer_message, make_street_image(640, 480, 2), 0.05),
        "/rear/image_raw/compressed": (
            CompressedImage,
            make_jpeg_message,
            make_street_image(200, 320, 3),
            0.1,
        ),
    }
    mirrored = {topic: record_mirror(peer, topic, case[0]) for topic, case in cameras.items()}
    node = start_live_node(
        SentinelModelProvider(painter=NoiseInpainter(person_s=0.05)), topics__images=list(cameras)
    )
    assert peer.spin_until(peer.connected)
    sent: dict[tuple[str, int], Any] = {}
    due = dict.fromkeys(cameras, 0.0)
    started_s = time.monotonic()
    while time.monotonic() - started_s < 8:
        for topic, (_, make, image, period_s) in cameras.items():
            if time.monotonic() >= due[topic]:
                index = sum(key[0] == topic for key in sent)
                sent[topic, index] = make(image, index)
                peer.publish(topic, sent[topic, index])
                due[topic] = time.monotonic() + period_s
        peer.spin(0.005)
    peer.spin(1)

    for topic, messages in mirrored.items():
        assert hides_everybody(messages)
        for message in messages:
            original = sent[topic, message.header.stamp.sec - 1000]
            fields = ("format",) if "compressed" in topic else ("encoding", "height", "step")
            for name in ("header", *fields):
                assert getattr(message, name) == getattr(original, name)
    # All offer more than there is time for: between two frames of one, none other has three.
    order = peer.order[peer.order.index("/anon/rear/image_raw/compressed") :]
    for topic in mirrored:
        at = [index for index, name in enumerate(order) if name == f"/anon{topic}"]
        assert len(at) > 5
        for first, second in pairwise(at):
            between = Counter(order[first + 1 : second])
            assert max(between.values(), default=0) <= 2
    for count in node.node._session.inbox.counts().values():  # noqa: SLF001 - exact, at one moment
        assert count.received == count.processed + count.skipped + count.failed + count.waiting
        assert not count.failed


def test_patterns_match_later_cameras(peer: Any, start_live_node: Callable[..., Any]) -> None:
    first = record_mirror(peer, "/car/cam_1/image", Image)
    peer.advertise("/car/deep/cam_3/image", Image)
    peer.advertise("/car/imu/image", Imu)
    node = start_live_node(topics__images=["/car/*/image", "/far/**", "/anon/**", "/anonymizer/**"])
    assert peer.spin_until(lambda: peer.listeners("/car/cam_1/image"))
    publish_frames(peer, "/car/cam_1/image")
    second = record_mirror(peer, "/car/cam_2/image", Image)
    third = record_mirror(peer, "/far/away/from/here", CompressedImage)
    assert peer.spin_until(lambda: peer.listeners("/car/cam_2/image"))
    assert peer.spin_until(lambda: peer.listeners("/far/away/from/here"))
    publish_frames(peer, "/car/cam_2/image")
    publish_frames(peer, "/far/away/from/here", make=make_jpeg_message)
    assert peer.spin_until(lambda: first and second and third)
    assert all(map(hides_everybody, (first, second, third)))
    peer.spin(1)
    names = {stream.name for stream in node.node._streams}  # noqa: SLF001 - also what is not opened
    assert names == {"/car/cam_1/image", "/car/cam_2/image", "/far/away/from/here"}


def test_cover_keeps_all_in_order(peer: Any, start_live_node: Callable[..., Any]) -> None:
    messages = record_mirror(peer, "/cam/image_raw", Image)
    models = SentinelModelProvider(painter=NoiseInpainter(person_s=0.2))
    start_live_node(models, topics__images=["/cam/image_raw"], skip__on_skipped="cover")
    assert peer.spin_until(peer.connected)
    for index in range(40):
        peer.publish("/cam/image_raw", make_raw_message(RAW_SCENE, index))
        peer.spin(0.05)
    assert peer.spin_until(lambda: len(messages) == 40)
    assert list_stamps_s(messages) == list(range(40))
    assert hides_everybody(messages)
    assert 1 <= len(models.painter.batches) < 20


def test_lazy_stream_on_demand(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    peer.advertise(topic, Image)
    peer.advertise(f"{topic}/compressed", CompressedImage)
    peer.advertise(info, CameraInfo)
    start_live_node(topics__images=["/cam/**"])
    assert peer.spin_until(lambda: peer._node.count_publishers(f"/anon{topic}"))  # noqa: SLF001
    peer.spin(1)
    assert not any(map(peer.listeners, (topic, f"{topic}/compressed", info)))

    peer.record(f"/anon{topic}", Image)
    peer.record(f"/anon{info}", CameraInfo)
    assert peer.spin_until(lambda: peer.listeners(topic) and peer.listeners(info))
    peer.spin(0.5)
    # Who records the raw image and its info does not pay for the compressed one.
    assert not peer.listeners(f"{topic}/compressed")
    for index in range(3):
        peer.publish(info, set_stamp(CameraInfo(), index))
        peer.publish(topic, make_raw_message(RAW_SCENE, index))
        peer.spin(0.2)
    assert list_stamps_s(peer.received[f"/anon{info}"]) == list_stamps_s(
        peer.received[f"/anon{topic}"]
    )

    peer.stop_recording(f"/anon{topic}")
    peer.spin(0.7)
    # An info leaves with an image: one image topic stays.
    assert sum(map(peer.listeners, (topic, f"{topic}/compressed"))) == 1
    peer.stop_recording(f"/anon{info}")
    assert peer.spin_until(
        lambda: not any(map(peer.listeners, (topic, f"{topic}/compressed", info)))
    )


def test_camera_info_is_sent_once(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    raw = record_mirror(peer, topic, Image)
    jpeg = record_mirror(peer, f"{topic}/compressed", CompressedImage)
    infos = record_mirror(peer, info, CameraInfo)
    start_live_node(topics__images=[topic, f"{topic}/compressed"], topics__lazy=False)
    assert peer.spin_until(peer.connected)
    for index in range(5):
        peer.publish(info, set_stamp(CameraInfo(), index))
        peer.publish(topic, make_raw_message(RAW_SCENE, index))
        peer.publish(f"{topic}/compressed", make_jpeg_message(RAW_SCENE, index))
        peer.spin(0.3)
    assert peer.spin_until(lambda: len(raw) == len(jpeg) == len(infos) == 5, 5)
    assert list_stamps_s(raw) == list_stamps_s(jpeg) == list_stamps_s(infos) == [0, 1, 2, 3, 4]


def test_leak_guard_names_subscribers(
    peer: Any,
    third_peer: Any,
    start_live_node: Callable[..., Any],
    wait_for_log: Callable[..., bool],
) -> None:
    for topic in ("/a/image_raw", "/b/image_raw"):
        peer.advertise(topic, Image)
    start_live_node(
        topics__images=["/a/image_raw", "/b/image_raw"], topics__trusted_subscribers=["/peer"]
    )
    peer.record("/diagnostics", DiagnosticArray)
    third_peer.rename("rosbag2_recorder")
    third_peer.record("/a/image_raw", Image)
    assert wait_for_log(
        "/a/image_raw", "/rosbag2_recorder", "being recorded", "topics.trusted_subscribers"
    )
    assert peer.spin_until(
        lambda: any(
            "the original images go to /rosbag2_recorder" in status.message
            for array in peer.received["/diagnostics"]
            for status in array.status
        )
    )
    peer.record("/b/image_raw", Image)
    peer.spin(1.5)
    assert not peer.logged("/b/image_raw: the original")


def test_qos_match_copies_profile(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image, **BEST_EFFORT)
    start_live_node(topics__images=["/cam/*"], qos__match_publisher=True, topics__lazy=False)
    assert peer.spin_until(lambda: peer.listeners("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    peer.withdraw("/cam/image_raw")


def test_default_qos_in_and_out(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image)
    start_live_node(topics__images=["/cam/image_raw"], topics__lazy=False)
    assert peer.spin_until(lambda: peer.listeners("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    (subscribed,) = peer._node.get_subscriptions_info_by_topic("/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert subscribed.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_incompatible_qos_warns(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    peer.advertise("/cam/image_raw", Image, **BEST_EFFORT)
    peer.record("/anon/cam/image_raw", Image, **LASTING)
    start_live_node(
        topics__images=["/cam/image_raw"],
        topics__lazy=False,
        **{"qos_overrides./cam/image_raw.subscription.reliability": "reliable"},
    )
    assert wait_for_log(
        "/cam/image_raw", "reliability", "qos_overrides./cam/image_raw.subscription"
    )
    assert wait_for_log(
        "/anon/cam/image_raw", "durability", "qos_overrides./anon/cam/image_raw.publisher"
    )


def test_qos_overrides_apply(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image)
    override = "qos_overrides./anon/cam/image_raw.publisher.reliability"
    start_live_node(
        topics__images=["/cam/image_raw"], topics__lazy=False, **{override: "best_effort"}
    )
    assert peer.spin_until(lambda: peer.listeners("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_invalid_qos_override_is_local(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    peer.advertise("/a/image", Image)
    images = record_mirror(peer, "/b/image", Image)
    override = {"qos_overrides./a/image.subscription.reliability": "bogus"}
    start_live_node(topics__images=["/*/image"], topics__lazy=False, **override)
    assert wait_for_log("/a/image", "bogus")
    assert peer.spin_until(lambda: peer.listeners("/b/image"))
    publish_frames(peer, "/b/image")
    assert peer.spin_until(lambda: images)


def make_cloud(*fields: str) -> PointCloud2:
    offsets = enumerate(fields)
    return PointCloud2(
        fields=[
            PointField(name=name, offset=4 * index, datatype=7, count=1) for index, name in offsets
        ]
    )


def test_relay_never_sends_pixels(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    for topic, message_type in (("/imu", Imu), ("/grey", PointCloud2), ("/rgb", PointCloud2)):
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type, raw=True)
    peer.advertise("/other/image", Image)
    peer.advertise("/other/marker", Marker)  # its texture is a CompressedImage
    start_live_node(
        topics__images=["/cam/image_raw"], topics__passthrough=["/imu", "/grey", "/rgb", "/other/*"]
    )
    assert wait_for_log("/other/image: topics.passthrough", "carries pixels")
    assert wait_for_log(
        "/other/marker: topics.passthrough", "carries pixels (sensor_msgs/msg/CompressedImage)"
    )
    assert peer.spin_until(lambda: all(map(peer.listeners, ("/imu", "/grey", "/rgb"))))
    imu = set_stamp(Imu(), 3)
    imu.orientation.w = 0.5
    grey, coloured = make_cloud("x", "y", "z", "intensity"), make_cloud("x", "y", "z", "RGB")
    grey.header.frame_id = "camera_rgb_optical_frame"
    for _ in range(3):
        peer.publish("/imu", imu)
        peer.publish("/grey", grey)
        peer.publish("/rgb", coloured)
        peer.spin(0.2)
    assert wait_for_log("/rgb", "coloured points")
    assert peer.received["/anon/imu"][0] == serialize_message(imu)
    assert deserialize_message(peer.received["/anon/grey"][0], PointCloud2) == grey
    assert not peer.received["/anon/rgb"]
    assert not peer._node.count_publishers("/anon/other/image")  # noqa: SLF001


def test_relay_latched_once_enabled(peer: Any, start_live_node: Callable[..., Any]) -> None:
    def enable(*, enabled: bool) -> None:
        peer.call("/anonymizer/enable", SetBool, SetBool.Request(data=enabled))

    start_live_node(
        topics__images=["/cam/image_raw"], topics__passthrough=["/imu"], topics__lazy=False
    )
    enable(enabled=False)
    peer.advertise("/imu", Imu, **LASTING)
    peer.record("/anon/imu", Imu, **LASTING)
    peer.publish("/imu", set_stamp(Imu(), 1))
    peer.spin(1)
    assert not peer.received["/anon/imu"]
    enable(enabled=True)
    assert peer.spin_until(lambda: list_stamps_s(peer.received["/anon/imu"]) == [1])


def test_stamp_jump_restarts_stream(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    images, infos = record_mirror(peer, topic, Image), record_mirror(peer, info, CameraInfo)
    start_live_node(topics__images=[topic])
    assert peer.spin_until(peer.connected)
    for lap in range(2):
        for index in range(100, 104):
            message = set_stamp(CameraInfo(), index)
            message.width = lap
            peer.publish(info, message)
            peer.publish(topic, make_raw_message(RAW_SCENE, index))
            peer.spin(0.3)
    assert wait_for_log(topic, "jumped back by 3.0 s")
    assert list_stamps_s(images) == [100, 101, 102, 103] * 2
    assert list_stamps_s(infos) == list_stamps_s(images)
    assert [message.width for message in infos] == [0] * 4 + [1] * 4


def test_camera_can_change_format(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic = "/cam/image"
    images = record_mirror(peer, topic, Image)
    start_live_node(topics__images=[topic])
    assert peer.spin_until(peer.connected)
    for index, make in enumerate((make_raw_message, make_bayer_message, make_raw_message)):
        image = make_street_image(320 + 64 * index, 240 + 32 * index)
        while index not in list_stamps_s(images):
            peer.publish(topic, make(image, index))
            peer.spin(0.2)
    assert hides_everybody(images)
    peer.withdraw(topic)
    peer.stop_recording(f"/anon{topic}")
    jpegs: list[Any] = []
    peer.received[f"/anon{topic}"] = jpegs
    peer.advertise(topic, CompressedImage)
    peer.record(f"/anon{topic}", CompressedImage)
    assert peer.spin_until(lambda: peer.listeners(topic))
    publish_frames(peer, topic, since=50, count=10, make=make_jpeg_message)
    assert peer.spin_until(lambda: jpegs)
    assert hides_everybody(jpegs)


CAMERA = """
import sys, time, rclpy
from image_messages import make_raw_message
from sensor_msgs.msg import Image
from sentinel import make_street_image
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
        "PYTHONPATH": os.path.dirname(os.path.dirname(__file__)),  # noqa: PTH120 - a string
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
    assert peer.spin_until(lambda: peer.listeners("/anon/cam/image_raw") == 2)
    assert peer.spin_until(peer.connected)
    os.kill(listener.pid, signal.SIGSTOP)
    publish_frames(peer, "/cam/image_raw", count=60)
    assert peer.spin_until(lambda: images and max(list_stamps_s(images)) >= 58)
    os.kill(listener.pid, signal.SIGCONT)
    assert len(images) > 30


def test_sim_time_without_clock(peer: Any, start_live_node: Callable[..., Any]) -> None:
    images = record_mirror(peer, "/cam/image_raw", Image)
    peer.record("/diagnostics", DiagnosticArray)
    start_live_node(topics__images=["/cam/image_raw"], use_sim_time=True)
    assert peer.spin_until(peer.connected)
    publish_frames(peer, "/cam/image_raw")
    assert peer.spin_until(lambda: images and peer.received["/diagnostics"])
    assert list_stamps_s(images)[0] < 10
    assert peer.received["/diagnostics"][0].header.stamp.sec == 0


def test_namespace_and_remaps_apply(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/driver/image", Image)
    peer.record("/safe/image", Image)
    rules = ["-r", "image_raw:=/driver/image", "-r", "/anon/driver/image:=/safe/image"]
    options = {"namespace": "/car", "cli_args": ["--ros-args", *rules]}
    start_live_node(options=options, topics__images=["image_raw"])
    assert peer.spin_until(peer.connected)
    publish_frames(peer, "/driver/image")
    assert peer.spin_until(lambda: peer.received["/safe/image"])


def test_mirror_onto_camera_rejected(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    peer.advertise("/a/image", Image)
    peer.advertise("/b/image", Image)
    options = {"cli_args": ["--ros-args", "-r", "/anon/a/image:=/b/image"]}
    start_live_node(options=options, topics__images=["/*/image"], topics__lazy=False)
    assert wait_for_log("/a/image: not anonymized, its mirrored topic /b/image is a camera's")
    assert peer.spin_until(lambda: peer.listeners("/b/image"))
    assert not peer.listeners("/a/image")


def test_type_change_drops_frame_in_work(peer: Any, start_live_node: Callable[..., Any]) -> None:
    images = record_mirror(peer, "/cam/image", Image)
    painter = NoiseInpainter(go=threading.Event())
    node = start_live_node(SentinelModelProvider(painter=painter), topics__images=["/cam/image"])
    assert peer.spin_until(peer.connected)
    while not painter.batches:
        publish_frames(peer, "/cam/image", count=1)
    peer.withdraw("/cam/image")
    peer.advertise("/cam/image", CompressedImage)
    streams = node.node._streams  # noqa: SLF001
    assert peer.spin_until(
        lambda: streams.get("/cam/image").type_name == "sensor_msgs/msg/CompressedImage"
    )
    painter.go.set()
    peer.spin(0.5)
    counts = node.node._session.inbox.counts()["/cam/image"]  # noqa: SLF001
    assert not counts.waiting
    assert counts.skipped + counts.failed == counts.received
    assert not images


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
    assert peer.spin_until(peer.connected)
    assert node.node._session.pipeline.max_batch == 8  # noqa: SLF001 - what this is about
    image = np.ascontiguousarray(bus_rgb[360:960:2, ::2])
    for index in range(6):
        for topic in topics:
            peer.publish(topic, make_raw_message(image, index))
        peer.spin(0.5)
    assert peer.spin_until(lambda: all(mirrored))
    left, right = (decode_message(messages[0]) for messages in mirrored)
    assert np.array_equal(left, right), "the same image and seed, whoever is drawn with it"
    assert not np.array_equal(left, image)
    assert not any(c.failed for c in node.node._session.inbox.counts().values())  # noqa: SLF001
