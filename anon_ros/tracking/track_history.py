"""The persons of one camera through time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import Detections, FramePersons, RgbImage, Roi, derive_seed
from anon_ros.tracking.mask_memory import MIN_OBSERVATIONS, MaskMemory
from anon_ros.tracking.motion_model import SPEED_WINDOW_NS
from anon_ros.tracking.observations import PersonObservation, observe_persons, to_detections
from anon_ros.tracking.stable_window import StableWindow
from anon_ros.utils.units import NS_PER_S

# Detections without a track are numbered from here: their seeds are nobody else's.
_UNTRACKED = 1 << 32
# ByteTrack begins tracks only so much above the score from which it looks at detections.
_CREDIBLE = 0.1
_LONGEST_STEP_S = 1.0
_GLIMPSE_STRIDE = 8
# Of successive frames, as correlation; those of a camera that turns fast still have most.
_LEAST_LIKENESS = 0.4
_LEAST_CONTRAST = 4.0


class Tracker(Protocol):
    """Tells which detections of successive frames of one camera are one person."""

    def update(
        self, boxes_xyxy: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
    ) -> Sequence[int | None]:
        """The track of each detection of the next frame, from 1; None for one that has none."""
        ...


@dataclass(frozen=True)
class FrameObservation:
    """What one frame showed.

    Attributes:
        time_ns: of the frame.
        width_px: of the image.
        height_px: of the image.
        persons: all detections, those too that count only in a track.
        thumbnail: (18, 32) uint8, the image in so few grey pixels that nobody can be seen.
    """

    time_ns: int
    width_px: int
    height_px: int
    persons: Sequence[PersonObservation]
    thumbnail: npt.NDArray[np.uint8]
    THUMBNAIL_HW: ClassVar = (18, 32)


def observe_frame(image: RgbImage, detections: Detections, time_ns: int) -> FrameObservation:
    """What a frame showed."""
    height_px, width_px = image.shape[:2]
    few = image[::_GLIMPSE_STRIDE, ::_GLIMPSE_STRIDE]
    grey = cv2.cvtColor(np.ascontiguousarray(few), cv2.COLOR_RGB2GRAY)
    glimpse = np.asarray(
        cv2.resize(grey, FrameObservation.THUMBNAIL_HW[::-1], interpolation=cv2.INTER_AREA),
        np.uint8,
    )
    return FrameObservation(
        time_ns, width_px, height_px, observe_persons(detections, time_ns), glimpse
    )


def needs_tracking(config: Config) -> bool:
    """Whether frames have anything to do with each other."""
    remembers = config.memory.mode != "off" or config.identity.reuse != "off"
    return remembers or config.skip.on_skipped == "reuse"


def min_confidence(config: Config) -> float:
    """Lowest score that counts, if only in a track."""
    if config.memory.mode == "off":
        return config.detect.confidence
    return min(config.detect.confidence, config.track.low_confidence)


def is_scene_cut(before: FrameObservation, after: FrameObservation, config: Config) -> bool:
    """Whether nothing that was known holds any more: a cut, another size, a jump in time.

    A recording that is played in a loop jumps back. Over a second, or a step as long as the memory
    if that is longer, motion tells nothing.
    """
    step_ns = after.time_ns - before.time_ns
    resized = (before.width_px, before.height_px) != (after.width_px, after.height_px)
    remembered_s = 0.0 if config.memory.mode == "off" else config.memory.duration_s
    if resized or not 0 < step_ns < max(_LONGEST_STEP_S, remembered_s) * NS_PER_S:
        return True
    one, other = (
        each.thumbnail.astype(np.float64) - each.thumbnail.mean() for each in (before, after)
    )
    contrasts = one.std(), other.std()
    if min(contrasts) < _LEAST_CONTRAST:  # dark or fogged: noise is not alike
        return bool(max(contrasts) >= 2 * _LEAST_CONTRAST)
    return bool((one * other).mean() < _LEAST_LIKENESS * contrasts[0] * contrasts[1])


@dataclass
class TrackHistory:
    """Frames that belong together, from one break to the next.

    Attributes:
        config: of detection, tracks, memory and seed.
        tracker: new.
        first_track: number of the first one.
        last_track: number of the last one so far.
    """

    config: Config
    tracker: Tracker
    first_track: int
    last_track: int = field(init=False)
    _tracks: dict[int, list[PersonObservation]] = field(default_factory=dict)
    _ids: dict[int, list[int | None]] = field(default_factory=dict)
    _steady: dict[int, StableWindow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.last_track = self.first_track - 1

    def add_frame(self, moment: FrameObservation) -> None:
        """The next frame, later than all before."""
        boxes = np.array([s.box_xyxy for s in moment.persons], np.float32).reshape(-1, 4)
        scores = np.array([s.score for s in moment.persons], np.float32)
        found = self.tracker.update(boxes, scores)
        ids = [None if each is None else self.first_track - 1 + each for each in found]
        self._ids[moment.time_ns] = ids
        for number, sighting in zip(ids, moment.persons, strict=True):
            if number is not None:
                self._tracks.setdefault(number, []).append(sighting)
                self.last_track = max(self.last_track, number)
        self._forget()

    def persons_in(
        self, moment: FrameObservation, masks: npt.NDArray[np.bool_] | None = None
    ) -> FramePersons:
        """Everybody in a frame, by all that was added: who was found, then who was missed.

        Args:
            moment: the oldest added one that was not asked for.
            masks: (N, H, W) bool of its sightings, which may be added to in place; None if they
                are gone.
        """
        recall = self._recall(moment)
        numbers: list[int | None] = []
        people, windows = [], []
        for number, sighting in self._seen(moment):
            remembers = number is not None and recall.max_gap_ns
            seen = self._tracks[number] if remembers and number is not None else []
            people.append(recall.stabilize(sighting, seen) if seen else sighting)
            windows.append(self._window(number, sighting))
            numbers.append(number)
        found = len(people)
        for number in sorted(self._tracks.keys() - set(numbers)) if recall.max_gap_ns else []:
            missed = recall.propagate(self._tracks[number], moment.time_ns)
            if missed is not None:
                people.append(missed)
                # What nobody saw moves no window.
                window = copy(self._steady.get(number, StableWindow()))
                windows.append(window.update(missed.box_xyxy))
                numbers.append(number)
        just_these = found == len(people) == len(moment.persons)
        if masks is not None and not (just_these and masks.flags.writeable):
            masks = None
        detections = to_detections(people, moment.width_px, moment.height_px, masks)
        # Others draw at the person's own size: in a steady window a trembling person would change
        # the grid that they draw on.
        if self.config.identity.reuse == "off" or self.config.inpaint.method != "sdxl":
            windows = [None] * len(people)
        return FramePersons(
            detections, self._seeds(numbers), numbers, windows, num_propagated=len(people) - found
        )

    def skip_frame(self, moment: FrameObservation) -> None:
        """As ``persons`` for a frame of which they are known."""
        for number, sighting in self._seen(moment):
            self._window(number, sighting)

    def _seen(self, moment: FrameObservation) -> Iterator[tuple[int | None, PersonObservation]]:
        """Who was found: those below the detector's limit only as a known person."""
        least = np.float32(self.config.detect.confidence)  # as the detector compares
        remembers = self.config.memory.mode != "off"
        for number, sighting in zip(self._ids.pop(moment.time_ns), moment.persons, strict=True):
            if np.float32(sighting.score) >= least or (remembers and number is not None):
                yield number, sighting

    def _recall(self, moment: FrameObservation) -> MaskMemory:
        least = self.config.detect.confidence
        credible = min(least + _CREDIBLE, (1 + least) / 2)
        size = moment.width_px, moment.height_px
        return MaskMemory(_reach_ns(self.config), self.config.memory.growth_ratio, credible, *size)

    def _window(self, number: int | None, sighting: PersonObservation) -> Roi | None:
        if number is None:
            return None
        return self._steady.setdefault(number, StableWindow()).update(sighting.box_xyxy)

    def _seeds(self, numbers: Sequence[int | None]) -> list[int]:
        seed = self.config.inpaint.seed
        if self.config.identity.reuse == "off":
            return [derive_seed(seed, index) for index in range(len(numbers))]
        return [
            derive_seed(seed, _UNTRACKED + index if number is None else number)
            for index, number in enumerate(numbers)
        ]

    def _forget(self) -> None:
        """What concerns neither the oldest frame that was not asked for nor any after it."""
        told_ns = _reach_ns(self.config) + SPEED_WINDOW_NS
        oldest_ns = min(self._ids)
        for number, seen in list(self._tracks.items()):
            # Few frames per second leave less than these in the time.
            while (
                len(seen) > MIN_OBSERVATIONS
                and seen[MIN_OBSERVATIONS].time_ns < oldest_ns - told_ns
            ):
                del seen[0]
            # Who comes back on his track is no ghost; he is known for as long again.
            if seen[-1].time_ns < oldest_ns - 2 * told_ns:
                del self._tracks[number]
                self._steady.pop(number, None)


