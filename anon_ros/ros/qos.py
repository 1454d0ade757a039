"""Quality of service: what we ask for, what we offer, and what to do when they do not fit."""

from collections.abc import Sequence
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
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

_DEPTH = 5
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


def default_profiles() -> tuple[QoSProfile, QoSProfile]:
    """To subscribe with, and to publish with, as image_pipeline does (REP 2003).

    It offers the most and asks for the least. New ones each time: rclpy writes overrides into them.
    """
    reliable = QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE)
    return QoSProfile(depth=_DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT), reliable


def matched_profiles(
    publishers: Sequence[TopicEndpointInfo], depth: int = _DEPTH
) -> tuple[QoSProfile, QoSProfile]:
    """What fits all publishers of a topic: to subscribe with, and to publish its mirror with.

    Args:
        publishers: at least one.
        depth: of the queues, which DDS does not tell.
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


def subscription_options(node: Node, topic: str) -> dict[str, Any]:
    """Further arguments of ``create_subscription``."""

    def incompatible(event: Any) -> None:
        policy = _policy(event)
        node.get_logger().error(
            f"{topic}: a publisher offers less {policy} than this node asks for, so nothing is "
            "received from it; set qos.match_publisher, or "
            f"qos_overrides.{topic}.subscription.{policy}"
        )

    callbacks = SubscriptionEventCallbacks(incompatible_qos=incompatible)
    return {"event_callbacks": callbacks} | _overrides(node, topic)


def publisher_options(node: Node, topic: str) -> dict[str, Any]:
    """Further arguments of ``create_publisher``."""

    def incompatible(event: Any) -> None:
        policy = _policy(event)
        node.get_logger().error(
            f"{topic}: a subscriber asks for more {policy} than this node offers, so it receives "
            f"nothing; set qos_overrides.{topic}.publisher.{policy}, or change the subscriber"
        )

    callbacks = PublisherEventCallbacks(incompatible_qos=incompatible)
    return {"event_callbacks": callbacks} | _overrides(node, topic)


def _policy(event: Any) -> str:
    return str(qos_policy_name_from_kind(event.last_policy_kind)).lower()


def _overrides(node: Node, topic: str) -> dict[str, Any]:
    # Only where the user gave some: rclpy declares read-only parameters from the first profile and
    # would apply that one to every later subscription of the topic.
    given = node._parameter_overrides  # noqa: SLF001 - rclpy tells them in no other way
    if any(name.startswith(f"qos_overrides.{topic}.") for name in given):
        return {"qos_overriding_options": QoSOverridingOptions(_OVERRIDABLE)}
    return {}
