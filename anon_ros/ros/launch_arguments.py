"""Arguments of the launch file, and the values that were meant for it; needs no launch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from anon_ros.config import all_parameters
from anon_ros.errors import ConfigError

LAUNCH_FILE = "anonymize.launch.py"
_SWITCH = ("true", "false", "True", "False")
_OF_LAUNCH = frozenset({"launch-prefix", "launch-prefix-filter"})

SHORT_NAMES: Mapping[str, str] = {
    "prefix": "topic_prefix",
    "model": "inpaint_model",
    "weights": "detect_weights",
    "device": "compute_device",
    "name": "node_name",
    "namespace": "node_namespace",
}
"""Names that other launch files declare, too, by which a user may call ours on its command line.

launch passes each argument of a launch file on to those that it includes, so anywhere else a value
under such a name is somebody else's.
"""


@dataclass(frozen=True)
class LaunchArgument:
    """Argument of the launch file.

    Attributes:
        default: value if it is not given.
        help: clause for a user.
        choices: the only allowed values; empty for any.
        parameter: of the node, which the value overrides; empty for none.
    """

    default: str
    help: str
    choices: Sequence[str] = ()
    parameter: str = ""


def declare_arguments(config: Path) -> dict[str, LaunchArgument]:
    """Return all arguments by name.

    Args:
        config: folder with the shipped parameter file, profiles and Fast DDS profile.
    """
    profiles = sorted(file.stem for file in (config / "profiles").glob("*.yaml"))
    return {
        "params_file": LaunchArgument(
            str(config / "anonymize.yaml"),
            "ROS parameter file, in which a section must be for the node",
        ),
        "profile": LaunchArgument(
            "", "shipped parameter file on top of it: speed and quality", ("", *profiles)
        ),
        **_declare_overrides(),
        "node_name": LaunchArgument("anonymizer", "name of the node"),
        "node_namespace": LaunchArgument("", "namespace of the node"),
        "record": LaunchArgument(
            "",
            "path of a bag: record everything below the prefix. If it is there already, a number "
            "is put behind it",
        ),
        "record_topics": LaunchArgument(
            "",
            "other topics to record, under their own names, as [/tf, /tf_static, /lidar/*]; topics "
            "to anonymize are refused",
        ),
        "record_args": LaunchArgument(
            "", "options of ros2 bag record, as '--storage mcap --max-bag-duration 60'"
        ),
        "record_required": LaunchArgument(
            "true", "false to go on when the recorder, or the node that it records, ends", _SWITCH
        ),
        "respawn": LaunchArgument(
            "false", "true to start the node again whenever it ends by itself", _SWITCH
        ),
        "log_level": LaunchArgument(
            "info",
            "of the log; debug is for the node alone",
            ("debug", "info", "warn", "error", "fatal"),
        ),
        "dds_profile": LaunchArgument(
            str(config / "fastdds.xml"),
            "Fast DDS profile that lets whole images through, of node and recorder; none leaves "
            "that to you",
        ),
    }


def _declare_overrides() -> dict[str, LaunchArgument]:
    methods = ("", *all_parameters()["inpaint.method"].spec.choices)
    table: dict[str, tuple[str, str, Sequence[str]]] = {
        "image_topics": (
            "topics.images",
            "image topics to anonymize, names or patterns, as [/a/image_raw, /b/*/image_raw]",
            (),
        ),
        "topic_prefix": (
            "topics.prefix",
            "namespace put before a topic to make its mirrored topic",
            (),
        ),
        "inpainter": ("inpaint.method", "replacement of a person", methods),
        "inpaint_model": ("inpaint.model", "directory of the diffusers pipeline", ()),
        "detect_weights": (
            "detect.weights",
            "path of detection weights, or several, as [yolov8x-seg.pt, plates.pt]",
            (),
        ),
        "compute_device": ("compute.device", "auto, cpu, cuda or cuda:N", ()),
        "use_sim_time": (
            "use_sim_time",
            "true to take the time from /clock, as from a played bag",
            ("", *_SWITCH),
        ),
    }
    return {
        name: LaunchArgument("", f"{help_text} (empty: as the files say)", choices, parameter)
        for name, (parameter, help_text, choices) in table.items()
    }


def collect_arguments(
    names: Sequence[str], configurations: Mapping[str, str], argv: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the values of our arguments, and the short names whose values are somebody else's.

    Args:
        names: of all our arguments.
        configurations: launch's configurations, those of including launch files among them.
        argv: of the process, as ``ros2 launch anon_ros anonymize.launch.py device:=cpu``.

    Raises:
        ConfigError: if the user gave an argument that is unknown, or under two names.
    """
    typed = _find_typed(argv)
    values = {name: configurations[name] for name in names}
    for name in typed:
        if name not in {*names, *SHORT_NAMES, *_OF_LAUNCH}:
            close = get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            message = f"argument {name} is unknown{hint} (--show-args lists all)"
            raise ConfigError(message)
    for name in typed & SHORT_NAMES.keys():
        if SHORT_NAMES[name] in typed:
            message = f"arguments {name} and {SHORT_NAMES[name]} are the same: give one"
            raise ConfigError(message)
        values[SHORT_NAMES[name]] = configurations[name]
    return values, [name for name in SHORT_NAMES if name in configurations.keys() - typed]


def _find_typed(argv: Sequence[str]) -> set[str]:
    """Return the arguments that the user typed for this launch file, not for one around it."""
    files = [index for index, word in enumerate(argv) if Path(word).name == LAUNCH_FILE]
    if not files:
        return set()
    return {word.partition(":=")[0] for word in argv[files[0] :] if ":=" in word}
