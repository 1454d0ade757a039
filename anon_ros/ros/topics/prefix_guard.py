"""Watch over the topics below the prefix, where only this node may publish pictures."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from rclpy.node import Node

from anon_ros.config import topic_matches
from anon_ros.errors import ConfigError
from anon_ros.images import POINT_CLOUD_TYPE
from anon_ros.ros.topics.nameless_peers import NAMELESS, NamelessPeers
from anon_ros.ros.topics.topic_names import format_node_name
from anon_ros.ros.topics.topic_relay import import_pixel_free


class PrefixGuard:
    """Watch over publishers of other nodes on mirrored topics and on picture topics beside them.

    Their messages would be recorded and shown as if they were anonymized.

    Args:
        node: for the ROS graph.
        prefixes: absolute, of all cameras.
        trusted: names or patterns, fully qualified, of nodes that may publish there.

    Attributes:
        foreign_publishers: by topic, the names of the other nodes that publish it.
        twin_topics: topics that another process with the name of this node publishes. After a
            crash that may be its predecessor, which stays announced for a while.
    """

    def __init__(self, node: Node, prefixes: Sequence[str], trusted: Sequence[str]) -> None:
        self._node = node
        self._own_name = str(node.get_fully_qualified_name())
        self._below = tuple(f"{prefix}/" for prefix in prefixes)
        self._trusted = trusted
        self._nameless = NamelessPeers()
        self.foreign_publishers: Mapping[str, Sequence[str]] = {}
        self.twin_topics: Sequence[str] = ()

    def update(self, mirrored: Collection[str]) -> None:
        """Look up the publishers of all topics below the prefix.

        Args:
            mirrored: topics that this node publishes there or, remapped, elsewhere.
        """
        num_own = Counter(publisher.topic_name for publisher in self._node.publishers)
        publishers = {
            topic: self._list_publishers(topic, is_mirrored=topic in mirrored)
            for topic in self._list_topics(mirrored)
        }
        self._nameless.update({topic for topic, names in publishers.items() if "" in names})
        self.twin_topics = [
            topic
            for topic, names in publishers.items()
            if names.count(self._own_name) > num_own[topic]
        ]
        foreign = {topic: self._list_foreign(topic, names) for topic, names in publishers.items()}
        self.foreign_publishers = {topic: names for topic, names in foreign.items() if names}

    def clear(self) -> None:
        """Forget all publishers."""
        self.foreign_publishers, self.twin_topics, self._nameless = {}, (), NamelessPeers()

    def _list_topics(self, mirrored: Collection[str]) -> list[str]:
        advertised = (name for name, _ in self._node.get_topic_names_and_types())
        return sorted({*mirrored, *(name for name in advertised if name.startswith(self._below))})

    def _list_publishers(self, topic: str, *, is_mirrored: bool) -> list[str]:
        """Return the nodes, "" without a name, that publish pictures, or anything on a mirror."""
        return [
            format_node_name(info)
            for info in self._node.get_publishers_info_by_topic(topic)
            if is_mirrored or not _is_pixel_free(topic, info.topic_type)
        ]

    def _list_foreign(self, topic: str, names: Sequence[str]) -> list[str]:
        foreign = {name for name in names if name and name != self._own_name}
        foreign = {name for name in foreign if not self._is_trusted(name)}
        if self._nameless.has_lasting(topic):
            foreign.add(NAMELESS)
        return sorted(foreign)

    def _is_trusted(self, name: str) -> bool:
        return any(topic_matches(name, pattern) for pattern in self._trusted)


@lru_cache(maxsize=1000)
def _is_pixel_free(topic: str, type_name: str) -> bool:
    """Return False if messages of a type may hold a picture, or may not be looked into."""
    try:
        import_pixel_free(topic, type_name, lambda _: None)
    except ConfigError:
        return False
    return type_name != POINT_CLOUD_TYPE
