"""Metrics of privacy and utility, with NumPy and OpenCV alone."""

from anon_ros.metrics.average_precision import (
    SIZE_RANGES_PX,
    AveragePrecision,
    FrameMatches,
    GroundTruth,
    PrecisionScores,
    match_frame,
)
from anon_ros.metrics.beta_selection import BetaRecommendation, recommend_beta
from anon_ros.metrics.color_histogram import ColorHistogramEmbedder
from anon_ros.metrics.fid import frechet_distance
from anon_ros.metrics.flicker import FlickerMetric, FlickerReport
from anon_ros.metrics.id_switches import IdSwitches, IdSwitchReport
from anon_ros.metrics.identity_linking import link_identities
from anon_ros.metrics.inception_score import inception_score
from anon_ros.metrics.intervals import (
    Estimate,
    bootstrap,
    bootstrap_ratio,
    clustered_proportion,
    jackknife_halves,
    wilson_proportion,
)
from anon_ros.metrics.kid import kernel_distance
from anon_ros.metrics.matching import match_masks
from anon_ros.metrics.optical_flow import MIN_SIDE_PX
from anon_ros.metrics.paste_order import (
    MISORDER_CAUSES,
    DepthMap,
    PasteOrderResult,
    evaluate_paste_order,
    misorder_cause,
    order_by_box_bottom,
    order_by_coverage,
    order_by_depth,
    order_by_detection,
)
from anon_ros.metrics.protocols import Embedder, Features
from anon_ros.metrics.reid import (
    JUNK_ID,
    ChanceLevel,
    FeatureSet,
    ReidResult,
    chance_level,
    evaluate_reid,
)
from anon_ros.metrics.synthetic_scenes import (
    BACKGROUND,
    CHILD_MAX_HEIGHT_M,
    Cutout,
    Scene,
    extract_cutouts,
    make_scene,
)
from anon_ros.metrics.temporal_recall import PersonSecond, TemporalRecall, TemporalRecallReport

__all__ = [
    "BACKGROUND",
    "CHILD_MAX_HEIGHT_M",
    "JUNK_ID",
    "MIN_SIDE_PX",
    "MISORDER_CAUSES",
    "SIZE_RANGES_PX",
    "AveragePrecision",
    "BetaRecommendation",
    "ChanceLevel",
    "ColorHistogramEmbedder",
    "Cutout",
    "DepthMap",
    "Embedder",
    "Estimate",
    "FeatureSet",
    "Features",
    "FlickerMetric",
    "FlickerReport",
    "FrameMatches",
    "GroundTruth",
    "IdSwitchReport",
    "IdSwitches",
    "PasteOrderResult",
    "PersonSecond",
    "PrecisionScores",
    "ReidResult",
    "Scene",
    "TemporalRecall",
    "TemporalRecallReport",
    "bootstrap",
    "bootstrap_ratio",
    "chance_level",
    "clustered_proportion",
    "evaluate_paste_order",
    "evaluate_reid",
    "extract_cutouts",
    "frechet_distance",
    "inception_score",
    "jackknife_halves",
    "kernel_distance",
    "link_identities",
    "make_scene",
    "match_frame",
    "match_masks",
    "misorder_cause",
    "order_by_box_bottom",
    "order_by_coverage",
    "order_by_depth",
    "order_by_detection",
    "recommend_beta",
    "wilson_proportion",
]
