"""Message types that a peer names: checked before anything is imported, then described."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from anon_ros.errors import ConfigError
from anon_ros.images import may_carry_pixels

_TYPE_NAME = re.compile(r"([a-z][a-z0-9_]*)/(msg|srv|action)/([A-Z][A-Za-z0-9_]*)")
_NESTED_TYPE = re.compile(r"(\w+)/(\w+)")
_INTERFACES = Path("share/ament_index/resource_index/rosidl_interfaces")


def import_message_type(type_name: str) -> Any:
    """Return the class of a message type.

    Args:
        type_name: as a peer advertises it. A package is imported only if the ament index, or
            that of the installed wheels, names it as one of messages.

    Raises:
        ConfigError: if the name is none of a type, or the type is not installed.
    """
    match = _TYPE_NAME.fullmatch(type_name)
    if match is None:
        message = f"topics.passthrough: {type_name!r} is no name of a message type"
        raise ConfigError(message)
    package, kind, name = match.groups()
    message = f"topics.passthrough: the type {type_name} is not installed here"
    if not _is_message_package(package):
        raise ConfigError(message)
    try:
        return getattr(import_module(f"{package}.{kind}"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(message) from error


def find_pixel_type(type_name: str, message_type: Any) -> str:
    """Return the name of the type, this or a nested one, that carries pixels; empty without one.

    Raises:
        ConfigError: if a nested type is not installed.
    """
    if may_carry_pixels(type_name):
        return type_name
    for nested in _list_nested(message_type):
        if inside := find_pixel_type(nested, import_message_type(nested)):
            return inside
    return ""


def describe_type(message_type: Any) -> str:
    """Return the fields of a type and of its nested ones, one per line as in IDL.

    Raises:
        ConfigError: if a nested type is not installed.
    """
    fields = message_type.get_fields_and_field_types()
    lines = [f"{kind} {name};" for name, kind in fields.items()]
    nested = map(import_message_type, _list_nested(message_type))
    return "\n".join([*lines, *map(describe_type, nested)])


def _list_nested(message_type: Any) -> list[str]:
    kinds = message_type.get_fields_and_field_types().values()
    pairs = (pair for kind in kinds for pair in _NESTED_TYPE.findall(kind))
    return [f"{package}/msg/{name}" for package, name in dict.fromkeys(pairs)]


def _is_message_package(package: str) -> bool:
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    return any((Path(prefix) / _INTERFACES / package).is_file() for prefix in prefixes if prefix)
