"""Metrics of privacy and utility, with NumPy and OpenCV alone."""

from anon_ros.metrics.average_precision import (
    SIZE_RANGES_PX,
    AveragePrecision,
    FrameMatches,
    GroundTruth,
    PrecisionScores,
    match_frame,
)
from anon_ros.metrics.identity.beta_selection import BetaRecommendation, recommend_beta
from anon_ros.metrics.identity.color_histogram import ColorHistogramEmbedder
from anon_ros.metrics.identity.reid import (
    JUNK_ID,
    ChanceLevel,
    FeatureSet,
    ReidResult,
    compute_chance_level,
    evaluate_reid,
)
from anon_ros.metrics.image_quality.fid import frechet_distance
from anon_ros.metrics.image_quality.inception_score import inception_score
from anon_ros.metrics.image_quality.kid import kernel_distance
from anon_ros.metrics.intervals import (
    Estimate,
    bootstrap,
    bootstrap_ratio,
    estimate_clustered_proportion,
    estimate_proportion,
    jackknife_halves,
)
from anon_ros.metrics.matching import match_masks
from anon_ros.metrics.paste_order.paste_order import (
    MISORDER_CAUSES,
    DepthMap,
    PasteOrderResult,
    evaluate_paste_order,
    find_misorder_cause,
    order_by_box_bottom,
    order_by_coverage,
    order_by_depth,
    order_by_detection,
)
from anon_ros.metrics.paste_order.synthetic_scenes import (
    CHILD_MAX_HEIGHT_M,
    Cutout,
    Scene,
    extract_cutouts,
    make_scene,
)
from anon_ros.metrics.protocols import Embedder, Features, NamedNetwork
from anon_ros.metrics.temporal.flicker import FlickerMetric
from anon_ros.metrics.temporal.id_switches import IdSwitches
from anon_ros.metrics.temporal.identity_linking import link_identities
from anon_ros.metrics.temporal.optical_flow import MIN_SIDE_PX
from anon_ros.metrics.temporal.temporal_recall import TemporalRecall

__all__ = [
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
    "FrameMatches",
    "GroundTruth",
    "IdSwitches",
    "NamedNetwork",
    "PasteOrderResult",
    "PrecisionScores",
    "ReidResult",
    "Scene",
    "TemporalRecall",
    "bootstrap",
    "bootstrap_ratio",
    "compute_chance_level",
    "estimate_clustered_proportion",
    "estimate_proportion",
    "evaluate_paste_order",
    "evaluate_reid",
    "extract_cutouts",
    "find_misorder_cause",
    "frechet_distance",
    "inception_score",
    "jackknife_halves",
    "kernel_distance",
    "link_identities",
    "make_scene",
    "match_frame",
    "match_masks",
    "order_by_box_bottom",
    "order_by_coverage",
    "order_by_depth",
    "order_by_detection",
    "recommend_beta",
]
