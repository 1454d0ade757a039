"""What frames tell of each other: tracks, mask memory, and one identity per track."""

from anon_ros.temporal.drawings import Drawings, reuses_drawings
from anon_ros.temporal.sightings import Sighting
from anon_ros.temporal.timeline import (
    LiveStream,
    Moment,
    Timeline,
    Tracker,
    least_confidence,
    look_ahead,
    moment_of,
    tracks_anyone,
)

__all__ = [
    "Drawings",
    "LiveStream",
    "Moment",
    "Sighting",
    "Timeline",
    "Tracker",
    "least_confidence",
    "look_ahead",
    "moment_of",
    "reuses_drawings",
    "tracks_anyone",
]
