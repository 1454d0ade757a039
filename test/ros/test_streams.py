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
from image_messages import bayer_message, jpeg_message, raw_message, shown, stamped
from rcl_interfaces.msg import Log
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, PointCloud2, PointField
from sentinel import Painter, SentinelModels, persons_seen, street
from std_srvs.srv import SetBool
from visualization_msgs.msg import Marker

from anon_ros.models import ModelCache

RAW = street(320, 240)
BEST_EFFORT = {"reliability": ReliabilityPolicy.BEST_EFFORT}
LASTING = {"durability": DurabilityPolicy.TRANSIENT_LOCAL}


@pytest.fixture
def log(peer: Any) -> Callable[..., bool]:
    """Wait until one line of the log holds all these words."""
    peer.record("/rosout", Log, **LASTING)
    return lambda *words, timeout_s=20: peer.spin_until(lambda: peer.logged(*words), timeout_s)


def mirror(peer: Any, topic: str, message_type: type, **qos: Any) -> list[Any]:
    peer.advertise(topic, message_type, **qos)
    peer.record(f"/anon{topic}", message_type)
    return peer.received[f"/anon{topic}"]


def film(peer: Any, topic: str, since: int = 0, count: int = 5, make: Any = raw_message) -> None:
    for index in range(since, since + count):
        peer.publish(topic, make(RAW, index))
        peer.spin(0.05)


def seconds(messages: list[Any]) -> list[int]:
    return [message.header.stamp.sec - 1000 for message in messages]


def nobody_seen(messages: list[Any]) -> bool:
    return bool(messages) and not any(persons_seen(shown(message)).any() for message in messages)


def test_three_cameras_of_different_size_encoding_and_rate_are_served_in_turn(
    peer: Any, live: Callable[..., Any]
) -> None:
    cameras = {
        "/left/image_raw": (Image, raw_message, street(320, 240, 1), 0.02),
        "/right/image_raw": (Image, bayer_message, street(640, 480, 2), 0.05),
        "/rear/image_raw/compressed": (CompressedImage, jpeg_message, street(200, 320, 3), 0.1),
    }
    mirrored = {topic: mirror(peer, topic, case[0]) for topic, case in cameras.items()}
    node = live(SentinelModels(painter=Painter(person_s=0.05)), topics__images=list(cameras))
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
        assert nobody_seen(messages)
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


def test_patterns_follow_cameras_that_come_later_and_nothing_else(
    peer: Any, live: Callable[..., Any]
) -> None:
    first = mirror(peer, "/car/cam_1/image", Image)
    peer.advertise("/car/deep/cam_3/image", Image)
    peer.advertise("/car/imu/image", Imu)
    node = live(topics__images=["/car/*/image", "/far/**", "/anon/**", "/anonymizer/**"])
    assert peer.spin_until(lambda: peer.listeners("/car/cam_1/image"))
    film(peer, "/car/cam_1/image")
    second = mirror(peer, "/car/cam_2/image", Image)
    third = mirror(peer, "/far/away/from/here", CompressedImage)
    assert peer.spin_until(lambda: peer.listeners("/car/cam_2/image"))
    assert peer.spin_until(lambda: peer.listeners("/far/away/from/here"))
    film(peer, "/car/cam_2/image")
    film(peer, "/far/away/from/here", make=jpeg_message)
    assert peer.spin_until(lambda: first and second and third)
    assert all(map(nobody_seen, (first, second, third)))
    peer.spin(1)
    names = {stream.name for stream in node.node._streams}  # noqa: SLF001 - also what is not opened
    assert names == {"/car/cam_1/image", "/car/cam_2/image", "/far/away/from/here"}


def test_with_covers_the_mirrored_topic_keeps_every_frame_in_order(
    peer: Any, live: Callable[..., Any]
) -> None:
    messages = mirror(peer, "/cam/image_raw", Image)
    models = SentinelModels(painter=Painter(person_s=0.2))
    live(models, topics__images=["/cam/image_raw"], skip__on_skipped="cover")
    assert peer.spin_until(peer.connected)
    for index in range(40):
        peer.publish("/cam/image_raw", raw_message(RAW, index))
        peer.spin(0.05)
    assert peer.spin_until(lambda: len(messages) == 40)
    assert seconds(messages) == list(range(40))
    assert nobody_seen(messages)
    assert 1 <= len(models.painter.batches) < 20


