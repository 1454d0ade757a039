"""The only home of torch, Ultralytics and diffusers, which are imported when a model is built."""

from anon_ros.models.baselines import BASELINES
from anon_ros.models.build import (
    build_anonymizer,
    build_detector,
    build_inpainter,
    build_segmenter,
    build_stream_anonymizer,
    build_tracker,
    train_detector,
)
from anon_ros.models.embedders import NetworkEmbedder, load_embedder
from anon_ros.models.inception import FEATURES, Inception, find_inception, load_inception
from anon_ros.models.inventory import NeededModel, evaluation_models, model_hashes, needed_models
from anon_ros.models.loaded import LoadedModels
from anon_ros.models.locate import find_start, find_weights
from anon_ros.models.lpips import Lpips, find_lpips, load_lpips
from anon_ros.models.recipe import Training

__all__ = [
    "BASELINES",
    "FEATURES",
    "Inception",
    "LoadedModels",
    "Lpips",
    "NeededModel",
    "NetworkEmbedder",
    "Training",
    "build_anonymizer",
    "build_detector",
    "build_inpainter",
    "build_segmenter",
    "build_stream_anonymizer",
    "build_tracker",
    "evaluation_models",
    "find_inception",
    "find_lpips",
    "find_start",
    "find_weights",
    "load_embedder",
    "load_inception",
    "load_lpips",
    "model_hashes",
    "needed_models",
    "train_detector",
]
