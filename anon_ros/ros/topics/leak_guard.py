"""Warnings about nodes that subscribe to the original images."""

from collections.abc import Iterable, Sequence

from rclpy.node import Node

from anon_ros.config import topic_matches
from anon_ros.ros.topics.nameless_peers import NAMELESS, NamelessPeers
from anon_ros.ros.topics.topic_names import format_node_name
from anon_ros.utils.text import escape_controls

_RECORDER = "rosbag2_recorder"


class LeakGuard:
    """Watch over the subscribers of original images.

    Args:
        node: for the ROS graph and the log.
        trusted: names or patterns, fully qualified, of nodes that may subscribe.

    Attributes:
        untrusted_subscribers: by topic, the nodes that receive the original images and are not
            trusted.
    """

    def __init__(self, node: Node, trusted: Sequence[str]) -> None:
        self._node = node
        self._trusted = trusted
        self._nameless = NamelessPeers()
        self.untrusted_subscribers: dict[str, list[str]] = {}

    def update(self, topics: Iterable[str]) -> None:
        """Look up the subscribers of these topics, and warn of new ones."""
        previous = self.untrusted_subscribers
        subscribers = {topic: find_subscribers(self._node, topic) for topic in topics}
        self._nameless.update({topic for topic, nodes in subscribers.items() if NAMELESS in nodes})
        self.untrusted_subscribers = {
            topic: [node for node in nodes if not self._is_trusted(topic, node)]
            for topic, nodes in subscribers.items()
        }
        for topic, nodes in self.untrusted_subscribers.items():
            if new := sorted(set(nodes) - set(previous.get(topic, ()))):
                self._warn(topic, new)

    def clear(self) -> None:
        """Forget all subscribers."""
        self.untrusted_subscribers = {}

    def _is_trusted(self, topic: str, name: str) -> bool:
        if name == NAMELESS:
            return not self._nameless.has_lasting(topic)
        return any(topic_matches(name, pattern) for pattern in self._trusted)

    def _warn(self, topic: str, nodes: Sequence[str]) -> None:
        is_recorded = any(_RECORDER in name for name in nodes)
        note = " (a recorder: persons are being recorded)" if is_recorded else ""
        names = escape_controls(", ".join(nodes))
        self._node.get_logger().warning(
            f"{topic}: the original images go to {names}{note}; end that, or "
            f"name the node in topics.trusted_subscribers"
        )


def find_subscribers(node: Node, topic: str) -> list[str]:
    """Return the sorted names of the nodes that subscribe to a topic."""
    infos = node.get_subscriptions_info_by_topic(topic)
    return sorted({format_node_name(info) or NAMELESS for info in infos})
