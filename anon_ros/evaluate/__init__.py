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
from anon_ros.evaluate.estimate import (
    Estimate,
    bootstrap,
    mean_estimate,
    proportion,
    proportion_of_groups,
    ratio_estimate,
)
from anon_ros.evaluate.flicker import Flicker, FlickerReport
from anon_ros.evaluate.flow import LEAST_SIDE_PX
from anon_ros.evaluate.frechet import (
    frechet_distance,
    half_jackknife,
    inception_score,
    kernel_distance,
)
from anon_ros.evaluate.labels import EvaluationError, LabelNames, read_polygons
from anon_ros.evaluate.link import link_persons
from anon_ros.evaluate.occlusion import (
    CAUSES,
    DepthMap,
    Stacking,
    box_bottom_first,
    causes,
    coverage_first,
    depth_first,
    detection_first,
    stack,
)
from anon_ros.evaluate.pairs import match_masks
from anon_ros.evaluate.plots import bar_plot, line_plot
from anon_ros.evaluate.ports import Embedder, Features
from anon_ros.evaluate.recall import PersonSecond, Recall, RecallReport
from anon_ros.evaluate.reid import JUNK, Chance, Ranking, Side, chance, search
from anon_ros.evaluate.reid_sets import FORMATS, PersonImage, ReidSet, find_set, is_reid_set
from anon_ros.evaluate.report import JSON as REPORT_JSON
from anon_ros.evaluate.report import (
    Plot,
    Report,
    ReportError,
    Table,
    number,
    spoken,
    text_table,
    write_report,
)
from anon_ros.evaluate.scenes import CHILD_M, NOBODY, Cutout, Scene, cut_out, make_scene
from anon_ros.evaluate.sweep import Recommendation, recommend
from anon_ros.evaluate.switches import Switches, SwitchReport

__all__ = [
    "AREAS_PX",
    "CAUSES",
    "CHILD_M",
    "FORMATS",
    "JUNK",
    "LEAST_SIDE_PX",
    "NOBODY",
    "REPORT_JSON",
    "AveragePrecision",
    "BoxLabels",
    "Cached",
    "Chance",
    "Colours",
    "Cutout",
    "DepthMap",
    "Embedder",
    "Estimate",
    "EvaluationError",
    "Features",
    "Flicker",
    "FlickerReport",
    "FrameMatches",
    "LabelNames",
    "PersonImage",
    "PersonSecond",
    "Plot",
    "Precision",
    "Ranking",
    "Recall",
    "RecallReport",
    "Recommendation",
    "ReidSet",
    "Report",
    "ReportError",
    "Scene",
    "Side",
    "Stacking",
    "SwitchReport",
    "Switches",
    "Table",
    "Truth",
    "bar_plot",
    "bootstrap",
    "box_bottom_first",
    "causes",
    "chance",
    "coverage_first",
    "cut_out",
    "depth_first",
    "detection_first",
    "find_set",
    "frechet_distance",
    "half_jackknife",
    "inception_score",
    "is_reid_set",
    "kernel_distance",
    "line_plot",
    "link_persons",
    "make_scene",
    "match_frame",
    "match_masks",
    "mean_estimate",
    "number",
    "proportion",
    "proportion_of_groups",
    "ratio_estimate",
    "read_box_labels",
    "read_boxes",
    "read_polygons",
    "recommend",
    "search",
    "spoken",
    "stack",
    "text_table",
    "truth_of",
    "write_report",
]
