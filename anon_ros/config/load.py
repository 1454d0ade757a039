"""Reader of a Config from ROS parameter files and overrides."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from anon_ros.config.deprecated import rename_deprecated
from anon_ros.config.groups.config import Config
from anon_ros.config.overrides import with_overrides
from anon_ros.config.parameter_files import flatten, read_parameter_file
from anon_ros.config.parameters import find_foreign, find_parameter, format_foreign
from anon_ros.errors import ConfigError
from anon_ros.utils.share import shared_candidates

_LOG = logging.getLogger(__name__)


def load_config(
    path: str | Path | Sequence[str | Path] | None = None,
    overrides: Mapping[str, object] | None = None,
    node: str = "",
) -> Config:
    """Return the defaults, changed by parameter files, changed by overrides.

    Args:
        path: a ROS parameter file (``/**: ros__parameters: ...``) as the node takes it, or
            several, of which later ones win; None for the defaults alone.
        overrides: values by parameter name ("inpaint.method") or nested ({"inpaint":
            {"method": ...}}).
        node: full name of the node whose sections of the files count, as "/front/anonymizer";
            empty for those that are for /anonymizer in any namespace.

    Raises:
        ConfigError: if the file cannot be read or a parameter is unknown or not allowed.
    """
    config = Config()
    for file in [path] if isinstance(path, str | Path) else path or []:
        config = load_file(config, file, node)[0]
    return with_overrides(config, dict(flatten(overrides or {})))


def load_file(config: Config, file: str | Path, node: str) -> tuple[Config, dict[str, object]]:
    """Return ``config`` changed by a parameter file, and all values of the file for the node.

    Logs a warning for parameters of other nodes.

    Raises:
        ConfigError: as ``load_config``; names the file.
    """
    try:
        values = rename_deprecated(read_parameter_file(Path(file), node))
        foreign = find_foreign(values)
        own = {name: value for name, value in values.items() if find_parameter(name)}
        config = with_overrides(config, own)
    except ConfigError as error:
        message = f"{file}: {error}"
        raise ConfigError(message) from error
    if foreign:
        _LOG.warning("%s: %s", file, format_foreign(foreign))
    return config, values


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
