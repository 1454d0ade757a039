"""From what and with what a report was made."""

import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from anon_ros.config import Config, all_parameters, get_value
from anon_ros.metrics import Embedder
from anon_ros.models import model_hashes
from anon_ros.utils.versions import package_versions


def collect_provenance(
    config: Config | None, modes: tuple[str, ...] = (), networks: Iterable[Embedder] = ()
) -> dict[str, Any]:
    """For ``Report.made``.

    Args:
        config: of the models; None if none ran.
        modes: that were drawn.
        networks: that looked at the images.

    Raises:
        ModelError: if a model is missing.
    """
    told: dict[str, Any] = {
        "command": shlex.join(["anon_ros", *sys.argv[1:]]),
        "made": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}, "
        f"Python {platform.python_version()}",
        "versions": package_versions(),
    }
    if config is not None:
        told["models"] = _models(config, "sdxl" if "sdxl" in modes else "fill")
        # Its inpaint.method says nothing: the modes do.
        told["parameters"] = non_default_parameters(
            replace(config, inpaint=replace(config.inpaint, method="sdxl"))
        )
        told |= {"modes": ", ".join(modes)} if modes else {}
    if seen_by := [f"{network.name}: {network.cache_key}" for network in networks]:
        told["networks"] = list(dict.fromkeys(seen_by))
    return told


def _models(config: Config, kind: str) -> dict[str, str]:
    needed = replace(config, inpaint=replace(config.inpaint, method=kind))
    return format_models(model_hashes(needed))


def format_models(models: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """By parameter, which file it is (see ``model_hashes``)."""
    return {
        model["parameter"]: f"{model['name']}, {model['licence']}, SHA-256 {model['sha256']}"
        for model in models
    }


def non_default_parameters(config: Config) -> dict[str, Any] | str:
    """The parameters that are not the defaults."""
    found = {
        name: get_value(config, name)
        for name, parameter in all_parameters().items()
        if get_value(config, name) != parameter.default
    }
    return found or "all default"
