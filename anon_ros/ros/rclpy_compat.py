"""Names of rclpy that ROS 2 Humble lacks or has elsewhere; every other distribution has them."""

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

__all__ = [
    "PublisherEventCallbacks",
    "SubscriptionEventCallbacks",
    "add_post_set_parameters_callback",
]


def add_post_set_parameters_callback(node: Node, callback: Callable[[Sequence[Any]], None]) -> None:
    """Have ``callback`` called with the parameters of each change that was accepted.

    Humble's rclpy has callbacks before a change alone. Its services and ``set_parameters`` of our
    node all set through ``set_parameters_atomically``, which therefore is wrapped there.
    """
    if hasattr(node, "add_post_set_parameters_callback"):
        node.add_post_set_parameters_callback(callback)
        return
    set_atomically = node.set_parameters_atomically

    def set_and_call(parameter_list: Sequence[Any]) -> Any:
        result = set_atomically(parameter_list)
        if result.successful:
            callback(parameter_list)
        return result

    node.set_parameters_atomically = set_and_call
