"""Who is in each image of a recording, by what the first look found in all of them."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from anon_ros.bags.rewrite.detection_store import DetectionStore, MessageKey
from anon_ros.bags.run_files.journal import message_digest
from anon_ros.config import Config
from anon_ros.core import FramePersons
from anon_ros.errors import BagError, SegmentationError
from anon_ros.tracking import FrameObservation, Tracker, iter_with_lookahead


@dataclass
class TrackedPersons:
    """Asked for the images of each topic in their order; for one thread at a time.

    Attributes:
        seen: of the first look.
        config: of detection, tracks and memory.
        make_tracker: makes one for one camera.
    """

    seen: DetectionStore
    config: Config
    make_tracker: Callable[[], Tracker]
    _topics: "dict[str, _Topic]" = field(default_factory=dict)

    def get(self, topic: str, key: MessageKey, data: bytes) -> FramePersons:
        """The persons of an image.

        Args:
            topic: as recorded.
            key: which message.
            data: of the message.

        Raises:
            SegmentationError: if the first look could not find the persons.
            BagError: if the first look saw another image, or none.
        """
        problem = self.seen.problem(key, message_digest(data))
        if problem:
            raise SegmentationError(problem)
        if topic not in self._topics:
            self._topics[topic] = _Topic(self.seen, topic, self.config, self.make_tracker)
        persons = None if problem is None else self._topics[topic].persons_in(key)
        if persons is None:
            message = "the input has changed since it was looked at; remove the unfinished output"
            raise BagError(message)
        return persons


class _Topic:
    """The images of one topic, which are passed by until the one that is asked for."""

    def __init__(
        self, seen: DetectionStore, topic: str, config: Config, make_tracker: Callable[[], Tracker]
    ) -> None:
        self._keys: deque[MessageKey] = deque()
        self._frames = iter_with_lookahead(self._moments(seen, topic), config, make_tracker)

    def persons_in(self, key: MessageKey) -> FramePersons | None:
        for timeline, moment in self._frames:
            passed = self._keys.popleft()
            if passed == key:
                return timeline.persons_in(moment)
            timeline.skip_frame(moment)
            if passed > key:
                break
        return None

    def _moments(self, seen: DetectionStore, topic: str) -> Iterator[FrameObservation]:
        for looked in seen.iter_topic(topic):
            if looked.moment is not None:
                self._keys.append(looked.key)
                yield looked.moment
