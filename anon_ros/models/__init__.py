"""Models. The only package that imports torch and what stands on it, when a model is built."""

from anon_ros.models.detection.tiles import plan_tiles
from anon_ros.models.detection.training_config import TrainingConfig
from anon_ros.models.factory import (
    build_anonymizer,
    build_detector,
    build_inpainter,
    build_segmenter,
    build_tracker,
    build_tracking_anonymizer,
    train_detector,
)
from anon_ros.models.features.depth import DepthNetwork, load_depth_network
from anon_ros.models.features.embedders import NetworkEmbedder, load_embedder
from anon_ros.models.features.inception import (
    NUM_FEATURES,
    InceptionFeatures,
    load_inception,
)
from anon_ros.models.features.lpips import LpipsDistance, load_lpips
from anon_ros.models.inpainting.paper_baselines import BASELINES
from anon_ros.models.model_cache import ModelCache
from anon_ros.models.weights.digest import hash_model
from anon_ros.models.weights.inventory import (
    RequiredModel,
    evaluation_models,
    model_hashes,
    required_models,
    shipped_model,
)
from anon_ros.models.weights.locate import (
    find_training_start,
    find_weights,
    find_weights_by_hash,
)

__all__ = [
    "BASELINES",
    "NUM_FEATURES",
    "DepthNetwork",
    "InceptionFeatures",
    "LpipsDistance",
    "ModelCache",
    "NetworkEmbedder",
    "RequiredModel",
    "TrainingConfig",
    "build_anonymizer",
    "build_detector",
    "build_inpainter",
    "build_segmenter",
    "build_tracker",
    "build_tracking_anonymizer",
    "evaluation_models",
    "find_training_start",
    "find_weights",
    "find_weights_by_hash",
    "hash_model",
    "load_depth_network",
    "load_embedder",
    "load_inception",
    "load_lpips",
    "model_hashes",
    "plan_tiles",
    "required_models",
    "shipped_model",
    "train_detector",
]