def test_a_stream_is_subscribed_only_while_somebody_wants_its_mirror(
    peer: Any, live: Callable[..., Any]
) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    peer.advertise(topic, Image)
    peer.advertise(f"{topic}/compressed", CompressedImage)
    peer.advertise(info, CameraInfo)
    live(topics__images=["/cam/**"])
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
        peer.publish(info, stamped(CameraInfo(), index))
        peer.publish(topic, raw_message(RAW, index))
        peer.spin(0.2)
    assert seconds(peer.received[f"/anon{info}"]) == seconds(peer.received[f"/anon{topic}"])

    peer.stop_recording(f"/anon{topic}")
    peer.spin(0.7)
    # An info leaves with an image: one image topic stays.
    assert sum(map(peer.listeners, (topic, f"{topic}/compressed"))) == 1
    peer.stop_recording(f"/anon{info}")
    assert peer.spin_until(
        lambda: not any(map(peer.listeners, (topic, f"{topic}/compressed", info)))
    )


def test_raw_and_compressed_of_a_camera_send_each_info_once(
    peer: Any, live: Callable[..., Any]
) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    raw = mirror(peer, topic, Image)
    jpeg = mirror(peer, f"{topic}/compressed", CompressedImage)
    infos = mirror(peer, info, CameraInfo)
    live(topics__images=[topic, f"{topic}/compressed"], topics__lazy=False)
    assert peer.spin_until(peer.connected)
    for index in range(5):
        peer.publish(info, stamped(CameraInfo(), index))
        peer.publish(topic, raw_message(RAW, index))
        peer.publish(f"{topic}/compressed", jpeg_message(RAW, index))
        peer.spin(0.3)
    assert peer.spin_until(lambda: len(raw) == len(jpeg) == len(infos) == 5, 5)
    assert seconds(raw) == seconds(jpeg) == seconds(infos) == [0, 1, 2, 3, 4]


def test_other_listeners_of_the_original_images_are_named_unless_trusted(
    peer: Any, stranger: Any, live: Callable[..., Any], log: Callable[..., bool]
) -> None:
    for topic in ("/a/image_raw", "/b/image_raw"):
        peer.advertise(topic, Image)
    live(topics__images=["/a/image_raw", "/b/image_raw"], topics__trusted_subscribers=["/peer"])
    peer.record("/diagnostics", DiagnosticArray)
    stranger.rename("rosbag2_recorder")
    stranger.record("/a/image_raw", Image)
    assert log("/a/image_raw", "/rosbag2_recorder", "being recorded", "topics.trusted_subscribers")
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


