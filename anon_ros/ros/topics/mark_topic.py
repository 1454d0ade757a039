"""The latched topic beside a mirrored topic that says that a model drew persons there."""

import json

from rclpy.node import Node
from std_msgs.msg import String

from anon_ros.images import describe_mark
from anon_ros.ros.topics.qos import latched_profile, publisher_options


def mark_topic(mirrored: str) -> str:
    """Return the name of the topic beside a mirrored topic."""
    return f"{mirrored}/mark"


class MarkPublisher:
    """Publisher of marks, of which late subscribers and recorders get the last.

    Args:
        node: owner of the publisher.
        mirrored: name of the mirrored topic.
    """

    def __init__(self, node: Node, mirrored: str) -> None:
        self._node = node
        self._beta_d: float | None = None
        topic = mark_topic(mirrored)
        self._publisher = node.create_publisher(
            String, topic, latched_profile(), **publisher_options(node, topic)
        )

    def update(self, beta_d: float | None) -> None:
        """Publish the mark of a frame unless it is the last one's; None for a frame without."""
        if beta_d is not None and beta_d != self._beta_d:
            self._publisher.publish(String(data=json.dumps(describe_mark(beta_d))))
            self._beta_d = beta_d

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)
