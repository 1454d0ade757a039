"""Topics found, mirrored, remapped and subscribed lazily."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu

from anon_ros.errors import ConfigError
from anon_ros.ros.topics import topic_manager
from helpers.fake_models import NoiseInpainter, SentinelModelProvider
from helpers.ros_images import make_jpeg_message, make_raw_message, set_stamp
from helpers.ros_streams import (
    RAW_SCENE,
    hides_everybody,
    list_stamps_s,
    publish_frames,
    record_mirror,
)

COMPRESSED = "sensor_msgs/msg/CompressedImage"


def test_patterns_match_later_cameras(peer: Any, start_live_node: Callable[..., Any]) -> None:
    first = record_mirror(peer, "/car/cam_1/image", Image)
    peer.advertise("/car/deep/cam_3/image", Image)
    peer.advertise("/car/imu/image", Imu)
    node = start_live_node(topics__images=["/car/*/image", "/far/**", "/anon/**", "/anonymizer/**"])
    assert peer.spin_until(lambda: peer.count_subscribers("/car/cam_1/image"))
    second = record_mirror(peer, "/car/cam_2/image", Image)
    third = record_mirror(peer, "/far/away/from/here", CompressedImage)
    assert peer.spin_until(lambda: peer.count_subscribers("/car/cam_2/image"))
    assert peer.spin_until(lambda: peer.count_subscribers("/far/away/from/here"))
    while not (first and second and third):
        publish_frames(peer, "/car/cam_1/image", count=1)
        publish_frames(peer, "/car/cam_2/image", count=1)
        publish_frames(peer, "/far/away/from/here", count=1, make=make_jpeg_message)
    assert all(map(hides_everybody, (first, second, third)))
    peer.spin(1)
    names = {stream.name for stream in node.node._topics}  # noqa: SLF001 - also what is not opened
    assert names == {"/car/cam_1/image", "/car/cam_2/image", "/far/away/from/here"}


def test_topics_gone_for_good_are_forgotten(
    peer: Any,
    start_live_node: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Topics of a pattern come and go: no more than the limit, and nothing of them stays."""
    monkeypatch.setattr(topic_manager, "_FORGET_AFTER_S", 0.5)
    topics = {"images": ["/car/*/image", "/fixed"], "passthrough": ["/car/*/imu"]}
    node = start_live_node(
        topics__max_mirrored=2, **{f"topics__{name}": value for name, value in topics.items()}
    )
    assert peer.spin_until(lambda: node.node._session is not None)  # noqa: SLF001
    session = node.node._session  # noqa: SLF001 - what would grow

    def list_open() -> set[str]:
        return {stream.name for stream in session.topics}

    peer.advertise("/fixed", Image)
    for generation in range(3):
        name = f"/car/cam_{generation}"
        mirrored = record_mirror(peer, f"{name}/image", Image)
        peer.advertise(f"{name}/imu", Imu)
        assert peer.spin_until(lambda name=name: list_open() == {"/fixed", f"{name}/image"})
        assert peer.spin_until(lambda name=name: peer.count_publishers(f"/anon{name}/imu"))
        peer.advertise(f"/car/late_{generation}/image", Image)
        publish_frames(peer, f"{name}/image")
        assert peer.spin_until(lambda mirrored=mirrored: bool(mirrored))
        peer.spin(1)
        assert list_open() == {"/fixed", f"{name}/image"}, "the limit holds"
        for topic in (f"{name}/image", f"{name}/imu", f"/car/late_{generation}/image"):
            peer.stop_advertising(topic)
        peer.spin(1)
        assert f"{name}/image" in list_open(), "it has a subscriber"
        peer.stop_recording(f"/anon{name}/image")
        assert peer.spin_until(lambda: list_open() == {"/fixed"})
        assert peer.spin_until(lambda name=name: not peer.count_publishers(f"/anon{name}/imu"))
    peer.spin(1)
    assert session.mailbox.counts().keys() <= {"/fixed"}
    assert session.pipeline._cameras.keys() <= {"/fixed"}  # noqa: SLF001
    assert session.pipeline.stream_latencies.quantiles_ms().keys() <= {"/fixed"}
    assert len(session.topics._infos) == 1  # noqa: SLF001
    assert "topics are not mirrored, /car/late_0/image among them" in capfd.readouterr().err
    assert not peer.count_publishers("/anon/car/late_0/image")