def _reach_ns(config: Config) -> int:
    """How far from a sighting a person is carried on."""
    return 0 if config.memory.mode == "off" else round(config.memory.duration_s * NS_PER_S)


class OnlineStream:
    """Follows one camera as its frames come: of them, the past is known."""

    def __init__(self, config: Config, make_tracker: Callable[[], Tracker]) -> None:
        self._config = config
        self._make_tracker = make_tracker
        self._timeline = TrackHistory(config, make_tracker(), 1)
        self._before: FrameObservation | None = None

    def reconfigure(self, config: Config) -> bool:
        """Go on with ``config``; False if what is known was found with other parameters."""
        same = all(
            getattr(config, group) == getattr(self._config, group)
            for group in ("detect", "track", "memory")
        )
        self._config = self._timeline.config = config
        return same

    def persons_in(
        self, moment: FrameObservation, masks: npt.NDArray[np.bool_] | None = None
    ) -> FramePersons:
        """Everybody in the next frame; arguments as of ``TrackHistory.persons``."""
        before, self._before = self._before, moment
        if before is not None and is_scene_cut(before, moment, self._config):
            first = self._timeline.last_track + 1
            self._timeline = TrackHistory(self._config, self._make_tracker(), first)
        self._timeline.add_frame(moment)
        return self._timeline.persons_in(moment, masks)


def iter_with_lookahead(
    moments: Iterable[FrameObservation], config: Config, make_tracker: Callable[[], Tracker]
) -> Iterator[tuple[TrackHistory, FrameObservation]]:
    """Each frame in its order, as soon as its timeline knows all that concerns it.

    The caller asks the timeline for the frame's persons, or passes it by, before it goes on.
    """
    # As far as a person is carried back, and what tells from where it came.
    ahead_ns = _reach_ns(config) + SPEED_WINDOW_NS if config.memory.mode == "both" else 0
    waiting: deque[FrameObservation] = deque()
    timeline, before = TrackHistory(config, make_tracker(), 1), None
    for moment in moments:
        if before is not None and is_scene_cut(before, moment, config):
            yield from ((timeline, each) for each in waiting)
            waiting.clear()
            timeline = TrackHistory(config, make_tracker(), timeline.last_track + 1)
        timeline.add_frame(moment)
        waiting.append(moment)
        before = moment
        while waiting and moment.time_ns - waiting[0].time_ns >= ahead_ns:
            yield timeline, waiting.popleft()
    yield from ((timeline, each) for each in waiting)
