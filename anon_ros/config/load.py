"""Reader of a Config from ROS parameter files and overrides."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from anon_ros.config.groups import Config
from anon_ros.config.parameters import with_overrides
from anon_ros.config.yaml_limits import check_yaml
from anon_ros.errors import ConfigError
from anon_ros.utils.share import shared_candidates

_MAX_CHARACTERS = 2**20
_NODE_NAMES = {"/**", "anonymizer", "/anonymizer"}


def load_config(
    path: str | Path | Sequence[str | Path] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """Return the defaults, changed by parameter files, changed by overrides.

    Args:
        path: a ROS parameter file (``/**: ros__parameters: ...``) as the node takes it, or
            several, of which later ones win; None for the defaults alone.
        overrides: values by parameter name ("inpaint.method") or nested ({"inpaint":
            {"method": ...}}).

    Raises:
        ConfigError: if the file cannot be read or a parameter is unknown or not allowed.
    """
    config = Config()
    for file in [path] if isinstance(path, str | Path) else path or []:
        try:
            config = with_overrides(config, _read_file(Path(file)))
        except ConfigError as error:
            message = f"{file}: {error}"
            raise ConfigError(message) from error
    return with_overrides(config, dict(_flatten(overrides or {})))


def find_profile(name: str) -> Path:
    """Return the parameter file of a shipped profile, for example "street".

    Raises:
        ConfigError: if there is none of that name; names those that there are.
    """
    folders = [folder for folder in shared_candidates("config/profiles") if folder.is_dir()]
    profiles = {file.stem: file for folder in reversed(folders) for file in folder.glob("*.yaml")}
    if name not in profiles:
        message = f"profile {name!r} is unknown, expected one of {', '.join(sorted(profiles))}"
        raise ConfigError(message)
    return profiles[name]


def _read_file(path: Path) -> dict[str, object]:
    try:
        text = _read_text(path)
        check_yaml(text)
        document = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise ConfigError(message) from error
    values: dict[str, object] = {}
    for root, section in _iter_sections(document):
        if root not in _NODE_NAMES:
            message = f"section {root!r} is for another node, expected '/**'"
            raise ConfigError(message)
        values |= dict(_flatten(section))
    return values


def _read_text(path: Path) -> str:
    """Read a file, which may be a pipe of the shell, but no device without an end.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is too large, or no text.
    """
    with path.open(encoding="utf-8") as stream:
        text = stream.read(_MAX_CHARACTERS + 1)
    if len(text) > _MAX_CHARACTERS:
        message = f"it has more than {_MAX_CHARACTERS} characters"
        raise ValueError(message)
    return text


def _iter_sections(document: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the node name and the parameter mapping of each section of a file."""
    if not isinstance(document, Mapping) or not document:
        message = "expected '/**: ros__parameters:' at the top"
        raise ConfigError(message)
    for root, body in document.items():
        section = body.get("ros__parameters") if isinstance(body, Mapping) else None
        if not isinstance(section, Mapping):
            message = f"section {root!r} has no ros__parameters with values below it"
            raise ConfigError(message)
        yield str(root), section


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
