"""Decisions of the launch file, made from its arguments before anything starts; needs no launch."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from anon_ros.config import (
    Config,
    all_parameters,
    find_profile,
    list_prefixes,
    load_file,
    with_overrides,
)
from anon_ros.errors import ConfigError
from anon_ros.ros.launch_arguments import LaunchArgument
from anon_ros.ros.recorder_command import choose_bag, make_recorder_command, split_options
from anon_ros.ros.topics.topic_names import resolve_pattern

_DDS_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


@dataclass(frozen=True)
class LaunchPlan:
    """Everything that is to be started.

    Attributes:
        node: full name of the node.
        parameters: of the node, by name.
        ros_arguments: of the node.
        environment: variables of node and recorder.
        respawn: True to start the node again whenever it ends.
        recorder: command line; empty for no recorder.
        is_record_required: True if the launch must end when the recorder or the node does.
        notes: lines for the user.
    """

    node: str
    parameters: Mapping[str, object]
    ros_arguments: Sequence[str]
    environment: Mapping[str, str]
    respawn: bool
    recorder: Sequence[str]
    is_record_required: bool
    notes: Sequence[str]


def plan_launch(
    arguments: Mapping[str, LaunchArgument],
    values: Mapping[str, str],
    parent: Mapping[str, Any],
    environment: Mapping[str, str],
) -> LaunchPlan:
    """Return what to start.

    Args:
        arguments: all, by name.
        values: of all arguments.
        parent: launch's configurations, of which "ros_namespace" and "global_params" count.
        environment: variables of this process.

    Raises:
        ConfigError: if a value is not allowed, or a file is missing.
    """
    node = resolve_node(values, parent.get("ros_namespace") or "")
    config, parameters = _load_parameters(arguments, values, node)
    recorder, notes = _plan_recorder(values, config, node, {**_parse_global(parent), **parameters})
    return LaunchPlan(
        node=node,
        parameters=parameters,
        ros_arguments=_make_log_arguments(values["log_level"], node),
        environment=_choose_environment(values["dds_profile"], environment),
        respawn=values["respawn"].lower() == "true",
        recorder=recorder,
        is_record_required=values["record_required"].lower() == "true",
        notes=notes,
    )


def resolve_node(values: Mapping[str, str], namespace: str) -> str:
    """Return the full name of the node in ``namespace``, the one that launch has pushed.

    Raises:
        ConfigError: if name or namespace is not valid.
    """
    own = values["node_namespace"]
    parts = own if own.startswith("/") else f"{namespace}/{own}"
    node = f"/{parts.strip('/')}/{values['node_name']}".replace("//", "/")
    if not re.fullmatch(r"(/[A-Za-z_]\w*)+", node, re.ASCII) or "/" in values["node_name"]:
        message = f"arguments node_name and node_namespace: {node} is not a name of a node"
        raise ConfigError(message)
    return node


def format_parameter_file(plan: LaunchPlan) -> str:
    """Return the parameters as a file for the node alone.

    JSON is YAML whose every text is quoted: no reader can take it for a number or a switch.
    """
    values = {name: _to_list(value) for name, value in plan.parameters.items()}
    return json.dumps({plan.node: {"ros__parameters": values}}, indent=1, ensure_ascii=False)


def _load_parameters(
    arguments: Mapping[str, LaunchArgument], values: Mapping[str, str], node: str
) -> tuple[Config, dict[str, object]]:
    """Return the checked configuration and the values that files and arguments set."""
    config, parameters = Config(), dict[str, object]()
    files = [Path(values["params_file"]).expanduser()]
    if values["profile"]:
        files.append(find_profile(values["profile"]))
    for file in files:
        config, read = load_file(config, file, node)
        parameters |= read
    overrides = {
        argument.parameter: _parse_argument(name, values[name])
        for name, argument in arguments.items()
        if argument.parameter and values[name]
    }
    own = {name: value for name, value in overrides.items() if name in all_parameters()}
    return with_overrides(config, own), parameters | overrides


def _parse_argument(name: str, value: str) -> object:
    if name == "image_topics":
        return _parse_topics(name, value)
    if name == "detect_weights" and value.lstrip().startswith("["):
        return _parse_list(name, value)
    return value.lower() == "true" if name == "use_sim_time" else value


def _parse_list(name: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"argument {name}: {text} is not a list, as '[a.pt, b.pt]'"
        raise ConfigError(message) from error


def _parse_topics(name: str, text: str) -> list[str]:
    """Return the topics of a YAML list; a single topic needs no brackets."""
    try:
        topics: Any = yaml.safe_load(text) if text.lstrip().startswith("[") else [text]
    except yaml.YAMLError:
        topics = None
    is_list = isinstance(topics, list) and all(isinstance(topic, str) for topic in topics)
    if not is_list or not all(re.fullmatch(r"[\w/*?~{}]+", topic, re.ASCII) for topic in topics):
        message = f"argument {name}: {text} is not a list of topics, as '[/a/image_raw, /b/*]'"
        raise ConfigError(message)
    return list(topics)


def _plan_recorder(
    values: Mapping[str, str], config: Config, node: str, parameters: Mapping[str, object]
) -> tuple[list[str], list[str]]:
    """Return the recorder's command line, empty for none, and lines for the user."""
    if not values["record"]:
        for name in ("record_topics", "record_args"):
            if values[name]:
                message = f"argument {name} needs record, the path of a bag"
                raise ConfigError(message)
        return [], []
    if values["record"].lower() in {"true", "false"}:
        message = f"argument record: {values['record']} is not a path of a bag"
        raise ConfigError(message)
    topics = _parse_topics("record_topics", values["record_topics"] or "[]")
    options = split_options(values["record_args"])
    if parameters.get("use_sim_time"):
        options.append("--use-sim-time")
    wished = Path(values["record"])
    bag = choose_bag(wished)
    command = make_recorder_command(
        bag,
        list_prefixes(config, node.rpartition("/")[0]),
        [resolve_pattern(name, node) for name in config.topics.images],
        [resolve_pattern(name, node) for name in topics],
        options,
    )
    exists = "" if bag.name == wished.name else f", because {wished} exists"
    return command, [f"recording to {bag}{exists}"]


def _parse_global(parent: Mapping[str, Any]) -> dict[str, object]:
    """Return the parameters that including launch files set for all nodes, without files."""
    return dict(item for item in parent.get("global_params") or () if isinstance(item, tuple))


def _make_log_arguments(level: str, node_name: str) -> list[str]:
    """Return the arguments for the level; that of debug is for the node, not for the middleware."""
    logger = node_name.strip("/").replace("/", ".")
    return ["--log-level", f"{logger}:=debug" if level == "debug" else level]


def _choose_environment(dds_profile: str, environment: Mapping[str, str]) -> dict[str, str]:
    if dds_profile == "none":
        return {}
    path = Path(dds_profile).expanduser()
    if not path.is_file():
        message = f"argument dds_profile: {path} is not a file; none leaves it to you"
        raise ConfigError(message)
    return {name: str(path) for name in _DDS_VARIABLES if name not in environment}


def _to_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
