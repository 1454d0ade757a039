"""The embedders that the flags ask for."""

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
_TAKEN = (ColorHistogramEmbedder.name, INCEPTION, LPIPS)


def load_named_embedders(specs: Sequence[str], config: Config, flag: str) -> list[NetworkEmbedder]:
    """The networks that a flag names.

    Raises:
        ModelError: if one is missing or damaged.
        InputError: if two have the same name, or one that of what is built in.
    """
    found = [load_embedder(spec, config.compute.device) for spec in specs]
    for name in (each.name for each in found if each.name in _TAKEN):
        message = f"{flag}: {name} is the name of what is built in; put another before: NAME=PATH"
        raise InputError(message)
    twice = [name for name, count in Counter(each.name for each in found).items() if count > 1]
    if twice:
        message = f"{flag}: two are called {twice[0]}; put another name before one: NAME=PATH"
        raise InputError(message)
    return found


def load_embedders(specs: Sequence[str], config: Config, output: Path) -> list[Embedder]:
    """Load the networks of --embedder, and the embedder that needs no weights.

    Args:
        specs: of the networks, "[NAME=]PATH[@HxW]".
        config: of the device.
        output: directory of the report, for the cache.

    Raises:
        ModelError: if one is missing or damaged.
        InputError: if two have the same name.
    """
    chosen: list[Embedder] = [
        ColorHistogramEmbedder(),
        *load_named_embedders(specs, config, "--embedder"),
    ]
    return [CachedEmbedder(each, output / FEATURE_CACHE_NAME) for each in chosen]
