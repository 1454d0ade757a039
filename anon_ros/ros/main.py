"""Entry point of the executable ``anonymizer``."""

import os
import signal
import sys
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anon_ros.live import ModelProvider

_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.1


def main(make_models: "Callable[[], ModelProvider] | None" = None) -> int:
    """Run the node until SIGINT or SIGTERM; return 0, or 1 if the node could not work.

    Args:
        make_models: replacement of the configured models, for benchmarks and tests.
    """
    # Before the imports, which take seconds: a signal must end the process as cleanly then as
    # later. Further signals have no effect, so that they cannot interrupt the cleanup.
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    import rclpy  # noqa: PLC0415 - see above
    from rclpy.signals import SignalHandlerOptions  # noqa: PLC0415

    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # raised by rclpy for wrong arguments
        print(f"anonymizer: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201 - no log yet
        return 1
    try:
        code, has_ended = _run(stop, make_models)
    finally:
        rclpy.try_shutdown()
        # While it ends, Python puts the default handlers back in place of ours, but not of these.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    if not has_ended:
        # A model call cannot be interrupted, and Python's own exit under it would crash.
        sys.stdout.flush()
        os._exit(code)
    return code


def _run(stop: Event, make_models: "Callable[[], ModelProvider] | None") -> tuple[int, bool]:
    """Return the exit code, and False if the worker is still busy."""
    from rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415 - see main
    from rclpy.logging import get_logger  # noqa: PLC0415

    from anon_ros.errors import AnonRosError, format_error  # noqa: PLC0415
    from anon_ros.ros.node import AnonymizerNode  # noqa: PLC0415
    from anon_ros.ros.parameters import find_unused_files  # noqa: PLC0415

    if stop.is_set():
        return 0, True
    try:
        node = AnonymizerNode(make_models() if make_models else None)
    except AnonRosError as error:
        get_logger("anonymizer").fatal(format_error(error))
        return 1, True
    for line in find_unused_files(sys.argv, node.get_fully_qualified_name()):
        node.get_logger().warning(line)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    if node.autostart and not stop.is_set():
        node.configure_and_activate()
    while not stop.is_set() and not node.should_exit:
        try:
            executor.spin_once(timeout_sec=_POLL_S)
            node.check_worker()
        except Exception as error:  # noqa: BLE001 - the worker must be ended cleanly below
            node.set_failed(error)
            node.should_exit = True
    code = int(node.should_exit)
    ended = node.stop(_STOP_TIMEOUT_S)
    node.log_counts()
    if not ended:
        node.get_logger().warning("ending while the worker is busy; nothing more is published")
    executor.shutdown()
    node.destroy_node()
    return code, ended
