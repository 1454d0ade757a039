"""Look up the tracked persons of an image, from the detections of the first pass."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from anon_ros.bags.rewrite.detection_store import DetectionStore, MessageKey
from anon_ros.bags.run_files.message_delta import message_digest
from anon_ros.config import Config
from anon_ros.core import FramePersons
from anon_ros.errors import BagError, SegmentationError
from anon_ros.tracking import FrameObservation, Tracker, iter_with_lookahead


@dataclass
class TrackedPersons:
    """The persons of all images, to be asked in the images' order. For one thread at a time.

    Attributes:
        store: of the detection pass.
        config: of detection, tracks and memory.
        make_tracker: returns a tracker for a single camera.
    """

    store: DetectionStore
    config: Config
    make_tracker: Callable[[], Tracker]
    _topics: "dict[str, _TopicPersons]" = field(default_factory=dict)

    def get(self, topic: str, key: MessageKey, data: bytes) -> FramePersons:
        """Return the persons of an image.

        Args:
            topic: as recorded.
            key: of the message.
            data: of the message.

        Raises:
            SegmentationError: if the detection pass failed with this image.
            BagError: if the detection pass saw another image, or none.
        """
        problem = self.store.find_problem(key, message_digest(data))
        if problem:
            raise SegmentationError(problem)
        if topic not in self._topics:
            self._topics[topic] = _TopicPersons(self.store, topic, self.config, self.make_tracker)
        persons = None if problem is None else self._topics[topic].find(key)
        if persons is None:
            message = "the input has changed since it was looked at; remove the unfinished output"
            raise BagError(message)
        return persons


class _TopicPersons:
    """The persons of one topic; images before the requested one are passed."""

    def __init__(
        self,
        store: DetectionStore,
        topic: str,
        config: Config,
        make_tracker: Callable[[], Tracker],
    ) -> None:
        self._keys: deque[MessageKey] = deque()
        observations = self._iter_observations(store, topic)
        self._frames = iter_with_lookahead(observations, config, make_tracker)

    def find(self, key: MessageKey) -> FramePersons | None:
        for history, observation in self._frames:
            passed_key = self._keys.popleft()
            if passed_key == key:
                return history.persons_in(observation)
            history.skip_frame(observation)
            if passed_key > key:
                break
        return None

    def _iter_observations(self, store: DetectionStore, topic: str) -> Iterator[FrameObservation]:
        for detections in store.iter_topic(topic):
            if detections.observation is not None:
                self._keys.append(detections.key)
                yield detections.observation
