"""Reader of ROS parameter files: the sections that are for the node, as the node reads them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from anon_ros.config.yaml_limits import check_yaml
from anon_ros.errors import ConfigError

_MAX_CHARACTERS = 2**20
_EXECUTABLE = "anonymizer"
_WILDCARDS = {"*": "/[^/]+", "**": "(/[^/]+)*"}
_EXPECTED = "expected '/**: ros__parameters:' at the top"


class MissingSectionError(ConfigError):
    """Parameter file in which all sections are for other nodes."""

    def __init__(self, node: str, sections: Sequence[str]) -> None:
        names = ", ".join(dict.fromkeys(sections))
        super().__init__(f"no section is for {node}, all are for another node: {names}")


class _RosLoader(yaml.SafeLoader):
    """Loader for which a plain scalar is what it is for ROS: a bool, a number or a text."""

    bool_values = yaml.SafeLoader.bool_values | {"y": True, "n": False}
    yaml_implicit_resolvers = {}  # noqa: RUF012 - as its base


for _kind, _pattern in {
    "bool": r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
    "int": r"[-+]?(0x[0-9a-fA-F]+|[0-9]+)",
    "float": r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.?(nan|NaN)",
    "null": "",
}.items():
    _RosLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), None
    )


def read_parameter_file(path: Path, node: str = "") -> dict[str, object]:
    """Return the values by parameter name of all sections that are for the node.

    Args:
        path: of a ROS parameter file. As in ROS, later sections win.
        node: full name of the node, as "/front/anonymizer"; empty for an executable without a
            namespace, as for recordings, to which ``/*/anonymizer`` applies, too.

    Raises:
        ConfigError: if the file cannot be read.
        MissingSectionError: if it has no section for the node.
    """
    sections = _read_sections(path)
    chosen = [values for name, values in sections if is_section_for(name, node)]
    if not chosen:
        raise MissingSectionError(node or f"/{_EXECUTABLE}", [name for name, _ in sections])
    values = {name: value for section in chosen for name, value in flatten(section)}
    if empty := [name for name, value in values.items() if value is None]:
        message = f"parameter {empty[0]} has no value"
        raise ConfigError(message)
    return values


def is_section_for(section: str, node: str) -> bool:
    """Return True if a section of a parameter file is for a node.

    Args:
        section: full name, in which ``*`` is a part and ``**`` any number of parts.
        node: full name; empty for any namespace and the executable's own name.
    """
    parts = section.strip("/").split("/")
    if not node:
        return {*parts[:-1]} <= _WILDCARDS.keys() and parts[-1] in {*_WILDCARDS, _EXECUTABLE}
    pattern = "".join(_WILDCARDS.get(part, f"/{re.escape(part)}") for part in parts)
    return re.fullmatch(pattern, node) is not None


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the name, as "inpaint.method", and the value of each leaf."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _read_sections(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the full name and the parameters of each section of a file.

    Raises:
        ConfigError: if the file cannot be read.
    """
    try:
        text = _read_text(path)
        check_yaml(text)
        document = yaml.load(text, _RosLoader)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise ConfigError(message) from error
    if not isinstance(document, Mapping) or not document:
        raise ConfigError(_EXPECTED)
    return list(_iter_sections(document))


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


def _iter_sections(tree: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the full name and the parameters of each node; namespaces may be nested."""
    for key, body in tree.items():
        name = f"{path}/{str(key).strip('/')}"
        if path and key == "ros__parameters" and isinstance(body, Mapping):
            yield path, dict(body)
        elif isinstance(body, Mapping) and body:
            yield from _iter_sections(body, name)
        else:
            message = f"section {(path or name)!r} has no ros__parameters with values below it"
            raise ConfigError(message)
