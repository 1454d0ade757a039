"""Quality of service of mirrored topics."""

from collections.abc import Callable
from typing import Any

from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image

from helpers.ros_streams import LASTING, publish_frames, record_mirror

BEST_EFFORT = {"reliability": ReliabilityPolicy.BEST_EFFORT}


def test_qos_match_copies_profile(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image, **BEST_EFFORT)
    start_live_node(topics__images=["/cam/*"], qos__match_publisher=True, topics__lazy=False)
    assert peer.spin_until(lambda: peer.count_subscribers("/cam/image_raw"))
    (published,) = peer._node.get_publishers_info_by_topic("/anon/cam/image_raw")  # noqa: SLF001
    assert published.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    peer.stop_advertising("/cam/image_raw")


def test_default_qos_in_and_out(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise("/cam/image_raw", Image)
    start_live_node(topics__images=["/cam/image_raw"], topics__lazy=False)
    assert peer.spin_until(lambda: peer.count_subscribers("/cam/image_raw"))
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
    assert peer.spin_until(lambda: peer.count_subscribers("/cam/image_raw"))
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
    assert peer.spin_until(lambda: peer.count_subscribers("/b/image"))
    while not images:
        publish_frames(peer, "/b/image", count=1)
