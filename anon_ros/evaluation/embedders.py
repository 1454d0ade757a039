"""Loader of the embedders of an experiment, with their cache."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from anon_ros.config import Config
from anon_ros.errors import InputError
from anon_ros.evaluation.feature_cache import CachedEmbedder
from anon_ros.metrics import ColorHistogramEmbedder, Embedder
from anon_ros.models import NetworkEmbedder, load_embedder

FEATURE_CACHE_NAME = "vectors.db"
INCEPTION, LPIPS = "Inception", "LPIPS"
_RESERVED_NAMES = (ColorHistogramEmbedder.name, INCEPTION, LPIPS)


def load_named_embedders(specs: Sequence[str], config: Config, flag: str) -> list[NetworkEmbedder]:
    """Load the networks that a flag names.

    Raises:
        ModelError: if a network is missing or damaged.
        InputError: if a name is repeated or reserved.
    """
    embedders = [load_embedder(spec, config.compute.device) for spec in specs]
    names = Counter(embedder.name for embedder in embedders)
    for name in (name for name in names if name in _RESERVED_NAMES):
        message = f"{flag}: {name} is the name of a built-in network; put another before: NAME=PATH"
        raise InputError(message)
    for name in (name for name, count in names.items() if count > 1):
        message = f"{flag}: two are called {name}; put another name before one: NAME=PATH"
        raise InputError(message)
    return embedders


def load_embedders(specs: Sequence[str], config: Config, output: Path) -> list[Embedder]:
    """Load the networks of --embedder, and the embedder that needs no weights.

    Args:
        specs: of the networks, "[NAME=]PATH[@HxW]".
        config: of the device.
        output: directory of the report, for the cache.

    Raises:
        ModelError: if a network is missing or damaged.
        InputError: if a name is repeated or reserved.
    """
    embedders: list[Embedder] = [
        ColorHistogramEmbedder(),
        *load_named_embedders(specs, config, "--embedder"),
    ]
    return [CachedEmbedder(embedder, output / FEATURE_CACHE_NAME) for embedder in embedders]