def test_lazy_stream_on_demand(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    peer.advertise(topic, Image)
    peer.advertise(f"{topic}/compressed", CompressedImage)
    peer.advertise(info, CameraInfo)
    start_live_node(topics__images=["/cam/**"])
    assert peer.spin_until(lambda: peer._node.count_publishers(f"/anon{topic}"))  # noqa: SLF001
    peer.spin(1)
    assert not any(map(peer.count_subscribers, (topic, f"{topic}/compressed", info)))

    peer.record(f"/anon{topic}", Image)
    peer.record(f"/anon{info}", CameraInfo)
    assert peer.spin_until(lambda: peer.count_subscribers(topic) and peer.count_subscribers(info))
    peer.spin(0.5)
    # Who records the raw image and its info does not pay for the compressed one.
    assert not peer.count_subscribers(f"{topic}/compressed")
    images, infos = peer.received[f"/anon{topic}"], peer.received[f"/anon{info}"]
    for index in range(3):
        peer.publish(info, set_stamp(CameraInfo(), index))
        peer.publish(topic, make_raw_message(RAW_SCENE, index))
        count = index + 1
        assert peer.spin_until(lambda count=count: len(images) == len(infos) == count)
    assert list_stamps_s(infos) == list_stamps_s(images)

    peer.stop_recording(f"/anon{topic}")
    peer.spin(0.7)
    # An info leaves with an image: one image topic stays.
    assert sum(map(peer.count_subscribers, (topic, f"{topic}/compressed"))) == 1
    peer.stop_recording(f"/anon{info}")
    assert peer.spin_until(
        lambda: not any(map(peer.count_subscribers, (topic, f"{topic}/compressed", info)))
    )


def test_camera_info_is_sent_once(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic, info = "/cam/image_raw", "/cam/camera_info"
    raw = record_mirror(peer, topic, Image)
    jpeg = record_mirror(peer, f"{topic}/compressed", CompressedImage)
    infos = record_mirror(peer, info, CameraInfo)
    start_live_node(topics__images=[topic, f"{topic}/compressed"], topics__lazy=False)
    # The raw image serves both.
    assert peer.spin_until(lambda: peer.count_subscribers(topic) and peer.count_subscribers(info))
    peer.spin(0.5)
    for index in range(5):
        peer.publish(info, set_stamp(CameraInfo(), index))
        peer.publish(topic, make_raw_message(RAW_SCENE, index))
        peer.publish(f"{topic}/compressed", make_jpeg_message(RAW_SCENE, index))
        count = index + 1
        assert peer.spin_until(lambda count=count: len(raw) == len(jpeg) == len(infos) == count)
    assert list_stamps_s(raw) == list_stamps_s(jpeg) == list_stamps_s(infos) == [0, 1, 2, 3, 4]


def test_namespace_and_remaps_apply(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/driver/image", Image)
    peer.record("/safe/image", Image)
    rules = ["-r", "image_raw:=/driver/image", "-r", "/anon/driver/image:=/safe/image"]
    options = {"namespace": "/car", "cli_args": ["--ros-args", *rules]}
    start_live_node(options=options, topics__images=["image_raw"])
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, "/driver/image")
    assert peer.spin_until(lambda: peer.received["/safe/image"])


def set_parameter(peer: Any, name: str, value: Any) -> str:
    """Set a parameter; return why it was refused."""
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    (result,) = peer.call("/anonymizer/set_parameters", SetParameters, request).results
    return str(result.reason)


def test_cameras_have_their_own_parameters(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topic, info = "/car/front/image_raw", "/car/front/camera_info"
    rear = record_mirror(peer, "/car/rear/image_raw", Image)
    for name, message_type in ((topic, Image), (info, CameraInfo)):
        peer.advertise(name, message_type)
        peer.record(f"/safe{name}", message_type)
    front = peer.received[f"/safe{topic}"]
    node = start_live_node(
        topics__images=["/**"],
        cameras__front__topics__prefix="/safe",
        cameras__front__skip__every_nth=1000,
    )
    assert peer.spin_until(peer.is_connected)
    for index in range(5):
        peer.publish(topic, make_raw_message(RAW_SCENE, index))
        peer.publish("/car/rear/image_raw", make_raw_message(RAW_SCENE, index))
        assert peer.spin_until(lambda index=index: list_stamps_s(rear)[-1:] == [index])
    assert list_stamps_s(front) == [0]
    assert not set_parameter(peer, "cameras.front.skip.every_nth", 1)
    publish_frames(peer, topic, since=10)
    assert peer.spin_until(lambda: list_stamps_s(front)[-1] > 10)
    assert hides_everybody(front)
    assert "read-only" in set_parameter(peer, "cameras.front.topics.prefix", "/car")
    assert set_parameter(peer, "cameras.front.skip.every_nth", 0)
    assert set_parameter(peer, "cameras.front.skip.max_rate_hz", 1.0), "it was not declared"
    names = {stream.name for stream in node.node._topics}  # noqa: SLF001 - no mirror of a mirror
    assert names == {topic, "/car/rear/image_raw"}


def test_unknown_camera_parameter_refused(start_live_node: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"cameras\.front\.detect\.weights"):
        start_live_node(cameras__front__detect__weights="x.pt")


def test_relative_prefix_follows_namespace(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    peer.advertise("/car/cam/image", Image)
    peer.advertise("/car/cam/camera_info", CameraInfo)
    peer.record("/car/anon/cam/image", Image)
    peer.record("/car/anon/cam/camera_info", CameraInfo)
    options = {"namespace": "/car"}
    node = start_live_node(
        options=options, topics__images=["cam/image", "/**"], topics__prefix="anon"
    )
    assert peer.spin_until(peer.is_connected)
    for index in range(5):
        peer.publish("/car/cam/camera_info", set_stamp(CameraInfo(), index))
        peer.publish("/car/cam/image", make_raw_message(RAW_SCENE, index))
        peer.spin(0.05)
    assert peer.spin_until(lambda: peer.received["/car/anon/cam/camera_info"])
    assert hides_everybody(peer.received["/car/anon/cam/image"])
    peer.advertise("/cam/image", Image)
    assert wait_for_log("/cam/image: not anonymized: /car/anon/cam/image is the mirrored topic of")
    names = {stream.name for stream in node.node._topics}  # noqa: SLF001 - no mirror of a mirror
    assert names == {"/car/cam/image"}


def test_mirror_onto_camera_rejected(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    peer.advertise("/a/image", Image)
    peer.advertise("/b/image", Image)
    options = {"cli_args": ["--ros-args", "-r", "/anon/a/image:=/b/image"]}
    start_live_node(options=options, topics__images=["/*/image"], topics__lazy=False)
    assert wait_for_log("/a/image: not anonymized: its mirrored topic /b/image is a camera's")
    assert peer.spin_until(lambda: peer.count_subscribers("/b/image"))
    assert not peer.count_subscribers("/a/image")


def test_type_change_drops_frame_in_work(peer: Any, start_live_node: Callable[..., Any]) -> None:
    images = record_mirror(peer, "/cam/image", Image)
    painter = NoiseInpainter(may_continue=threading.Event())
    node = start_live_node(SentinelModelProvider(inpainter=painter), topics__images=["/cam/image"])
    assert peer.spin_until(peer.is_connected)
    while not painter.batch_sizes:
        publish_frames(peer, "/cam/image", count=1)
    peer.stop_advertising("/cam/image")
    peer.advertise("/cam/image", CompressedImage)
    streams = node.node._topics  # noqa: SLF001
    assert peer.spin_until(
        # None for the moment in which it is opened anew
        lambda: getattr(streams.get("/cam/image"), "type_name", "") == COMPRESSED
    )
    painter.may_continue.set()
    session = node.node._session  # noqa: SLF001 - no topic tells it
    assert peer.spin_until(lambda: not session.mailbox.counts()["/cam/image"].waiting)
    counts = session.mailbox.counts()["/cam/image"]
    assert counts.skipped + counts.failed == counts.received
    assert not images


def test_invalid_advertised_name_never_ends_node(
    peer: Any,
    start_live_node: Callable[..., Any],
    wait_for_log: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DDS peers that are no ROS nodes may use any name."""
    names = ("/cam/1a/image", "/cam//image", "/cam/\x1b[2J/image", "/cam/image")
    pairs = [(name, ["sensor_msgs/msg/Image"]) for name in names]
    list_topics = Node.get_topic_names_and_types
    monkeypatch.setattr(
        Node,
        "get_topic_names_and_types",
        lambda *args, **more: [*list_topics(*args, **more), *pairs],
    )
    peer.advertise("/cam/image", Image)
    node = start_live_node(topics__images=["/cam/**"], topics__passthrough=["/cam/**"])
    assert wait_for_log(r"/cam/\x1b[2J/image: left out")
    assert wait_for_log("/cam//image: left out")
    assert peer.spin_until(lambda: bool(list(node.node._topics)))  # noqa: SLF001 - what is opened
    assert {stream.name for stream in node.node._topics} == {"/cam/image"}  # noqa: SLF001


def test_broken_discovery_never_ends_node(
    peer: Any,
    start_live_node: Callable[..., Any],
    wait_for_log: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        b"\xff".decode()

    peer.advertise("/cam/image", Image)
    with monkeypatch.context() as patch:
        patch.setattr(Node, "get_topic_names_and_types", fail)
        node = start_live_node(topics__images=["/cam/*"])
        assert wait_for_log("discovery: UnicodeDecodeError")
    assert peer.spin_until(lambda: bool(list(node.node._topics)))  # noqa: SLF001 - what is opened
