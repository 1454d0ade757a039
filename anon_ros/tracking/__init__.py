"""Tracks, mask memory, and reuse of synthetic persons along a track."""

from anon_ros.tracking.frame_observation import FrameObservation, observe_frame
from anon_ros.tracking.frame_processor import (
    CoverDecision,
    FrameProcessor,
    FrameResult,
    FrameTask,
)
from anon_ros.tracking.observations import PersonObservation
from anon_ros.tracking.protocols import Tracker
from anon_ros.tracking.reuse.synthetic_cache import SyntheticCache, reuses_synthetics
from anon_ros.tracking.streams import OnlineStream, iter_with_lookahead
from anon_ros.tracking.track_history import TrackHistory, min_confidence, needs_tracking

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
