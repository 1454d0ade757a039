"""What frames tell of each other: tracks, mask memory, and one identity per track."""

from anon_ros.tracking.frame_processor import (
    CoverDecision,
    FrameProcessor,
    FrameResult,
    FrameTask,
)
from anon_ros.tracking.observations import PersonObservation
from anon_ros.tracking.synthetic_cache import SyntheticCache, reuses_synthetics
from anon_ros.tracking.track_history import (
    FrameObservation,
    OnlineStream,
    Tracker,
    TrackHistory,
    iter_with_lookahead,
    min_confidence,
    needs_tracking,
    observe_frame,
)

__all__ = [
    "CoverDecision",
    "FrameObservation",
    "FrameProcessor",
    "FrameResult",
    "FrameTask",
    "OnlineStream",
    "PersonObservation",
    "SyntheticCache",
    "TrackHistory",
    "Tracker",
    "iter_with_lookahead",
    "min_confidence",
    "needs_tracking",
    "observe_frame",
    "reuses_synthetics",
]
