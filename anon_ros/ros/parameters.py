"""ROS parameters, derived from the declarations in ``anon_ros.config``."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from anon_ros.config import (
    RENAMED_PARAMETERS,
    STRINGS,
    Config,
    MissingSectionError,
    Parameter,
    all_parameters,
    find_foreign,
    find_parameter,
    find_weaker,
    format_foreign,
    format_renaming,
    list_section_parameters,
    read_parameter_file,
    rename_deprecated,
    require_parameter,
    with_overrides,
)
from anon_ros.errors import AnonRosError, ConfigError

_ROS_TYPES = {
    bool: RosParameter.Type.BOOL,
    int: RosParameter.Type.INTEGER,
    float: RosParameter.Type.DOUBLE,
    str: RosParameter.Type.STRING,
    STRINGS: RosParameter.Type.STRING_ARRAY,
}


def declare_parameters(node: Node) -> Config:
    """Declare every parameter on ``node`` and return the values it was started with.

    Raises:
        ConfigError: if a value has the wrong type or is not allowed, or a name in one of our
            groups is unknown.
    """
    overrides = node._parameter_overrides  # noqa: SLF001 - rclpy offers no other access
    _rename_overrides(overrides)
    if foreign := find_foreign(overrides):
        node.get_logger().warning(format_foreign(foreign))
    for name, override in overrides.items():
        overrides[name] = normalize_change(override)
    names = [*all_parameters(), *(name for name in overrides if _is_in_section(name))]
    config = with_overrides(Config(), {name: _declare(node, name) for name in names})
    update_read_only(node, config, is_configured=False)
    return config


def _is_in_section(name: str) -> bool:
    return find_parameter(name) is not None and name not in all_parameters()


def _rename_overrides(overrides: dict[str, RosParameter]) -> None:
    """Move start values under former names of parameters to the current ones, before rclpy reads.

    Raises:
        ConfigError: if both names of a parameter are set.
    """
    values = rename_deprecated({name: override.value for name, override in overrides.items()})
    for former, current in RENAMED_PARAMETERS.items():
        if former in overrides:
            type_ = overrides.pop(former).type_
            overrides[current] = RosParameter(current, type_, values[current])


def find_unused_files(argv: Sequence[str], node: str) -> list[str]:
    """Return a line for each parameter file of the command line without a section for the node.

    Args:
        argv: of the process. ROS has read the files already, and would refuse damaged ones.
        node: full name.
    """
    lines = []
    for option, file in pairwise(argv):
        if option != "--params-file":
            continue
        try:
            read_parameter_file(Path(file), node)
        except MissingSectionError as error:
            lines.append(f"{file} has no effect: {error}")
        except ConfigError:
            continue
    return lines


def normalize_change(change: RosParameter) -> RosParameter:
    """Return a parameter with its declared type, one with a wrong value as it is.

    A client that asks for a double must not get the integer of ``ros2 param set ... 1``.
    """
    parameter = find_parameter(change.name)
    if parameter is None:
        return change
    is_empty_list = change.type_ is RosParameter.Type.NOT_SET and parameter.type is STRINGS
    try:
        value = parameter.validate([] if is_empty_list else change.value)
    except ConfigError:
        return change
    stored = list(value) if isinstance(value, tuple) else value
    return RosParameter(change.name, _ROS_TYPES[parameter.type], stored)


def update_read_only(node: Node, start: Config, *, is_configured: bool) -> None:
    """State in the descriptors which parameters are read-only from now on.

    Args:
        node: has declared all parameters.
        start: the values it was started with; only its owner can have set ``allow_weaker`` there.
        is_configured: False before the node is configured, and after its cleanup.
    """
    for name in (*all_parameters(), *list_section_parameters(start)):
        spec = require_parameter(name).spec
        is_open = not is_configured and (start.allow_weaker or not spec.start_only)
        node.describe_parameter(name).read_only = not (spec.reconfigurable or is_open)


def is_unchanged(node: Node, change: RosParameter) -> bool:
    """Return True for a read-only parameter that is set to the value that it has.

    ``ros2 param load`` sets all that ``ros2 param dump`` wrote, rclpy's own parameters too.
    """
    if not node.has_parameter(change.name) or not node.describe_parameter(change.name).read_only:
        return False
    # rclpy declares an empty list as one of bytes.
    current = normalize_change(node.get_parameter_or(change.name))
    return bool(current.type_ is change.type_ and current.value == change.value)


def find_read_only_violation(node: Node, changes: Sequence[RosParameter]) -> str:
    """Return the reason why a node refuses these parameters now; empty if it accepts them.

    rclpy's own refusal of a read-only parameter names no remedy, and it has no former names.
    """
    for change in changes:
        if current := RENAMED_PARAMETERS.get(change.name):
            return f"{format_renaming(change.name, current)}; set that one"
        parameter = find_parameter(change.name)
        if parameter is None or not node.describe_parameter(change.name).read_only:
            continue
        name = node.get_fully_qualified_name()
        is_fixed = parameter.spec.start_only
        cause = ": it is fixed when the node starts" if is_fixed else " while it is configured"
        remedy = "" if is_fixed else f", or set it after ros2 lifecycle set {name} cleanup"
        return (
            f"parameter {change.name} is read-only{cause}; restart the node with the new "
            f"value{remedy}"
        )
    return ""


def refuse_weaker(config: Config, start: Config) -> None:
    """Refuse a change by which a running node anonymizes less than at its start.

    Raises:
        ConfigError: if a parameter is weaker, and ``start`` does not allow it.
    """
    if start.allow_weaker:
        return
    for name, values in find_weaker(config, start).items():
        message = (
            f"parameter {name}: {values}, would anonymize less than at start; restart the node "
            "with the new value, or with allow_weaker: true"
        )
        raise ConfigError(message)


def apply_changes(
    config: Config, changes: Sequence[RosParameter], check: Callable[[Config], None]
) -> tuple[Config, SetParametersResult]:
    """Return ``config`` with ``changes``, and the result for the caller of the service.

    Args:
        config: current configuration.
        changes: any parameters; those that are not declared here have no influence.
        check: raises AnonRosError if the new configuration cannot be used.
    """
    values = {change.name: change.value for change in changes if find_parameter(change.name)}
    try:
        changed = with_overrides(config, values)
        if changed != config:
            check(changed)
    except AnonRosError as error:
        return config, SetParametersResult(successful=False, reason=str(error))
    return changed, SetParametersResult(successful=True)


def _declare(node: Node, name: str) -> Any:
    parameter = require_parameter(name)
    try:
        declared = node.declare_parameter(
            parameter.name, _convert_default(parameter), _make_descriptor(parameter)
        )
    except InvalidParameterValueException as error:
        message = f"{error}; expected {parameter.allowed_text}"
        raise ConfigError(message) from error
    # An empty list in YAML has no type and arrives as None.
    empty: Any = [] if isinstance(parameter.default, tuple) else None
    return empty if declared.value is None else declared.value


def _convert_default(parameter: Parameter) -> Any:
    value = parameter.default
    return list(value) if isinstance(value, tuple) else value


def _make_descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=parameter.spec.help,
        additional_constraints=parameter.allowed_text,
        read_only=not parameter.spec.reconfigurable,
        # rclpy would end the process over a wrong type, and over an int for a float; the check of
        # anon_ros accepts the int and names parameter, value and range.
        dynamic_typing=True,
    )
    low, high = parameter.spec.minimum, parameter.spec.maximum
    if low is not None and high is not None:
        if parameter.type is int:
            bounds = IntegerRange(from_value=int(low), to_value=int(high), step=0)
            descriptor.integer_range = [bounds]
        else:
            floats = FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
            descriptor.floating_point_range = [floats]
    return descriptor
