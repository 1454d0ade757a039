"""Flat view of the configuration: a named, typed, checkable parameter per leaf."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from operator import attrgetter
from typing import Any, NoReturn, get_type_hints

from anon_ros.config.deprecated import rename_deprecated
from anon_ros.config.groups import (
    DISTILLED_TRAINING_STEPS,
    Config,
    num_denoising_steps,
)
from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.region_shapes import check_regions
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
        return "list of str" if self.type == STRINGS else str(self.type.__name__)

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

        An int is converted to a float, a list to a tuple, and true and false to the choices on and
        off, as which YAML and ROS read those words.

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
        if spec is None:
            yield from _iter_leaves(types[leaf.name], f"{leaf.name}.")
        else:
            default: Any = leaf.default
            yield Parameter(prefix + leaf.name, types[leaf.name], default, spec)


def get_value(config: Config, name: str) -> ParameterValue:
    """Return the value of the parameter ``name`` in ``config``."""
    value: ParameterValue = attrgetter(name)(config)
    return value


def find_weaker(config: Config, base: Config) -> dict[str, str]:
    """Return the parameters of ``config`` that anonymize less than ``base``, as "0.9, not 0.1"."""
    return {
        name: f"{get_value(config, name)!r}, not {get_value(base, name)!r}"
        for name, parameter in all_parameters().items()
        if parameter.spec.is_weaker(get_value(config, name), get_value(base, name))
    }


def with_overrides(config: Config, values: Mapping[str, object]) -> Config:
    """Return a copy of ``config`` with the checked ``values`` of some parameters.

    Args:
        config: to start from.
        values: by name of the parameter; a former name is accepted with a warning.

    Raises:
        ConfigError: if a name is unknown, a value is not allowed, or values contradict each other.
    """
    for name, value in rename_deprecated(values).items():
        if name not in all_parameters():
            _raise_unknown(name)
        change: dict[str, Any] = {name.rpartition(".")[2]: all_parameters()[name].validate(value)}
        if group := name.rpartition(".")[0]:
            change = {group: replace(getattr(config, group), **change)}
        config = replace(config, **change)
    _check_together(config)
    return config


def find_foreign(names: Iterable[str]) -> list[str]:
    """Return the names that are of other nodes, for which a section ``/**`` of a file is, too.

    Parameters that ROS gives every node, as use_sim_time, are not among them.

    Raises:
        ConfigError: for a name in one of our groups, or nearly one of ours, that is no parameter.
    """
    ours = all_parameters()
    groups = {name.partition(".")[0] for name in ours}
    foreign = []
    for name in sorted(set(names) - ours.keys()):
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


def _check_together(config: Config) -> None:
    inpaint = config.inpaint
    if num_denoising_steps(inpaint.steps, inpaint.beta_d) < 1:
        message = (
            f"parameters inpaint.steps = {inpaint.steps} and inpaint.beta_d = {inpaint.beta_d} "
            f"run no denoising step, so nobody would be anonymized; raise inpaint.steps"
        )
        raise ConfigError(message)
    if inpaint.scheduler in {"lcm", "tcd"} and inpaint.steps > DISTILLED_TRAINING_STEPS:
        message = (
            f"parameter inpaint.steps: {inpaint.steps} is not allowed with inpaint.scheduler = "
            f"{inpaint.scheduler}, which has {DISTILLED_TRAINING_STEPS} steps; set 1 to "
            f"{DISTILLED_TRAINING_STEPS}"
        )
        raise ConfigError(message)
    if inpaint.scheduler in {"lcm", "tcd"} and inpaint.timestep_power != 1:
        message = (
            f"parameter inpaint.timestep_power: {inpaint.timestep_power} is not allowed with "
            f"inpaint.scheduler = {inpaint.scheduler}, whose steps are even; set 1"
        )
        raise ConfigError(message)
    if inpaint.generate_px % 8:
        message = f"parameter inpaint.generate_px: {inpaint.generate_px} is not a multiple of 8"
        raise ConfigError(message)
    check_regions(config.regions)
    if both := sorted(set(config.mask.join) & set(config.detect.classes)):
        message = f"parameter mask.join: {', '.join(both)} is in detect.classes already"
        raise ConfigError(message)
    if not re.fullmatch(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?", config.topics.prefix, re.ASCII):
        message = (
            f"parameter topics.prefix: {config.topics.prefix!r} is not a namespace, "
            f"expected for example /anon: without it the mirrored topic would be the camera's own"
        )
        raise ConfigError(message)


def _format_suggestion(name: str) -> str:
    close = get_close_matches(name, all_parameters(), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{hint} (anon_ros config dump lists all)"


def _format_number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
