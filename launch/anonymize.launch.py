"""Start the node ``anonymizer``, and a recorder of what it publishes if that is asked for.

Defaults stand in the parameter file alone; an argument that is given overrides it.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

CONFIG = Path(get_package_share_directory("anon_ros")) / "config"

# Launch argument: (parameter, description).
OVERRIDES = {
    "image_topics": (
        "topics.images",
        "image topics to anonymize, names or patterns, as [/a/image_raw, /b/*/image_raw]",
    ),
    "prefix": ("topics.prefix", "namespace put before a topic to make its mirrored topic"),
    "inpainter": ("inpaint.method", "sdxl, fill, telea, blur or pixelate"),
    "model": ("inpaint.model", "directory of the diffusers pipeline"),
    "weights": ("detect.weights", "path of the detection weights"),
    "device": ("compute.device", "auto, cpu, cuda or cuda:N"),
    "use_sim_time": ("use_sim_time", "true to take the time from /clock, as from a played bag"),
}
# Launch argument: (default, description).
ARGUMENTS = {
    "params_file": (str(CONFIG / "anonymize.yaml"), "ROS parameter file"),
    "profile": ("", "speed and quality of the diffusion: paper, quality, balanced, fast or street"),
    "namespace": ("", "namespace of the node"),
    "record": ("", "path of a bag that does not exist yet: record everything below the prefix"),
    "respawn": ("false", "true to start the node again whenever it ends by itself"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "dds_profile": (
        str(CONFIG / "fastdds.xml"),
        "Fast DDS profile that lets whole images through; none leaves that to you",
    ),
}


def generate_launch_description() -> LaunchDescription:
    unset = {
        name: ("", f"{help_text} (empty: as {parameter} in the parameter file)")
        for name, (parameter, help_text) in OVERRIDES.items()
    }
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=help_text)
            for name, (default, help_text) in (unset | ARGUMENTS).items()
        ]
        + [OpaqueFunction(function=start)]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    arguments = {name: str(LaunchConfiguration(name).perform(context)) for name in ARGUMENTS}
    overrides = {
        parameter: parse_argument(name, value)
        for name, (parameter, _) in OVERRIDES.items()
        if (value := str(LaunchConfiguration(name).perform(context)))
    }
    files = [arguments["params_file"]]
    if arguments["profile"]:
        files.append(str(CONFIG / "profiles" / f"{arguments['profile']}.yaml"))
    node = Node(
        package="anon_ros",
        executable="anonymizer",
        name="anonymizer",
        namespace=arguments["namespace"],
        parameters=[*files, overrides],
        ros_arguments=["--log-level", arguments["log_level"]],
        respawn=arguments["respawn"].lower() == "true",
        respawn_delay=2.0,
        output="screen",
        emulate_tty=True,
    )
    variables = [
        SetEnvironmentVariable(variable, arguments["dds_profile"])
        for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
        if arguments["dds_profile"] != "none" and variable not in os.environ
    ]
    if not arguments["record"]:
        return [*variables, node]
    return [*variables, make_recorder(arguments["record"], files, overrides), node]


def parse_argument(name: str, value: str) -> Any:
    """Parse lists and booleans as YAML; a single topic needs no brackets."""
    if name not in {"image_topics", "use_sim_time"}:
        return value
    result = yaml.safe_load(value)
    return [result] if name == "image_topics" and isinstance(result, str) else result


def make_recorder(bag: str, files: Sequence[str], overrides: dict[str, Any]) -> ExecuteProcess:
    """Return a process that records all mirrored topics, also of cameras that appear later."""
    values = {"topics.prefix": "/anon", **read_parameter_files(files), **overrides}
    prefix = str(values["topics.prefix"])
    clock = ["--use-sim-time"] if values.get("use_sim_time") else []
    pattern = f"^/{prefix.strip('/')}/"
    command = ["ros2", "bag", "record", *clock, "-o", bag, "-e", pattern]
    return ExecuteProcess(cmd=command, name="recorder", output="screen")


def read_parameter_files(files: Sequence[str]) -> dict[str, Any]:
    """Return the node's parameters from files that may also have sections of other nodes."""
    values: dict[str, Any] = {}
    for file in files:
        values |= dict(iter_leaves(yaml.safe_load(Path(file).read_text(encoding="utf-8")), ""))
    return values


def iter_leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield names and values below ros__parameters of this node's sections."""
    for key, value in (tree or {}).items():
        node, _, name = f"{path}{key}".rpartition("ros__parameters.")
        if isinstance(value, dict):
            yield from iter_leaves(value, f"{path}{key}.")
        elif node.rstrip(".").endswith(("**", "anonymizer")):
            yield name, value
