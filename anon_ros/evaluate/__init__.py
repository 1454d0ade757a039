"""What anonymization did to identity and use, measured: numpy and OpenCV only."""

from anon_ros.evaluate.average_precision import (
    AREAS_PX,
    AveragePrecision,
    FrameMatches,
    Precision,
    Truth,
    match_frame,
)
from anon_ros.evaluate.boxes import BoxLabels, read_box_labels, read_boxes, truth_of
from anon_ros.evaluate.cache import Cached
from anon_ros.evaluate.colour import Colours
from anon_ros.evaluate.estimate import Estimate, bootstrap, mean_estimate
from anon_ros.evaluate.flicker import Flicker, FlickerReport
from anon_ros.evaluate.labels import EvaluationError, read_polygons
from anon_ros.evaluate.link import link_persons
from anon_ros.evaluate.plots import bar_plot, line_plot
from anon_ros.evaluate.ports import Embedder, Features
from anon_ros.evaluate.recall import PersonSecond, Recall, RecallReport
from anon_ros.evaluate.report import Plot, Report, ReportError, Table, text_table, write_report
from anon_ros.evaluate.switches import Switches, SwitchReport

__all__ = [
    "AREAS_PX",
    "AveragePrecision",
    "BoxLabels",
    "Cached",
    "Colours",
    "Embedder",
    "Estimate",
    "EvaluationError",
    "Features",
    "Flicker",
    "FlickerReport",
    "FrameMatches",
    "PersonSecond",
    "Plot",
    "Precision",
    "Recall",
    "RecallReport",
    "Report",
    "ReportError",
    "SwitchReport",
    "Switches",
    "Table",
    "Truth",
    "bar_plot",
    "bootstrap",
    "line_plot",
    "link_persons",
    "match_frame",
    "mean_estimate",
    "read_box_labels",
    "read_boxes",
    "read_polygons",
    "text_table",
    "truth_of",
    "write_report",
]
