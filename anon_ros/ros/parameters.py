"""ROS parameters, derived from the declarations in ``anon_ros.config``."""

from collections.abc import Callable, Sequence
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

from anon_ros.config import Config, Parameter, all_parameters, with_overrides
from anon_ros.errors import AnonRosError, ConfigError


def declare_parameters(node: Node) -> Config:
    """Declare every parameter on ``node`` and return the values it was started with.

    Raises:
        ConfigError: if a value has the wrong type or is not allowed.
    """
    values = {name: _declare(node, parameter) for name, parameter in all_parameters().items()}
    groups = {name.partition(".")[0] for name in values}
    given = node._parameter_overrides  # noqa: SLF001 - rclpy tells them in no other way
    for name in sorted(given.keys() - values.keys()):
        if name.partition(".")[0] in groups:
            node.get_logger().warning(f"parameter {name} is unknown and has no effect")
    return with_overrides(Config(), values)


def find_read_only_violation(changes: Sequence[RosParameter]) -> str:
    """Why these parameters cannot be set while the node runs; empty if they can.

    rclpy's own refusal of a read-only parameter does not say what to do instead.
    """
    for change in changes:
        known = all_parameters().get(change.name)
        if known is not None and not known.spec.reconfigurable:
            return (
                f"parameter {change.name} is read-only: it is fixed when the node starts; "
                f"restart the node with the new value"
            )
    return ""


def apply_changes(
    config: Config, changes: Sequence[RosParameter], check: Callable[[Config], None]
) -> tuple[Config, SetParametersResult]:
    """``config`` with ``changes``, and the answer to whoever asked for them.

    Args:
        config: now.
        changes: any parameters; those that are not ours have no influence.
        check: raises AnonRosError if the new one cannot be used.
    """
    ours = {change.name: change.value for change in changes if change.name in all_parameters()}
    try:
        after = with_overrides(config, ours)
        if after != config:
            check(after)
    except AnonRosError as error:
        return config, SetParametersResult(successful=False, reason=str(error))
    return after, SetParametersResult(successful=True)


def _declare(node: Node, parameter: Parameter) -> Any:
    try:
        declared = node.declare_parameter(
            parameter.name, _default(parameter), _descriptor(parameter)
        )
    except InvalidParameterValueException as error:
        message = f"{error}; expected {parameter.allowed_text}"
        raise ConfigError(message) from error
    # An empty list in YAML has no type and arrives as nothing.
    nothing: Any = [] if isinstance(parameter.default, tuple) else None
    return nothing if declared.value is None else declared.value


def _default(parameter: Parameter) -> Any:
    value = parameter.default
    return list(value) if isinstance(value, tuple) else value


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=parameter.spec.help,
        additional_constraints=parameter.allowed_text,
        read_only=not parameter.spec.reconfigurable,
        # rclpy would end the process over a wrong type, and over an int for a float; our own check
        # takes the int and names parameter, value and range.
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