def test_qos_match_copies_the_publishers_profile(peer: Any, live: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image, **BEST_EFFORT)
    live(topics__images=["/cam/*"], qos__match_publisher=True, topics__lazy=False)
    assert peer.spin_until(lambda: peer.listeners("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    peer.withdraw("/cam/image_raw")


def test_by_default_best_effort_comes_in_and_reliable_goes_out(
    peer: Any, live: Callable[..., Any]
) -> None:
    peer.advertise("/cam/image_raw", Image)
    live(topics__images=["/cam/image_raw"], topics__lazy=False)
    assert peer.spin_until(lambda: peer.listeners("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    (subscribed,) = peer._node.get_subscriptions_info_by_topic("/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert subscribed.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_incompatible_qos_is_told_with_the_remedy(
    peer: Any, live: Callable[..., Any], log: Callable[..., bool]
) -> None:
    peer.advertise("/cam/image_raw", Image, **BEST_EFFORT)
    peer.record("/anon/cam/image_raw", Image, **LASTING)
    live(
        topics__images=["/cam/image_raw"],
        topics__lazy=False,
        **{"qos_overrides./cam/image_raw.subscription.reliability": "reliable"},
    )
    assert log("/cam/image_raw", "reliability", "qos_overrides./cam/image_raw.subscription")
    assert log("/anon/cam/image_raw", "durability", "qos_overrides./anon/cam/image_raw.publisher")


def test_qos_overrides_apply(peer: Any, live: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image)
    override = "qos_overrides./anon/cam/image_raw.publisher.reliability"
    live(topics__images=["/cam/image_raw"], topics__lazy=False, **{override: "best_effort"})
    assert peer.spin_until(lambda: peer.listeners("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_an_override_that_is_no_qos_costs_its_topic_alone(
    peer: Any, live: Callable[..., Any], log: Callable[..., bool]
) -> None:
    peer.advertise("/a/image", Image)
    images = mirror(peer, "/b/image", Image)
    override = {"qos_overrides./a/image.subscription.reliability": "bogus"}
    live(topics__images=["/*/image"], topics__lazy=False, **override)
    assert log("/a/image", "bogus")
    assert peer.spin_until(lambda: peer.listeners("/b/image"))
    film(peer, "/b/image")
    assert peer.spin_until(lambda: images)


def cloud(*fields: str) -> PointCloud2:
    offsets = enumerate(fields)
    return PointCloud2(
        fields=[
            PointField(name=name, offset=4 * index, datatype=7, count=1) for index, name in offsets
        ]
    )


def test_other_topics_are_forwarded_byte_for_byte_but_never_pixels(
    peer: Any, live: Callable[..., Any], log: Callable[..., bool]
) -> None:
    for topic, message_type in (("/imu", Imu), ("/grey", PointCloud2), ("/rgb", PointCloud2)):
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type, raw=True)
    peer.advertise("/other/image", Image)
    peer.advertise("/other/marker", Marker)  # its texture is a CompressedImage
    live(
        topics__images=["/cam/image_raw"], topics__passthrough=["/imu", "/grey", "/rgb", "/other/*"]
    )
    assert log("/other/image: topics.passthrough", "carries pixels")
    assert log(
        "/other/marker: topics.passthrough", "carries pixels (sensor_msgs/msg/CompressedImage)"
    )
    assert peer.spin_until(lambda: all(map(peer.listeners, ("/imu", "/grey", "/rgb"))))
    imu = stamped(Imu(), 3)
    imu.orientation.w = 0.5
    grey, coloured = cloud("x", "y", "z", "intensity"), cloud("x", "y", "z", "RGB")
    grey.header.frame_id = "camera_rgb_optical_frame"
    for _ in range(3):
        peer.publish("/imu", imu)
        peer.publish("/grey", grey)
        peer.publish("/rgb", coloured)
        peer.spin(0.2)
    assert log("/rgb", "coloured points")
    assert peer.received["/anon/imu"][0] == serialize_message(imu)
    assert deserialize_message(peer.received["/anon/grey"][0], PointCloud2) == grey
    assert not peer.received["/anon/rgb"]
    assert not peer._node.count_publishers("/anon/other/image")  # noqa: SLF001


def test_a_latched_topic_is_forwarded_once_the_node_is_enabled(
    peer: Any, live: Callable[..., Any]
) -> None:
    def enable(*, enabled: bool) -> None:
        peer.call("/anonymizer/enable", SetBool, SetBool.Request(data=enabled))

    live(topics__images=["/cam/image_raw"], topics__passthrough=["/imu"], topics__lazy=False)
    enable(enabled=False)
    peer.advertise("/imu", Imu, **LASTING)
    peer.record("/anon/imu", Imu, **LASTING)
    peer.publish("/imu", stamped(Imu(), 1))
    peer.spin(1)
    assert not peer.received["/anon/imu"]
    enable(enabled=True)
    assert peer.spin_until(lambda: seconds(peer.received["/anon/imu"]) == [1])


def test_stamps_that_jump_back_start_anew(
    peer: Any, live: Callable[..., Any], log: Callable[..., bool]
) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    images, infos = mirror(peer, topic, Image), mirror(peer, info, CameraInfo)
    live(topics__images=[topic])
    assert peer.spin_until(peer.connected)
    for lap in range(2):
        for index in range(100, 104):
            message = stamped(CameraInfo(), index)
            message.width = lap
            peer.publish(info, message)
            peer.publish(topic, raw_message(RAW, index))
            peer.spin(0.3)
    assert log(topic, "jumped back by 3.0 s")
    assert seconds(images) == [100, 101, 102, 103] * 2
    assert seconds(infos) == seconds(images)
    assert [message.width for message in infos] == [0] * 4 + [1] * 4


def test_a_camera_may_change_size_encoding_and_type_in_mid_stream(
    peer: Any, live: Callable[..., Any]
) -> None:
    topic = "/cam/image"
    images = mirror(peer, topic, Image)
    live(topics__images=[topic])
    assert peer.spin_until(peer.connected)
    for index, make in enumerate((raw_message, bayer_message, raw_message)):
        image = street(320 + 64 * index, 240 + 32 * index)
        while index not in seconds(images):
            peer.publish(topic, make(image, index))
            peer.spin(0.2)
    assert nobody_seen(images)
    peer.withdraw(topic)
    peer.stop_recording(f"/anon{topic}")
    jpegs: list[Any] = []
    peer.received[f"/anon{topic}"] = jpegs
    peer.advertise(topic, CompressedImage)
    peer.record(f"/anon{topic}", CompressedImage)
    assert peer.spin_until(lambda: peer.listeners(topic))
    film(peer, topic, since=50, count=10, make=jpeg_message)
    assert peer.spin_until(lambda: jpegs)
    assert nobody_seen(jpegs)


CAMERA = """
import sys, time, rclpy
from image_messages import raw_message
from sensor_msgs.msg import Image
from sentinel import street
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "/cam/image_raw", 5)
for index in range(int(sys.argv[1]), 10**6):
    publisher.publish(raw_message(street(320, 240), index))
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
def process(domain: int) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a Python program on the same DDS domain."""
    started = []
    environment = os.environ | {
        "ROS_DOMAIN_ID": str(domain),
        "PYTHONPATH": os.path.dirname(os.path.dirname(__file__)),  # noqa: PTH120 - a string
    }

    def run(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment))
        return started[-1]

    yield run
    for each in started:
        each.kill()
        each.wait()


def test_a_camera_that_crashes_and_comes_back_is_mirrored_again(
    peer: Any, live: Callable[..., Any], process: Callable[..., Any]
) -> None:
    peer.record("/anon/cam/image_raw", Image)
    images = peer.received["/anon/cam/image_raw"]
    live(topics__images=["/cam/image_raw"])
    camera = process(CAMERA, "0")
    assert peer.spin_until(lambda: len(images) > 5)
    camera.kill()
    camera.wait()
    process(CAMERA, "5000")
    assert peer.spin_until(lambda: images and max(seconds(images)) >= 5000)
    assert nobody_seen(images)


def test_a_subscriber_that_stalls_does_not_hold_up_the_others(
    peer: Any, live: Callable[..., Any], process: Callable[..., Any]
) -> None:
    images = mirror(peer, "/cam/image_raw", Image)
    live(topics__images=["/cam/image_raw"])
    listener = process(LISTENER)
    assert peer.spin_until(lambda: peer.listeners("/anon/cam/image_raw") == 2)
    assert peer.spin_until(peer.connected)
    os.kill(listener.pid, signal.SIGSTOP)
    film(peer, "/cam/image_raw", count=60)
    assert peer.spin_until(lambda: images and max(seconds(images)) >= 58)
    os.kill(listener.pid, signal.SIGCONT)
    assert len(images) > 30


def test_simulated_time_without_a_clock_stops_nothing(peer: Any, live: Callable[..., Any]) -> None:
    images = mirror(peer, "/cam/image_raw", Image)
    peer.record("/diagnostics", DiagnosticArray)
    live(topics__images=["/cam/image_raw"], use_sim_time=True)
    assert peer.spin_until(peer.connected)
    film(peer, "/cam/image_raw")
    assert peer.spin_until(lambda: images and peer.received["/diagnostics"])
    assert seconds(images)[0] < 10
    assert peer.received["/diagnostics"][0].header.stamp.sec == 0


def test_a_namespace_and_remaps_apply(peer: Any, live: Callable[..., Any]) -> None:
    peer.advertise("/driver/image", Image)
    peer.record("/safe/image", Image)
    rules = ["-r", "image_raw:=/driver/image", "-r", "/anon/driver/image:=/safe/image"]
    options = {"namespace": "/car", "cli_args": ["--ros-args", *rules]}
    live(options=options, topics__images=["image_raw"])
    assert peer.spin_until(peer.connected)
    film(peer, "/driver/image")
    assert peer.spin_until(lambda: peer.received["/safe/image"])


def test_a_mirrored_topic_that_is_remapped_onto_a_camera_is_not_opened(
    peer: Any, live: Callable[..., Any], log: Callable[..., bool]
) -> None:
    peer.advertise("/a/image", Image)
    peer.advertise("/b/image", Image)
    options = {"cli_args": ["--ros-args", "-r", "/anon/a/image:=/b/image"]}
    live(options=options, topics__images=["/*/image"], topics__lazy=False)
    assert log("/a/image: not anonymized, its mirrored topic /b/image is a camera's")
    assert peer.spin_until(lambda: peer.listeners("/b/image"))
    assert not peer.listeners("/a/image")


def test_a_frame_in_work_when_its_camera_changes_type_is_not_published(
    peer: Any, live: Callable[..., Any]
) -> None:
    images = mirror(peer, "/cam/image", Image)
    painter = Painter(go=threading.Event())
    node = live(SentinelModels(painter=painter), topics__images=["/cam/image"])
    assert peer.spin_until(peer.connected)
    while not painter.batches:
        film(peer, "/cam/image", count=1)
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


def test_persons_of_two_cameras_go_through_one_diffusion(
    peer: Any, live: Callable[..., Any], demo_weights: Path, tiny_sdxl: Path, bus_rgb: Any
) -> None:
    """Real weights and a tiny SDXL, two frames at once."""
    topics = ["/left/image_raw", "/right/image_raw"]
    mirrored = [mirror(peer, topic, Image) for topic in topics]
    models = ModelCache()
    node = live(
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
            peer.publish(topic, raw_message(image, index))
        peer.spin(0.5)
    assert peer.spin_until(lambda: all(mirrored))
    left, right = (shown(messages[0]) for messages in mirrored)
    assert np.array_equal(left, right), "the same image and seed, whoever is drawn with it"
    assert not np.array_equal(left, image)
    assert not any(c.failed for c in node.node._session.inbox.counts().values())  # noqa: SLF001
