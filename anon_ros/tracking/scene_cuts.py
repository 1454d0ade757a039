"""Breaks in a video, after which no earlier frame says anything any more."""

import numpy as np

from anon_ros.config import Config
from anon_ros.tracking.frame_observation import FrameObservation
from anon_ros.utils.units import NS_PER_S

_MAX_STEP_S = 1.0
# Of successive frames; those of a camera that turns fast still have most of it.
_MIN_CORRELATION = 0.4
_MIN_CONTRAST_LEVELS = 4.0


def is_scene_cut(previous: FrameObservation, current: FrameObservation, config: Config) -> bool:
    """Return True at a cut, another image size, or a jump in time.

    A recording that is played in a loop jumps back. Over a second, or a step as long as the memory
    if that is longer, motion tells nothing.
    """
    step_ns = current.time_ns - previous.time_ns
    is_resized = (previous.width_px, previous.height_px) != (current.width_px, current.height_px)
    remembered_s = 0.0 if config.memory.mode == "off" else config.memory.duration_s
    if is_resized or not 0 < step_ns < max(_MAX_STEP_S, remembered_s) * NS_PER_S:
        return True
    a, b = (
        frame.thumbnail.astype(np.float64) - frame.thumbnail.mean() for frame in (previous, current)
    )
    contrasts = a.std(), b.std()
    if min(contrasts) < _MIN_CONTRAST_LEVELS:  # dark or fogged: noise is not alike
        return bool(max(contrasts) >= 2 * _MIN_CONTRAST_LEVELS)
    return bool((a * b).mean() < _MIN_CORRELATION * contrasts[0] * contrasts[1])
