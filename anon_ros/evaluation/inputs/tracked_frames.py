"""The persons of each frame as ``anon_ros bag`` knows them: from all frames around it."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from anon_ros.config import Config
from anon_ros.core import FramePersons, RgbImage
from anon_ros.evaluation.inputs.frames import InputFrame, iter_frame_pairs, iter_frames
from anon_ros.models import build_segmenter, build_tracker
from anon_ros.tracking import FrameObservation, iter_with_lookahead, min_confidence, observe_frame
from anon_ros.utils.progress import track_progress
from anon_ros.utils.units import NS_PER_S

ObservationsByCamera = dict[str, list[FrameObservation]]
"""By camera."""
FramePairSource = Callable[[], Iterator[tuple[InputFrame, RgbImage | None]]]
"""The frames of a source, each with its anonymized version if there is one."""


def frame_pair_source(arguments: Namespace) -> FramePairSource:
    """What IN and --anonymized name; can be gone through several times."""

    def pairs() -> Iterator[tuple[InputFrame, RgbImage | None]]:
        if arguments.anonymized is None:
            alone = iter_frames(arguments.input, arguments)
            yield from ((_timed(*each, arguments), None) for each in enumerate(alone))
        else:
            matched = iter_frame_pairs(arguments.input, arguments.anonymized, arguments)
            for index, (frame, other) in enumerate(matched):
                yield _timed(index, frame, arguments), other.image

    return pairs


def observe_all_frames(pairs: FramePairSource, config: Config) -> ObservationsByCamera:
    """Find everybody in every frame, those too who count only in a track.

    Raises:
        AnonRosError: if the source cannot be read, or the weights are missing.
    """
    segmenter = build_segmenter(config).with_thresholds(config.detect, min_confidence(config))
    moments: ObservationsByCamera = defaultdict(list)
    for frame, _ in track_progress(pairs(), "looking"):
        found = segmenter.segment(frame.image)
        moments[frame.camera].append(observe_frame(frame.image, found, _time_ns(frame)))
    return moments


class PersonFollower:
    """Everybody in each frame, by what all frames of its camera tell.

    The frames are to be asked for in the order in which ``moments`` were made.
    """

    def __init__(self, moments: ObservationsByCamera, config: Config) -> None:
        self._streams = {
            camera: iter_with_lookahead(
                _counting(those, config), config, lambda: build_tracker(config)
            )
            for camera, those in moments.items()
        }

    def persons_in(self, frame: InputFrame) -> FramePersons:
        """Everybody in the next frame of its camera."""
        timeline, moment = next(self._streams[frame.camera])
        return timeline.persons_in(moment)


def _counting(moments: list[FrameObservation], config: Config) -> Iterator[FrameObservation]:
    """What would have been found with ``config``."""
    least = min_confidence(config)
    for moment in moments:
        yield replace(moment, persons=[s for s in moment.persons if s.score >= least])


def _time_ns(frame: InputFrame) -> int:
    return round((frame.time_s or 0.0) * NS_PER_S)


def _timed(index: int, frame: InputFrame, arguments: Namespace) -> InputFrame:
    """Files have no times: they are taken to come at --rate-hz."""
    return frame if frame.time_s is not None else replace(frame, time_s=index / arguments.rate_hz)
