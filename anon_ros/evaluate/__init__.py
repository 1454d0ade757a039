"""Measures of anonymity through time, on the frames of a video: numpy and OpenCV only."""

from anon_ros.evaluate.flicker import Flicker, FlickerReport
from anon_ros.evaluate.labels import EvaluationError, read_polygons
from anon_ros.evaluate.link import link_persons
from anon_ros.evaluate.recall import PersonSecond, Recall, RecallReport
from anon_ros.evaluate.switches import Switches, SwitchReport

__all__ = [
    "EvaluationError",
    "Flicker",
    "FlickerReport",
    "PersonSecond",
    "Recall",
    "RecallReport",
    "SwitchReport",
    "Switches",
    "link_persons",
    "read_polygons",
]
