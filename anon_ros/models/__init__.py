"""The only home of torch, Ultralytics and diffusers, which are imported when a model is built."""

from anon_ros.models.baselines import BASELINES
from anon_ros.models.build import (
    build_anonymizer,
    build_inpainter,
    build_segmenter,
    build_stream_anonymizer,
    build_tracker,
)
from anon_ros.models.embedders import NetworkEmbedder, load_embedder
from anon_ros.models.inventory import NeededModel, model_hashes, needed_models
from anon_ros.models.loaded import LoadedModels

__all__ = [
    "BASELINES",
    "LoadedModels",
    "NeededModel",
    "NetworkEmbedder",
    "build_anonymizer",
    "build_inpainter",
    "build_segmenter",
    "build_stream_anonymizer",
    "build_tracker",
    "load_embedder",
    "model_hashes",
    "needed_models",
]
