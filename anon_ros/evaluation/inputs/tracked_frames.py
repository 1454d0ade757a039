"""Persons of each frame as ``anon_ros bag`` tracks them: with the frames before and after it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anon_ros.config import Config
from anon_ros.core import FramePersons, RgbImage
from anon_ros.evaluation.inputs.frames import InputFrame, iter_frame_pairs, iter_frames
from anon_ros.evaluation.options import Comparison, FrameSelection
from anon_ros.models import build_segmenter, build_tracker
from anon_ros.tracking import FrameObservation, iter_with_lookahead, min_confidence, observe_frame
from anon_ros.utils.progress import track_progress

ObservationsByCamera = dict[str, list[FrameObservation]]
"""Observations in the order of the frames, by camera."""


@dataclass(frozen=True)
class FramePairSource:
    """Frames with their anonymized versions; can be iterated several times.

    Attributes:
        selection: of the original frames.
        comparison: with the path of the anonymized ones, if there are any.
        fps: rate of image files, which have no times.
    """

    selection: FrameSelection
    comparison: Comparison
    fps: float

    def __iter__(self) -> Iterator[tuple[InputFrame, RgbImage | None]]:
        """Yield each frame, with its time, and its anonymized version or None.

        Raises:
            AnonRosError: if the source cannot be read.
        """
        if self.comparison.anonymized is None:
            for index, frame in enumerate(iter_frames(self.selection)):
                yield self._with_time(index, frame), None
        else:
            pairs = iter_frame_pairs(self.selection, self.comparison)
            for index, (frame, anonymized) in enumerate(pairs):
                yield self._with_time(index, frame), anonymized.image

    def _with_time(self, index: int, frame: InputFrame) -> InputFrame:
        return frame if frame.time_s is not None else replace(frame, time_s=index / self.fps)


def observe_all_frames(pairs: FramePairSource, config: Config) -> ObservationsByCamera:
    """Detect the persons of every frame, with those so weak that they count only in a track.

    Raises:
        AnonRosError: if the source cannot be read, or the weights are missing.
    """
    segmenter = build_segmenter(config).with_thresholds(config.detect, min_confidence(config))
    observations: ObservationsByCamera = defaultdict(list)
    for frame, _ in track_progress(pairs, "looking"):
        detections = segmenter.segment(frame.image)
        observation = observe_frame(frame.image, detections, frame.time_ns)
        observations[frame.camera].append(observation)
    return observations


class PersonFollower:
    """Persons of each frame, tracked over all frames of its camera.

    The frames are to be asked for in the order of the observations.

    Args:
        observations: of all frames.
        config: of tracks and mask memory.
    """

    def __init__(self, observations: ObservationsByCamera, config: Config) -> None:
        self._streams = {
            camera: iter_with_lookahead(
                _iter_confident(frames, config), config, lambda: build_tracker(config)
            )
            for camera, frames in observations.items()
        }

    def persons_in(self, frame: InputFrame) -> FramePersons:
        """Return the persons of the next frame of its camera."""
        history, observation = next(self._streams[frame.camera])
        return history.persons_in(observation)


def _iter_confident(
    observations: Sequence[FrameObservation], config: Config
) -> Iterator[FrameObservation]:
    """Yield the observations without the persons that ``config`` would not detect."""
    threshold = min_confidence(config)
    for observation in observations:
        persons = [person for person in observation.persons if person.score >= threshold]
        yield replace(observation, persons=persons)
