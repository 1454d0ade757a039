"""Endpoints whose node has no name, or none yet."""

import time
from collections.abc import Collection

NAMELESS = "a peer without a node name"
"""Text in place of the name of a node."""

# DDS announces an endpoint before the name of its node; a peer without ROS never has a name.
_NAME_TIMEOUT_S = 2.0


class NamelessPeers:
    """Topics with endpoints without a node name, and the times since when they have them."""

    def __init__(self) -> None:
        self._since_s: dict[str, float] = {}

    def update(self, topics: Collection[str]) -> None:
        """Note which topics have such endpoints now."""
        now_s = time.monotonic()
        self._since_s = {topic: self._since_s.get(topic, now_s) for topic in topics}

    def has_lasting(self, topic: str) -> bool:
        """Return True if a topic has had such endpoints for long."""
        since_s = self._since_s.get(topic)
        return since_s is not None and time.monotonic() - since_s > _NAME_TIMEOUT_S
