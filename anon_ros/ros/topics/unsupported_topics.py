"""Image topics that were closed because their pictures cannot be anonymized."""

from collections.abc import Callable, Iterator, Sequence

from rclpy.topic_endpoint_info import TopicEndpointInfo


class UnsupportedTopics:
    """Closed topics, until other publishers of them appear.

    Attributes:
        pending: topics to close, with the reason; any thread may add to it.
        reasons: closed topics, with the reason.
    """

    def __init__(self) -> None:
        self.pending: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self._publishers: dict[str, set[bytes]] = {}

    def take_pending(self) -> Iterator[tuple[str, str]]:
        """Yield the topics to close, with the reason, and forget them."""
        while self.pending:
            yield self.pending.popitem()

    def retain(self, count_publishers: Callable[[str], int]) -> None:
        """Forget the topics without a publisher."""
        for name in [name for name in self.reasons if not count_publishers(name)]:
            del self.reasons[name], self._publishers[name]

    def close(self, name: str, reason: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        """Note that a topic was closed because of what these publishers send."""
        self.reasons[name], self._publishers[name] = reason, _list_ids(publishers)

    def is_closed(self, name: str, publishers: Sequence[TopicEndpointInfo]) -> bool:
        """Return True while a closed topic has no other publishers; forget it once it has."""
        if name in self.reasons and _list_ids(publishers) - self._publishers[name]:
            del self.reasons[name], self._publishers[name]
        return name in self.reasons


def _list_ids(publishers: Sequence[TopicEndpointInfo]) -> set[bytes]:
    return {bytes(publisher.endpoint_gid) for publisher in publishers}
