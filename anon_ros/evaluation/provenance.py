"""Provenance of a report: command, versions, machine, models, parameters."""

import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from anon_ros.config import Config, all_parameters, get_value
from anon_ros.metrics import NamedNetwork
from anon_ros.models import model_hashes
from anon_ros.utils.versions import package_versions


def collect_provenance(
    config: Config | None, methods: Sequence[str] = (), networks: Iterable[NamedNetwork] = ()
) -> dict[str, Any]:
    """Return the value of ``Report.provenance``.

    Args:
        config: of the models; None if none ran.
        methods: with which the frames were anonymized.
        networks: whose features were measured.

    Raises:
        ModelError: if a model is missing.
    """
    provenance: dict[str, Any] = {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}, "
        f"Python {platform.python_version()}",
        "versions": package_versions(),
    }
    if config is not None:
        needed = config.with_method("sdxl" if "sdxl" in methods else "fill")
        provenance["models"] = format_models(model_hashes(needed))
        # Its inpaint.method is not used: the methods are.
        provenance["parameters"] = non_default_parameters(config.with_method("sdxl"))
        provenance |= {"methods": ", ".join(methods)} if methods else {}
    if names := [f"{network.name}: {network.cache_key}" for network in networks]:
        provenance["networks"] = list(dict.fromkeys(names))
    return provenance


def format_models(models: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return name, license and digest of the files by parameter (see ``model_hashes``)."""
    texts: dict[str, list[str]] = {}
    for model in models:
        text = f"{model['name']}, {model['licence']}, SHA-256 {model['sha256']}"
        texts.setdefault(model["parameter"], []).append(text)
    return {parameter: "; ".join(parts) for parameter, parts in texts.items()}


def non_default_parameters(config: Config) -> dict[str, Any] | str:
    """Return the parameters that are not the defaults, by name; "all default" without any."""
    changed = {
        name: get_value(config, name)
        for name, parameter in all_parameters().items()
        if get_value(config, name) != parameter.default
    }
    return changed or "all default"
