"""Start the node ``anonymizer``.

Defaults stand in the parameter file alone; an argument that is given overrides it.
"""

import os
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

CONFIG = Path(get_package_share_directory("anon_ros")) / "config"

# Launch argument: (parameter, description).
OVERRIDES = {
    "image_topics": ("topics.images", "image topics to anonymize, as [/a/image_raw, /b/image_raw]"),
    "prefix": ("topics.prefix", "namespace put before a topic to make its mirrored topic"),
    "inpainter": ("inpaint.kind", "sdxl, fill, telea, blur or pixelate"),
    "model": ("inpaint.model", "directory of the diffusers pipeline"),
    "weights": ("detect.weights", "path of the Ultralytics weights"),
    "device": ("compute.device", "auto, cpu, cuda or cuda:N"),
}


def generate_launch_description() -> LaunchDescription:
    arguments = {
        "params_file": (str(CONFIG / "anonymize.yaml"), "ROS parameter file"),
        "profile": ("", "speed and quality of the diffusion: paper, quality, balanced or fast"),
        "namespace": ("", "namespace of the node"),
        "log_level": ("info", "debug, info, warn, error or fatal"),
        "dds_profile": (
            str(CONFIG / "fastdds.xml"),
            "Fast DDS profile that lets whole images through; empty for none",
        ),
    }
    arguments |= {name: ("", help_text) for name, (_, help_text) in OVERRIDES.items()}
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=help_text)
            for name, (default, help_text) in arguments.items()
        ]
        + [OpaqueFunction(function=start)]
    )


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    given = {
        parameter: yaml.safe_load(value(name)) if name == "image_topics" else value(name)
        for name, (parameter, _) in OVERRIDES.items()
        if value(name)
    }
    profile = value("profile")
    profile_files = [str(CONFIG / "profiles" / f"{profile}.yaml")] if profile else []
    node = Node(
        package="anon_ros",
        executable="anonymizer",
        name="anonymizer",
        namespace=value("namespace"),
        parameters=[value("params_file"), *profile_files, given],
        ros_arguments=["--log-level", value("log_level")],
        output="screen",
        emulate_tty=True,
    )
    dds_profile = value("dds_profile")
    return [
        SetEnvironmentVariable(variable, dds_profile)
        for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
        if dds_profile and variable not in os.environ
    ] + [node]
