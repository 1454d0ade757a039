"""ROS parameters, derived from the declarations in ``anon_ros.config``."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node

from anon_ros.config import Config, Parameter, parameters, with_values
from anon_ros.errors import ConfigError


def declare_parameters(node: Node) -> Config:
    """Declare every parameter on ``node`` and return the values it was started with.

    Raises:
        ConfigError: if a value has the wrong type or is not allowed.
    """
    values = {name: _declare(node, parameter) for name, parameter in parameters().items()}
    groups = {name.partition(".")[0] for name in values}
    given = node._parameter_overrides  # noqa: SLF001 - rclpy tells them in no other way
    for name in sorted(given.keys() - values.keys()):
        if name.partition(".")[0] in groups:
            node.get_logger().warning(f"parameter {name} is unknown and has no effect")
    return with_values(Config(), values)


def _declare(node: Node, parameter: Parameter) -> Any:
    try:
        declared = node.declare_parameter(
            parameter.name, _default(parameter), _descriptor(parameter)
        )
    except InvalidParameterValueException as error:
        message = f"{error}; expected {parameter.range_text}"
        raise ConfigError(message) from error
    return declared.value


def _default(parameter: Parameter) -> Any:
    value = parameter.default
    return list(value) if isinstance(value, tuple) else value


def _descriptor(parameter: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=parameter.spec.help,
        additional_constraints=parameter.range_text,
        read_only=True,
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
