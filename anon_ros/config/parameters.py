"""Flat view of the configuration: a named, typed, checkable parameter per leaf."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Any, NoReturn, get_type_hints

from anon_ros.config.groups.config import Config
from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.sections.cameras import CAMERA_PARAMETERS, CAMERAS, IMAGES, IMAGES_SPEC
from anon_ros.config.sections.section import split_section_parameter
from anon_ros.config.sections.targets import TARGETS, list_target_keys
from anon_ros.errors import ConfigError

STRINGS = tuple[str, ...]
_ROS_PARAMETERS = frozenset({"use_sim_time", "start_type_description_service", "qos_overrides"})
_NEAR_MISS = 0.85


@dataclass(frozen=True)
class Parameter:
    """A leaf of Config.

    Attributes:
        name: "group.field" or "field", the name of the ROS parameter.
        type: bool, int, float, str or tuple[str, ...].
        default: of that type.
        spec: everything else that was declared.
    """

    name: str
    type: Any
    default: ParameterValue
    spec: ParameterSpec

    @property
    def type_name(self) -> str:
        """Name of the type for a user, for example "float"."""
        if self.type == STRINGS:
            return "str or list of str" if self.spec.accepts_string else "list of str"
        return str(self.type.__name__)

    @property
    def allowed_text(self) -> str:
        """Allowed values as a phrase, empty if any value of the type is allowed."""
        low, high, unit = self.spec.minimum, self.spec.maximum, self.spec.unit
        if self.spec.choices:
            pattern = f", or as {self.spec.example}" if self.spec.pattern else ""
            return "one of " + ", ".join(self.spec.choices) + pattern
        if self.spec.required:
            return "not empty"
        if low is None or high is None:
            return ""
        return f"{_format_number(low)} to {_format_number(high)} {unit}".rstrip()

    @property
    def weaker_text(self) -> str:
        """Values that anonymize less as a phrase, empty if none does."""
        return ", ".join(self.spec.weak_choices) or self.spec.weaker

    def validate(self, value: Any) -> ParameterValue:
        """Return ``value`` as this parameter's type.

        An int is converted to a float, a list to a tuple, a string to a list of one where the
        declaration says so, and true and false to the choices on and off, as which YAML and ROS
        read those words.

        Raises:
            ConfigError: if the type, range or choice is wrong.
        """
        converted = self._convert(value)
        if not self._is_allowed(converted):
            self._raise_not_allowed(value, self.allowed_text)
        return converted

    def _convert(self, value: Any) -> ParameterValue:
        if self.spec.choices and isinstance(value, bool):
            value = "on" if value else "off"
        if self.type == STRINGS:
            value = [value] if self.spec.accepts_string and isinstance(value, str) else value
            value = tuple(value) if isinstance(value, list | tuple) else value
            fits = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        else:
            value = float(value) if self.type is float and type(value) is int else value
            fits = type(value) is self.type
        if not fits:
            self._raise_not_allowed(value, self.type_name)
        converted: ParameterValue = value
        return converted

    def _is_allowed(self, value: ParameterValue) -> bool:
        spec = self.spec
        if spec.choices:
            is_other = spec.pattern and re.fullmatch(spec.pattern, str(value), re.ASCII)
            return value in spec.choices or bool(is_other)
        if spec.required and (not value or (isinstance(value, tuple) and not all(value))):
            return False
        if not isinstance(value, int | float):
            return True
        low = -math.inf if spec.minimum is None else spec.minimum
        high = math.inf if spec.maximum is None else spec.maximum
        return low <= value <= high

    def _raise_not_allowed(self, value: object, expected: str) -> NoReturn:
        message = f"parameter {self.name}: {value!r} is not allowed, expected {expected}"
        raise ConfigError(message)


@cache
def all_parameters() -> dict[str, Parameter]:
    """Return all parameters by name, in the order of declaration."""
    return {parameter.name: parameter for parameter in _iter_leaves()}


def _iter_leaves(holder: Any = Config, prefix: str = "") -> Iterator[Parameter]:
    types = get_type_hints(holder)
    for leaf in fields(holder):
        spec: ParameterSpec | None = leaf.metadata.get("spec")
        if is_dataclass(types[leaf.name]):
            yield from _iter_leaves(types[leaf.name], f"{leaf.name}.")
        elif spec is not None:
            default: Any = leaf.default
            yield Parameter(prefix + leaf.name, types[leaf.name], default, spec)


def find_parameter(name: str) -> Parameter | None:
    """Return the parameter of that name, also of a camera or target; None if there is none."""
    if target := split_section_parameter(TARGETS, name):
        key = list_target_keys().get(target[1])
        return None if key is None else Parameter(name, key.type, key.default, key.spec)
    camera = split_section_parameter(CAMERAS, name)
    if camera is None:
        return all_parameters().get(name)
    if camera[1] == IMAGES:
        return Parameter(name, STRINGS, (), IMAGES_SPEC)
    is_known = camera[1] in CAMERA_PARAMETERS
    return replace(all_parameters()[camera[1]], name=name) if is_known else None


def require_parameter(name: str) -> Parameter:
    """Return the parameter of that name.

    Raises:
        ConfigError: if there is none.
    """
    parameter = find_parameter(name)
    if parameter is None:
        _raise_unknown(name)
    return parameter


def find_foreign(names: Iterable[str]) -> list[str]:
    """Return the names that are of other nodes, for which a section ``/**`` of a file is, too.

    Parameters that ROS gives every node, as use_sim_time, are not among them.

    Raises:
        ConfigError: for a name in one of our groups, or nearly one of ours, that is no parameter.
    """
    ours = all_parameters()
    groups = {"cameras", *(name.partition(".")[0] for name in ours)}
    foreign = []
    for name in sorted(name for name in set(names) if find_parameter(name) is None):
        group = name.partition(".")[0]
        if group in _ROS_PARAMETERS:
            continue
        if group in groups or get_close_matches(name, ours, n=1, cutoff=_NEAR_MISS):
            _raise_unknown(name)
        foreign.append(name)
    return foreign


def format_foreign(names: Sequence[str]) -> str:
    """Return the clause that a file's parameters of other nodes have no effect."""
    return f"parameters of other nodes have no effect here: {', '.join(names)}"


def _raise_unknown(name: str) -> NoReturn:
    message = f"parameter {name!r} is unknown{_format_suggestion(name)}"
    raise ConfigError(message)


def _format_suggestion(name: str) -> str:
    if name.startswith("cameras."):
        keys = ", ".join((IMAGES, *CAMERA_PARAMETERS))
        return f"; expected cameras.NAME and then one of {keys}"
    if split_section_parameter(TARGETS, name):
        return f"; expected targets.NAME and then one of {', '.join(list_target_keys())}"
    close = get_close_matches(name, all_parameters(), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{hint} (anon_ros config dump lists all)"


def _format_number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
