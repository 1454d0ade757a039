"""Tracked persons of a stream of frames, with and without a look at the frames ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import FramePersons
from anon_ros.tracking.frame_observation import FrameObservation
from anon_ros.tracking.motion_model import SPEED_WINDOW_NS
from anon_ros.tracking.protocols import Tracker
from anon_ros.tracking.scene_cuts import is_scene_cut
from anon_ros.tracking.track_history import TrackHistory, max_gap_ns


class OnlineStream:
    """The frames of one camera as they come: only their past is known.

    The memory outlasts exceptions, too.
    """

    def __init__(self, config: Config, make_tracker: Callable[[], Tracker]) -> None:
        self._config = config
        self._make_tracker = make_tracker
        self._history = TrackHistory(config, make_tracker, 1)
        self._previous: FrameObservation | None = None

    def reconfigure(self, config: Config) -> None:
        """Go on with ``config`` and the same tracks: nobody who is propagated is uncovered."""
        self._config = self._history.config = config

    def persons_in(
        self, frame: FrameObservation, masks: npt.NDArray[np.bool_] | None = None
    ) -> FramePersons:
        """Return the persons of the next frame; arguments as of ``TrackHistory.persons_in``."""
        if self._previous is not None and is_scene_cut(self._previous, frame, self._config):
            first_track = self._history.last_track + 1
            self._history = TrackHistory(self._config, self._make_tracker, first_track)
        self._previous = frame
        self._history.add_frame(frame)
        return self._history.persons_in(frame, masks)


def iter_with_lookahead(
    frames: Iterable[FrameObservation], config: Config, make_tracker: Callable[[], Tracker]
) -> Iterator[tuple[TrackHistory, FrameObservation]]:
    """Yield each frame in its order, as soon as its history has all that concerns it.

    The caller asks the history for the frame's persons, or skips the frame, before it goes on.
    """
    # As far as a mask is propagated back, and as the speed of its person is measured.
    ahead_ns = max_gap_ns(config) + SPEED_WINDOW_NS if config.memory.mode == "both" else 0
    waiting: deque[FrameObservation] = deque()
    history, previous = TrackHistory(config, make_tracker, 1), None
    for frame in frames:
        if previous is not None and is_scene_cut(previous, frame, config):
            yield from ((history, earlier) for earlier in waiting)
            waiting.clear()
            history = TrackHistory(config, make_tracker, history.last_track + 1)
        history.add_frame(frame)
        waiting.append(frame)
        previous = frame
        while waiting and frame.time_ns - waiting[0].time_ns >= ahead_ns:
            yield history, waiting.popleft()
    yield from ((history, last) for last in waiting)
