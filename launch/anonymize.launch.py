"""Start the node ``anonymizer``, and a recorder of what it publishes if that is asked for.

Defaults stand in the parameter file alone; an argument that is given overrides it.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import launch.logging
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction
from launch.events.process import ProcessExited
from launch_ros.actions import Node

from anon_ros.ros.launch_arguments import SHORT_NAMES, collect_arguments, declare_arguments
from anon_ros.ros.launch_plan import LaunchPlan, format_parameter_file, plan_launch

ARGUMENTS = declare_arguments(Path(get_package_share_directory("anon_ros")) / "config")
NODE_TIMEOUT_S = "15"
RECORDER_TIMEOUT_S = "120"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                name,
                default_value=argument.default,
                description=argument.help,
                choices=list(argument.choices) or None,
            )
            for name, argument in ARGUMENTS.items()
        ]
        + [OpaqueFunction(function=start)]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    configurations = context.launch_configurations
    values, ignored = collect_arguments(list(ARGUMENTS), configurations, sys.argv)
    plan = plan_launch(ARGUMENTS, values, configurations, os.environ)
    notes = [f"{name} is another launch file's; ours is {SHORT_NAMES[name]}" for name in ignored]
    lines = [LogInfo(msg=f"anonymizer: {note}") for note in (*notes, *plan.notes)]
    return [*lines, *make_recorder(plan), make_node(plan)]


def make_node(plan: LaunchPlan) -> Node:
    namespace, _, name = plan.node.rpartition("/")
    must_last = plan.recorder and plan.is_record_required and not plan.respawn
    return Node(
        package="anon_ros",
        executable="anonymizer",
        name=name,
        namespace=namespace or "/",
        parameters=[write_parameters(plan)],
        ros_arguments=list(plan.ros_arguments),
        additional_env=dict(plan.environment),
        respawn=plan.respawn,
        respawn_delay=2.0,
        on_exit=end_launch("the node", "nothing more is recorded") if must_last else None,
        sigterm_timeout=NODE_TIMEOUT_S,
        output="screen",
        emulate_tty=True,
    )


def make_recorder(plan: LaunchPlan) -> list[ExecuteProcess]:
    """Return the recorder; it has time to write what it holds before it is killed."""
    if not plan.recorder:
        return []
    remedy = "the drive is not recorded (record_required:=false goes on)"
    process = ExecuteProcess(
        cmd=list(plan.recorder),
        name="recorder",
        additional_env=dict(plan.environment),
        on_exit=end_launch("the recorder", remedy) if plan.is_record_required else None,
        sigterm_timeout=RECORDER_TIMEOUT_S,
        output="screen",
    )
    return [process]


def write_parameters(plan: LaunchPlan) -> str:
    """Write all parameters beside the launch's log, where they document the drive."""
    name = f"{plan.node.strip('/').replace('/', '.')}_parameters.yaml"
    path = Path(launch.logging.launch_config.get_log_file_path(name))
    path.write_text(format_parameter_file(plan), encoding="utf-8")
    return str(path)


def end_launch(process: str, consequence: str) -> Callable[[ProcessExited, LaunchContext], None]:
    """Return a handler that ends the launch with code 1 if a process ended by itself."""

    def handle(event: ProcessExited, context: LaunchContext) -> None:
        if not context.is_shutdown:
            message = f"{process} has ended with code {event.returncode}: {consequence}"
            raise RuntimeError(message)

    return handle
