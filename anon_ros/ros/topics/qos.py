"""Quality of service: requested and offered profiles, and warnings when they do not match."""

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.topic_endpoint_info import TopicEndpointInfo

from anon_ros.ros.rclpy_compat import PublisherEventCallbacks, SubscriptionEventCallbacks

_DEPTH = 5
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


def default_profiles() -> tuple[QoSProfile, QoSProfile]:
    """Return profiles for the subscription and for the publisher, as in image_pipeline (REP 2003).

    Best effort is requested and reliable offered, so that every peer matches. The profiles are
    new in every call, because rclpy writes overrides into them.
    """
    reliable = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
    return QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT), reliable


def matched_profiles(
    publishers: Sequence[TopicEndpointInfo], depth: int = _DEPTH
) -> tuple[QoSProfile, QoSProfile]:
    """Return profiles that match all publishers: for the subscription and for the publisher.

    Args:
        publishers: of the topic, not empty.
        depth: of the queues, which DDS does not announce.
    """
    profiles = [publisher.qos_profile for publisher in publishers]
    reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
    lasting = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
    common: dict[str, Any] = {
        "depth": depth,
        "reliability": ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        "durability": DurabilityPolicy.TRANSIENT_LOCAL if lasting else DurabilityPolicy.VOLATILE,
    }
    offered = {
        name: getattr(profiles[0], name)
        for name in ("deadline", "lifespan", "liveliness", "liveliness_lease_duration")
        if len({str(getattr(profile, name)) for profile in profiles}) == 1
    }
    return QoSProfile(**common), QoSProfile(**common, **offered)


def latched_profile() -> QoSProfile:
    """Return the profile of a latched topic; a new one, as in ``default_profiles``."""
    return QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def is_latched(node: Node, topic: str) -> bool:
    """Return True if a topic has publishers, and all of them are latched."""
    publishers = node.get_publishers_info_by_topic(topic)
    latched = DurabilityPolicy.TRANSIENT_LOCAL
    return bool(publishers) and all(p.qos_profile.durability == latched for p in publishers)


def subscription_options(node: Node, topic: str) -> dict[str, Any]:
    """Return further arguments of ``create_subscription``."""

    def log_mismatch(event: Any) -> None:
        policy = _format_policy(event)
        node.get_logger().error(
            f"{topic}: a publisher offers less {policy} than this node asks for, so nothing is "
            "received from it; set qos.match_publisher, or "
            f"qos_overrides.{topic}.subscription.{policy}"
        )

    callbacks = SubscriptionEventCallbacks(incompatible_qos=log_mismatch)
    return {"event_callbacks": callbacks} | _make_overrides(node, topic)


def publisher_options(node: Node, topic: str) -> dict[str, Any]:
    """Return further arguments of ``create_publisher``."""

    def log_mismatch(event: Any) -> None:
        policy = _format_policy(event)
        node.get_logger().error(
            f"{topic}: a subscriber asks for more {policy} than this node offers, so it receives "
            f"nothing; set qos_overrides.{topic}.publisher.{policy}, or change the subscriber"
        )

    callbacks = PublisherEventCallbacks(incompatible_qos=log_mismatch)
    return {"event_callbacks": callbacks} | _make_overrides(node, topic)


def _format_policy(event: Any) -> str:
    return str(qos_policy_name_from_kind(event.last_policy_kind)).lower()


def _make_overrides(node: Node, topic: str) -> dict[str, Any]:
    # Only if the user set any: rclpy declares read-only parameters from the first profile and
    # would apply that profile to every later subscription of the topic.
    overrides = node._parameter_overrides  # noqa: SLF001 - rclpy offers no other access
    if any(name.startswith(f"qos_overrides.{topic}.") for name in overrides):
        return {"qos_overriding_options": QoSOverridingOptions(_OVERRIDABLE)}
    return {}
