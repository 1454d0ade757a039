"""The tracked persons of one camera through time."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from anon_ros.config import Config, list_targets
from anon_ros.core import FramePersons, Roi, derive_seed
from anon_ros.tracking.frame_observation import FrameObservation
from anon_ros.tracking.mask_memory import MIN_OBSERVATIONS, MaskMemory
from anon_ros.tracking.motion_model import SPEED_WINDOW_NS
from anon_ros.tracking.observations import PersonObservation, to_detections
from anon_ros.tracking.protocols import Tracker
from anon_ros.tracking.stable_window import StableWindow
from anon_ros.utils.units import NS_PER_S

# Detections without a track are numbered from here: no track has their seeds.
_UNTRACKED = 1 << 32
# Tracks of target number n begin after n times so many.
_TRACKS_PER_TARGET = 1_000_000_000
# ByteTrack begins tracks only so much above the score from which it looks at detections.
_TRACK_SCORE_MARGIN = 0.1
# Scores for the tracker, which keeps its threshold when detect.confidence changes.
_CERTAIN_SCORE, _WEAK_SCORE = 1.0, 1e-4


def needs_tracking(config: Config) -> bool:
    """Return True if the result of a frame depends on other frames."""
    remembers = config.memory.mode != "off" or config.identity.reuse != "off"
    return remembers or config.skip.on_skipped == "reuse"


def min_confidence(config: Config) -> float:
    """Return the lowest score that counts, if only in a track."""
    if config.memory.mode == "off":
        return config.detect.confidence
    return min(config.detect.confidence, config.track.low_confidence)


def max_gap_ns(config: Config) -> int:
    """Return the longest time from an observation to a frame into which it is propagated."""
    return 0 if config.memory.mode == "off" else round(config.memory.duration_s * NS_PER_S)


def _compute_peak_score(confidence: float) -> float:
    """Return the score that a track must have reached to be propagated beyond its ends."""
    return min(confidence + _TRACK_SCORE_MARGIN, (1 + confidence) / 2)


@dataclass
class TrackHistory:
    """Frames that belong together, from one scene cut to the next.

    Attributes:
        config: of detection, tracks, memory and seed.
        make_tracker: returns a new tracker.
        first_track: number of the first track.
        last_track: number of the last track so far.
    """

    config: Config
    make_tracker: Callable[[], Tracker]
    first_track: int
    last_track: int = field(init=False)
    _trackers: dict[int, Tracker] = field(init=False)
    _tracks: dict[int, list[PersonObservation]] = field(default_factory=dict)
    _track_ids: dict[int, list[int | None]] = field(default_factory=dict)
    _stable_windows: dict[int, StableWindow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.last_track = self.first_track - 1
        self._trackers = {0: self.make_tracker()}

    def add_frame(self, frame: FrameObservation) -> None:
        """Add the next frame, later than all before."""
        try:
            track_ids = self._assign_tracks(frame)
        except Exception:
            # The trackers may know half a frame. The tracks stay, and are propagated.
            self._trackers, self.first_track = {}, self.last_track + 1
            raise
        self._track_ids[frame.time_ns] = track_ids
        for track_id, person in zip(track_ids, frame.persons, strict=True):
            if track_id is not None:
                self._tracks.setdefault(track_id, []).append(person)
        self._forget_past()

    def _assign_tracks(self, frame: FrameObservation) -> list[int | None]:
        for person in frame.persons:
            if person.target_id not in self._trackers:
                self._trackers[person.target_id] = self.make_tracker()
        track_ids: list[int | None] = [None] * len(frame.persons)
        for target_id, tracker in self._trackers.items():
            # No track goes from a person to a target: the person would count as detected there.
            indices = [i for i, p in enumerate(frame.persons) if p.target_id == target_id]
            tracks = self._update_tracker(tracker, [frame.persons[i] for i in indices])
            for index, track in zip(indices, tracks, strict=True):
                if track is not None:
                    track_ids[index] = target_id * _TRACKS_PER_TARGET + track
                    self.last_track = max(self.last_track, track)
        return track_ids

    def _update_tracker(
        self, tracker: Tracker, persons: Sequence[PersonObservation]
    ) -> list[int | None]:
        """Return the tracks of persons, or of all that is one target, from ``first_track``."""
        boxes = np.array([p.box_xyxy for p in persons], np.float32).reshape(-1, 4)
        certain = [self._is_certain(person) for person in persons]
        scores = np.where(certain, _CERTAIN_SCORE, _WEAK_SCORE).astype(np.float32)
        numbers = tracker.update(boxes, scores)
        return [None if n is None else self.first_track - 1 + n for n in numbers]

    def _is_certain(self, person: PersonObservation) -> bool:
        """Return False for a detection that only counts in a track.

        Other targets have their own confidence, which the segmenter knows.
        """
        confidence = np.float32(self.config.detect.confidence)  # as the detector compares
        return bool(person.target_id) or bool(np.float32(person.score) >= confidence)

    def persons_in(
        self, frame: FrameObservation, masks: npt.NDArray[np.bool_] | None = None
    ) -> FramePersons:
        """Return the persons of a frame by all frames so far: the detected, then the propagated.

        Args:
            frame: the oldest added frame that was not asked for.
            masks: (N, H, W) bool of its persons, which may be added to in place; None if they
                are gone.
        """
        memory = self._make_memory(frame)
        track_ids: list[int | None] = []
        persons, windows = [], []
        for track_id, person in self._pop_detected(frame):
            remembers = track_id is not None and memory.max_gap_ns
            track = self._tracks[track_id] if remembers and track_id is not None else []
            persons.append(memory.stabilize(person, track) if track else person)
            windows.append(self._update_window(track_id, person))
            track_ids.append(track_id)
        num_detected = len(persons)
        for track_id, person in self._propagate_missed(memory, frame.time_ns, track_ids):
            persons.append(person)
            # A propagated person moves no window.
            window = copy(self._stable_windows.get(track_id, StableWindow()))
            windows.append(window.update(person.box_xyxy))
            track_ids.append(track_id)
        is_complete = num_detected == len(persons) == len(frame.persons)
        if masks is not None and not (is_complete and masks.flags.writeable):
            masks = None
        detections = to_detections(persons, frame.width_px, frame.height_px, masks)
        if self.config.identity.reuse == "off":
            windows = [None] * len(persons)
        return FramePersons(
            detections,
            self._derive_seeds(track_ids),
            track_ids,
            windows,
            num_propagated=sum(not person.target_id for person in persons[num_detected:]),
        )

    def skip_frame(self, frame: FrameObservation) -> None:
        """Advance past a frame whose persons were computed in an earlier run."""
        for track_id, person in self._pop_detected(frame):
            self._update_window(track_id, person)

    def _pop_detected(
        self, frame: FrameObservation
    ) -> Iterator[tuple[int | None, PersonObservation]]:
        """Yield the detected persons; those below detect.confidence only if they have a track."""
        remembers = self.config.memory.mode != "off"
        for track_id, person in zip(self._track_ids.pop(frame.time_ns), frame.persons, strict=True):
            if self._is_certain(person) or (remembers and track_id is not None):
                yield track_id, person

    def _propagate_missed(
        self, memory: MaskMemory, time_ns: int, detected: Sequence[int | None]
    ) -> list[tuple[int, PersonObservation]]:
        """Return the persons of the tracks that have no detection in a frame."""
        if not memory.max_gap_ns:
            return []
        missed = sorted(self._tracks.keys() - set(detected))
        memories = {0: memory}
        for number, target in enumerate(list_targets(self.config).values(), start=1):
            min_peak_score = _compute_peak_score(target.confidence)
            memories[number] = replace(memory, min_peak_score=min_peak_score)
        persons = (
            (i, memories.get(i // _TRACKS_PER_TARGET, memory).propagate(self._tracks[i], time_ns))
            for i in missed
        )
        return [(track_id, person) for track_id, person in persons if person is not None]

    def _make_memory(self, frame: FrameObservation) -> MaskMemory:
        min_peak_score = _compute_peak_score(self.config.detect.confidence)
        growth_ratio, wh_px = self.config.memory.growth_ratio, (frame.width_px, frame.height_px)
        return MaskMemory(max_gap_ns(self.config), growth_ratio, min_peak_score, *wh_px)

    def _update_window(self, track_id: int | None, person: PersonObservation) -> Roi | None:
        if track_id is None:
            return None
        return self._stable_windows.setdefault(track_id, StableWindow()).update(person.box_xyxy)

    def _derive_seeds(self, track_ids: Sequence[int | None]) -> list[int]:
        seed = self.config.inpaint.seed
        if self.config.identity.reuse == "off":
            return [derive_seed(seed, index) for index in range(len(track_ids))]
        return [
            derive_seed(seed, _UNTRACKED + index if track_id is None else track_id)
            for index, track_id in enumerate(track_ids)
        ]

    def _forget_past(self) -> None:
        """Forget what concerns neither the oldest frame that was not asked for nor a later one."""
        relevant_ns = max_gap_ns(self.config) + SPEED_WINDOW_NS
        oldest_ns = min(self._track_ids)
        for track_id, persons in list(self._tracks.items()):
            # Few frames per second leave less than these in the time.
            while (
                len(persons) > MIN_OBSERVATIONS
                and persons[MIN_OBSERVATIONS].time_ns < oldest_ns - relevant_ns
            ):
                del persons[0]
            # A person who comes back on their track is no ghost: it is known for as long again.
            if persons[-1].time_ns < oldest_ns - 2 * relevant_ns:
                del self._tracks[track_id]
                self._stable_windows.pop(track_id, None)
